"""What a test of links needs: a bounded run under each loop, a handler that remembers, and rigs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import uvloop

from otpnode.transport.link import Link, Tap

MIB = 1 << 20
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run one coroutine function to its end on the named event loop."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(bounded())


async def turn() -> None:
    """Let the loop come round once."""
    came_round = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(came_round.set_result, None)
    await came_round


class Recorder:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.corrupt: list[str] = []
        self.writable = 0
        self.closed = 0
        self.on_each: Callable[[int, bytes], None] = lambda kind, body: None
        self.on_room: Callable[[], None] = lambda: None
        self._changed = asyncio.Event()

    def on_frame(self, kind: int, body: bytes) -> None:
        self.frames.append((kind, body))
        self._changed.set()
        self.on_each(kind, body)

    def on_corrupt(self, why: str) -> None:
        self.corrupt.append(why)
        self._changed.set()

    def on_writable(self) -> None:
        self.writable += 1
        self._changed.set()
        self.on_room()

    def on_closed(self) -> None:
        self.closed += 1
        self._changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    async def count(self, frames: int) -> None:
        await self.until(lambda: len(self.frames) >= frames)


class Rig(Protocol):
    """Makes joined ends of one implementation, and cuts them."""

    def pair(
        self,
        a: Recorder,
        b: Recorder,
        *,
        max_message: int = 64 * MIB,
        high_water: int = MIB,
        tap: Tap | None = None,
        now: Callable[[], float] | None = None,
    ) -> tuple[Link, Link]:
        """Join two ends; `tap` belongs to the first."""
        ...

    def cut(self, link: Link, partial: bytes) -> None:
        """End the stream of `link` as the death of its shard would, `partial` written last."""
        ...


class LinkLog(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._logger = logging.getLogger("otpnode.transport.link")

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __enter__(self) -> None:
        self._logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
