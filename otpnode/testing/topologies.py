"""Where a program under test runs: on one loop, on shards in one loop, on shards with OS processes of their own.

A program cannot tell them apart but by `process.schedulers`, and a test should hold on all three:
one loop is the debugger's friend, shards in memory show what does not travel and every order of
arrival that a pipe allows, OS processes are what will run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import psutil

from otpnode.clock import ManualClock
from otpnode.config import NodeConfig
from otpnode.errors import UnserializableError
from otpnode.process.hosting import LocalNode
from otpnode.running import run
from otpnode.scheduler.loopback_node import LoopbackNode
from otpnode.testing.conduct import conduct
from otpnode.testing.driving import drive
from otpnode.testing.topology import NAMES, WITHIN, Program, Topology
from otpnode.transport.strict import Strict
from otpnode.transport.travel import unimportable

SETTINGS: Final = {"exit_grace": 0.5, "kill_grace": 0.2, "stop_grace": 1.0}
"""Short graces, so that what refuses to die does not hold up the tests."""

STOP_SECONDS: Final = 30.0
"""What the start and the orderly stop of a node may take beside its program."""

FLOW_SECONDS: Final = 0.02


def _joined(defaults: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    # A name of its own: by default nodes of one OS process share theirs, and with it their pids.
    return {"name": f"t{uuid4().hex[:8]}"} | SETTINGS | defaults | settings


class _Flow:
    """Lets a clock that stands still run on once the test is over: a stop measures its graces by it."""

    def __init__(self, clock: ManualClock | None) -> None:
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def begin(self) -> None:
        """Let time go."""
        if self._clock is not None:
            self._task = asyncio.create_task(self._go(self._clock))

    async def _go(self, clock: ManualClock) -> None:
        while True:
            await asyncio.sleep(FLOW_SECONDS)
            clock.advance(FLOW_SECONDS)


class _InThisLoop:
    """What the two topologies without OS processes have in common."""

    def __init__(self, *, clock: ManualClock | None = None, leaks: bool = False, **settings: Any) -> None:
        self.clock = clock
        self._leaks = leaks
        self._settings = settings

    def _node(self, config: NodeConfig) -> LocalNode | LoopbackNode:
        raise NotImplementedError

    def run(self, program: Program, *args: object, within: float = WITHIN, **settings: Any) -> object:
        """See `Topology.run`."""
        _refuse_inside_a_loop()
        config = NodeConfig(**_joined(self._settings, settings))

        async def main() -> object:
            async with AsyncExitStack() as stack:
                flow = await stack.enter_async_context(_Flow(self.clock))
                await stack.enter_async_context(self._node(config))
                return await conduct(program, args, within, over=flow.begin, leaks=self._leaks)

        return drive(main, loop=config.loop, within=within + STOP_SECONDS)


class OneLoop(_InThisLoop):
    """One shard on a loop of the test's own thread.

    Args:
        clock: a clock for its timers and timeouts.
        leaks: processes left behind are no failure.
        settings: those of `otpnode.run`.
    """

    name = "one"

    def _node(self, config: NodeConfig) -> LocalNode:
        copier = Strict(config.max_message) if config.copy_messages else None
        return LocalNode(config, clock=self.clock, copier=copier)


class Loopback(_InThisLoop):
    """Several shards on one loop, joined by links in memory: what crosses is encoded, byte for byte.

    Args:
        shards: how many.
        clock: a clock for the timers and timeouts of all of them.
        leaks: processes left behind are no failure.
        settings: those of `otpnode.run`.
    """

    name = "loop"

    def __init__(self, shards: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self._shards = shards

    def _node(self, config: NodeConfig) -> LoopbackNode:
        return LoopbackNode(config, shards=self._shards, clock=self.clock)


class OsProcesses:
    """Shards as they are deployed: a supervisor, and an OS process for each.

    Args:
        shards: how many, at least 2.
        leaks: processes left behind are no failure.
        settings: those of `otpnode.run`.
    """

    name = "pipe"
    clock: ManualClock | None = None

    def __init__(self, shards: int = 2, *, leaks: bool = False, **settings: Any) -> None:
        self._leaks = leaks
        self._settings = {"schedulers": shards} | settings

    def run(self, program: Program, *args: object, within: float = WITHIN, **settings: Any) -> object:
        """See `Topology.run`."""
        _refuse_inside_a_loop()
        why = unimportable(program)
        if why is not None:
            raise UnserializableError(
                f"{why}; move the program to the top level of the test's module, or leave out OS processes: "
                "@pytest.mark.otpnode(topologies=['one', 'loop']), or a `node` of one loop"
            )
        with _killed_after(within + STOP_SECONDS):
            return run(_main, program, args, within, self._leaks, **_joined(self._settings, settings))


def _refuse_inside_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "run was called inside a running event loop: make the test a plain `def`, or use `async with otpnode.node():` "
        "in a coroutine test"
    )


async def _main(program: Program, args: tuple[object, ...], within: float, leaks: bool) -> object:
    """Be main of a node of OS processes, beside the program."""
    return await conduct(program, args, within, os_processes=True, leaks=leaks)


@contextmanager
def _killed_after(seconds: float) -> Iterator[None]:
    """Kill the OS processes started in the block if they are still there: whoever waits for them goes on."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def kill() -> None:
        for child in psutil.Process().children(recursive=True):
            if child.pid not in before:
                os.kill(child.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def make_topology(name: str, *, schedulers: int = 0, clock: ManualClock | None = None, **options: Any) -> Topology:
    """Make the topology called `name`.

    Args:
        name: ``'one'``, ``'loop'`` or ``'pipe'``.
        schedulers: how many shards where there are several; 0 for 2.
        clock: see `OneLoop`; there is none for OS processes, which share no memory of it.
        options: `leaks`, and the settings of `otpnode.run`.

    Raises:
        ValueError: an unknown name, or a clock for OS processes.
    """
    if name not in NAMES:
        raise ValueError(f"no topology {name!r}; there are {', '.join(NAMES)}")
    if name == "pipe":
        if clock is not None:
            raise ValueError(
                "a manual clock cannot be shared by OS processes; run the test on the topologies 'one' and 'loop'"
            )
        return OsProcesses(schedulers or 2, **options)
    return OneLoop(clock=clock, **options) if name == "one" else Loopback(schedulers or 2, clock=clock, **options)
