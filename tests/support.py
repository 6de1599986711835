"""What tests of processes need: bounded runs that end clean, conditions instead of sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from inspect import isawaitable
from pathlib import Path

import uvloop

from otpnode.clock import ManualClock
from otpnode.config import NodeConfig
from otpnode.process.hosting import LocalNode, run_main
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from otpnode.testing.driving import drive as drive
from otpnode.testing.leaks import children as children
from otpnode.testing.leaks import open_fds as open_fds

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 20.0
PLUGIN = () if entry_points(group="pytest11", name="otpnode") else ("-p", "otpnode.testing.plugin")
"""Options that tell a pytest of otpnode's plugin, where the package is not installed but only found."""

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


async def in_process(shard: Shard, func: Callable[..., object], *args: object) -> object:
    """Run ``func(*args)`` as a process of `shard`; return its value or raise what ended it."""
    end = await run_main(shard, func, args, lambda pid: None)
    if end.error is not None:
        raise end.error.with_traceback(end.traceback)
    assert end.ended_badly is None, f"the process ended with {end.ended_badly!r}"
    return end.value


def perform(loop: str, body: Callable[[], Awaitable[object]], *, eager: bool = False) -> object:
    """Run `body` as a process of a node in somebody else's loop."""

    async def main() -> object:
        if eager:
            asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
        try:
            async with LocalNode(NodeConfig(exit_grace=0.5, kill_grace=0.2, stop_grace=1.0)) as node:
                return await in_process(node.shard, body)
        finally:
            # uvloop 0.23 under Python 3.13 cannot close a loop with this factory, with or without a node.
            asyncio.get_running_loop().set_task_factory(None)

    return drive(main, loop=loop)


@asynccontextmanager
async def still_node(**settings: object) -> AsyncIterator[tuple[Shard, ManualClock]]:
    """Run a single-loop node whose time stands still until the test moves it."""
    clock = ManualClock()
    async with LocalNode(NodeConfig(**settings), clock=clock) as node:  # type: ignore[arg-type]
        yield node.shard, clock


def proc_of(shard: Shard, pid: str) -> Proc:
    """Return the record of a process."""
    proc = shard.table.find(pid)
    assert proc is not None, f"{pid} is gone"
    return proc


async def turns(count: int = 5) -> None:
    """Let the loop come round some times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def settled(shard: Shard) -> None:
    """Return when no process of `shard` can run any more without something from outside."""
    quiet = 0
    while quiet < 4:
        await asyncio.sleep(0)
        quiet = quiet + 1 if not shard.queue.ready and not shard.queue.scheduled else 0


async def until(probe: Callable[[], object], what: str = "", within: float = PATIENCE) -> object:
    """Return the first true answer of `probe`, a plain or a coroutine function."""
    end = time.monotonic() + within
    while True:
        answer = probe()
        if isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {within} s: {what or probe}"
        await asyncio.sleep(0.001)
