"""The orderly stop of one shard's processes (SH-12).

First main, then the roots of what it left (a supervisor stops its own children in
its own order), then everybody, by ``'shutdown'``; what is left when the grace is
over is killed. One absolute deadline covers it all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING

from otpnode.process.current import here
from otpnode.process.deaths import NoMoreDeaths
from otpnode.process.proc import Proc
from otpnode.reasons import KILL, SHUTDOWN
from otpnode.signals import Exit2

if TYPE_CHECKING:
    from otpnode.process.shard import Shard

AT_ONCE = 200
"""How many are signalled in one turn of the loop: a million in one would hold it for seconds."""


def stop_node(code: int = 0) -> None:
    """Stop the node, orderly, from any of its processes; returns at once. It is `otpnode.stop`.

    Args:
        code: the exit code of ``otpnode start``; ``otpnode.run`` raises ``SystemExit(code)`` unless it is 0.
    """
    here().request_stop(code)


async def stop_trees(shard: Shard, main: str | None, grace: float) -> None:
    """End main, then the trapping processes whose spawner is dead, waiting for each group."""
    shard.accepting = False
    end = shard.deadlines.now() + grace
    if main is not None:
        _signal(shard, [main], SHUTDOWN)
        await _gone(shard, lambda: not _present(shard, main), end)
    while roots := [proc.pid for proc in shard.table.live.values() if _is_root(shard, proc)]:
        _signal(shard, roots, SHUTDOWN)
        await _gone(shard, lambda: not any(_present(shard, pid) for pid in roots), end)
        if shard.deadlines.now() >= end:
            return


async def stop_rest(shard: Shard, grace: float) -> None:
    """End every process that is left: ``'shutdown'``, and after `grace` seconds ``'kill'``."""
    shard.accepting = False
    end = shard.deadlines.now() + grace
    await _signal_all(shard, [*shard.table.live], SHUTDOWN, end)
    await _gone(shard, lambda: not _any(shard), end)
    while _any(shard):
        await _signal_all(shard, [*shard.table.live, *shard.table.exiting], KILL, inf)
        await _gone(shard, lambda: not _any(shard), shard.deadlines.now() + 2 * shard.config.kill_grace)


def stop_now(shard: Shard) -> None:
    """End no process, but let none go on: the end of the running step ends the loop, which must not run again.

    uvloop still calls whatever is due before it leaves: what begins there begins with a cancellation.
    """
    shard.accepting = False
    shard.deaths = NoMoreDeaths(shard)
    shard.queue.halt()
    for proc in (*shard.table.live.values(), *shard.table.exiting.values()):
        for child in tuple(proc.children or ()):
            child.cancel()
        proc.cancel()


def _is_root(shard: Shard, proc: Proc) -> bool:
    return proc.trap_exits and not (proc.ancestors and shard.is_alive(proc.ancestors[0]))


def _signal(shard: Shard, pids: Iterable[str], reason: str) -> None:
    for pid in pids:
        shard.reception.accept(Exit2(shard.system_pid, pid, reason))


async def _signal_all(shard: Shard, pids: list[str], reason: str, end: float) -> None:
    """Signal `pids` in their order, some in a turn of the loop, so that they end meanwhile, and not past `end`."""
    for at in range(0, len(pids), AT_ONCE):
        _signal(shard, pids[at : at + AT_ONCE], reason)
        await asyncio.sleep(0)
        if shard.deadlines.now() >= end:
            return


def _present(shard: Shard, pid: str) -> bool:
    return shard.table.find(pid) is not None


def _any(shard: Shard) -> bool:
    return bool(shard.table.live or shard.table.exiting)


async def _gone(shard: Shard, over: Callable[[], bool], end: float) -> None:
    """Return when `over` holds, looked at after each death, or when the time is up."""
    if over():
        return
    waiter: asyncio.Future[None] = shard.loop.create_future()

    def look(_: Proc | None = None) -> None:
        if not waiter.done() and over():
            waiter.set_result(None)

    shard.everyones_death.append(look)
    deadline = shard.deadlines.after(
        max(0.0, end - shard.deadlines.now()), lambda: None if waiter.done() else waiter.set_result(None)
    )
    try:
        await waiter
    finally:
        deadline.cancel()
        shard.everyones_death.remove(look)
