"""The one way into a node from another thread (CT-04)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from inspect import isawaitable
from typing import TYPE_CHECKING

from otpnode.errors import ProcessExit
from otpnode.process.current import CURRENT, HOSTS, foreign_thread
from otpnode.process.exits import is_text
from otpnode.process.lifecycle import exit
from otpnode.reasons import KILL

if TYPE_CHECKING:
    from otpnode.process.proc import Proc


def call_threadsafe(verb: Callable[..., object], *args: object) -> Future[object]:
    """Call a verb from any thread.

    Runs as the process whose ``asyncio.to_thread`` the caller is in, else as outside
    any process, on the loop of the node.

    Args:
        verb: a function of `otpnode.process`.
        args: its arguments.

    Returns:
        A ``concurrent.futures.Future`` of the verb's result.

    Raises:
        RuntimeError: no node runs in this OS process, or several do and the caller
            belongs to none of them.
        ProcessExit: the process the caller belongs to is dead.
    """
    proc = CURRENT.get()
    if proc is not None:
        if proc.cut_off:
            raise ProcessExit(proc.reason)
        if proc.shard.thread == 0:
            raise foreign_thread()
        loop = proc.shard.loop
    else:
        loops = {shard.loop for shards in list(HOSTS.values()) for shard in shards}
        if not loops:
            raise RuntimeError("no runtime: start one with otpnode.run(main) or `async with otpnode.node():`")
        if len(loops) > 1:
            raise RuntimeError("several nodes run in this OS process; call from within one of their processes")
        loop = loops.pop()
    if verb is exit and len(args) == 2 and is_text(args[1], KILL):
        _order_kill(proc, args[0])
    result: Future[object] = Future()
    context = copy_context()
    loop.call_soon_threadsafe(_begin, loop, result, verb, args, context=context)
    return result


def _order_kill(proc: Proc | None, pid: object) -> None:
    """See to it that a kill from a thread ends a process that holds the loop (FS-03)."""
    shards = [proc.shard] if proc is not None else [shard for each in list(HOSTS.values()) for shard in each]
    for shard in shards:
        if isinstance(pid, str) and pid in shard.table.live:
            shard.watchdog.order(0.0, pid)


def _begin(
    loop: asyncio.AbstractEventLoop, result: Future[object], verb: Callable[..., object], args: tuple[object, ...]
) -> None:
    if not result.set_running_or_notify_cancel():
        return

    async def call() -> None:
        try:
            value = verb(*args)
            result.set_result(await value if isawaitable(value) else value)
        except BaseException as exc:
            result.set_exception(exc)
            if not isinstance(exc, Exception | asyncio.CancelledError):
                raise

    task = loop.create_task(call())
    # The loop holds tasks weakly; the result's callbacks hold this one until it is over.
    result.add_done_callback(lambda _: task.done())
