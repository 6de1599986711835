"""What tests of processes need: bounded runs that end clean, conditions instead of sleeps."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path

import psutil
import uvloop

from otpnode.clock import ManualClock
from otpnode.config import NodeConfig
from otpnode.process.current import HOSTS
from otpnode.process.hosting import LocalNode, run_main
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 10.0

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


def drive(
    main: Callable[[], Awaitable[object]],
    *,
    loop: str = "uvloop",
    within: float = 30.0,
    complaints: list[str] | None = None,
) -> object:
    """Run `main` to its end on a loop of its own; fail when it leaves a task or a shard behind, or the loop complains.

    Args:
        main: a coroutine function.
        loop: ``'uvloop'`` or ``'asyncio'``.
        within: seconds it may take.
        complaints: takes what the loop's exception handler is told, when that is expected.
    """
    heard: list[str] = []

    async def bounded() -> object:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: heard.append(describe(context)))
        async with asyncio.timeout(within):
            result = await main()
        me = asyncio.current_task()
        for _ in range(5):
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not me]
        assert not left, f"tasks left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        result = runner.run(bounded())
        gc.collect()
    if complaints is not None:
        complaints += heard
    else:
        assert not heard, "the loop complained: " + "\n".join(heard)
    assert not HOSTS, f"shards left behind: {HOSTS}"
    return result


def describe(context: dict[str, object]) -> str:
    """Put what a loop's exception handler was told into one line."""
    return f"{context.get('message')}: {context.get('exception')!r}"


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


def open_fds() -> dict[int, str]:
    """Return the open file descriptors of this OS process and what each stands for."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return found


def children() -> set[int]:
    """Return the OS processes this one has started and not yet reaped."""
    return {child.pid for child in psutil.Process().children()}
