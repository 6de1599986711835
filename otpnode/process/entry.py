"""How a verb begins: who calls, whether it may, and whether it is time to yield.

The fairness budget (FS-01) is looked at when a verb begins, before anything is
dequeued: a message already taken would be lost to a cancellation at the yield
(RC-09). A process that is ending is met here too (AC-03): yielding first, so
that a loop that swallows its cancellation still lets its grace expire.
"""

from __future__ import annotations

import asyncio
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, cast

from otpnode.errors import NotInProcessError, ProcessExit
from otpnode.process.current import CURRENT, foreign_thread, here
from otpnode.process.proc import EXITING, Proc

if TYPE_CHECKING:
    from otpnode.process.shard import Shard

BUDGET_OPERATIONS = 200
BUDGET_SECONDS = 0.002
LOOK_EVERY = 8


def spent(proc: Proc) -> bool:
    """Tell whether `proc` must yield before its next operation; asked every 8th one."""
    if proc.shard.thread != get_ident():
        raise foreign_thread()
    if proc.ops >= BUDGET_OPERATIONS:
        return True
    if proc.ops == LOOK_EVERY:
        proc.begun_at = perf_counter()
        return False
    return perf_counter() - proc.begun_at > BUDGET_SECONDS


async def entered(verb: str, *, in_cleanup: bool = False) -> tuple[Shard, Proc | None]:
    """Begin a coroutine verb that may be called from outside a process too.

    Args:
        verb: its name, for the error.
        in_cleanup: whether a process that is ending may use it (AC-04).

    Raises:
        asyncio.CancelledError: the process is ending and the verb is not for its cleanup.
    """
    proc = CURRENT.get()
    if proc is None:
        return here(), None
    if proc.state >= EXITING:
        await _in_an_ending_process(proc, in_cleanup)
    shard = here()
    proc.ops += 1
    if not proc.ops & 7 and spent(proc):
        await asyncio.sleep(0)
        proc.ops = 0
    return shard, proc


async def entered_process(verb: str, *, in_cleanup: bool = False) -> Proc:
    """Begin a coroutine verb that only a process may call."""
    proc = (await entered(verb, in_cleanup=in_cleanup))[1]
    if proc is None:
        raise outside(verb)
    return proc


def outside(verb: str) -> NotInProcessError:
    """Make the error of a verb that only a process may call."""
    return NotInProcessError(
        f"process.{verb}() must be called from inside a process; start one with process.spawn(func)"
    )


async def surface(proc: Proc | None) -> None:
    """Do not return to a process that the verb has just ended (LK-04, EX-06)."""
    if proc is not None and proc.state >= EXITING:
        await asyncio.sleep(0)
        raise asyncio.CancelledError


async def _in_an_ending_process(proc: Proc, in_cleanup: bool) -> None:
    if proc.cut_off:
        if cast(object, asyncio.current_task()) is proc:
            await proc.place
        raise ProcessExit(proc.reason)
    if not in_cleanup:
        await asyncio.sleep(0)
        raise asyncio.CancelledError
