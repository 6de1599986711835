"""The verbs of time: timers live on their maker's shard (TM-rules)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING

from otpnode.pid import PID_PREFIX, Pid, is_pid
from otpnode.process.current import CURRENT, here
from otpnode.process.entry import entered
from otpnode.process.exits import is_text
from otpnode.process.inspection import ask
from otpnode.process.timers import Timer
from otpnode.reasons import KILL
from otpnode.ref import REF_PREFIX, Ref, is_ref
from otpnode.signals import AliasMessage, Exit2, TimerMessage

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard


def send_after(delay: float, target: Pid | Ref | str, message: object) -> Ref:
    """Send `message` in `delay` seconds.

    Args:
        delay: seconds, at least 0.
        target: a pid or alias, or a name, resolved when the time has come (TM-04).
        message: any object.

    Returns:
        A ref for `cancel_timer` and `read_timer`.

    Raises:
        ValueError, TypeError: a bad delay or target. Never for a dead or unknown one.

    Guarantees:
        Not bounded by the mailbox limit (MB-09). The maker's death does not cancel it,
        the target's does where both live on one shard (SEMANTICS TM-04, TM-05).
    """
    shard = here()
    ref = shard.refs.make()
    return _arm(shard, ref, delay, target, lambda: _deliver(shard, target, message))


def start_timer(delay: float, target: Pid | Ref | str, message: object) -> Ref:
    """Like `send_after`, but what comes is ``('timeout', ref, message)`` (TM-01)."""
    shard = here()
    ref = shard.refs.make()
    return _arm(shard, ref, delay, target, lambda: _deliver(shard, target, ("timeout", ref, message)))


def exit_after(delay: float, pid: Pid, reason: object) -> Ref:
    """Send an exit signal to `pid` in `delay` seconds; a ref for `cancel_timer`.

    With ``'kill'`` it is a deadline that ends a pure-Python loop too, on its own shard
    as well (SEMANTICS FS-03).
    """
    shard = here()
    if not is_pid(pid):
        raise TypeError(f"exit_after takes a pid, not {pid!r}")
    proc = CURRENT.get()
    sender = shard.system_pid if proc is None else proc.pid
    ref = _arm(shard, shard.refs.make(), delay, pid, lambda: shard.router.post(Exit2(sender, pid, reason)))
    timer = shard.timers.get(ref)
    if timer is not None and timer.target is not None and is_text(reason, KILL):
        # A pure-Python loop holds the shard, timers included: the watchdog's thread keeps this one too.
        shard.timers[ref] = timer._replace(order=shard.watchdog.order(delay, pid))
    return ref


async def cancel_timer(ref: Ref | str) -> bool:
    """Stop a timer of any shard.

    Returns:
        True: its message will never arrive. False: it has been sent, or there is no such timer.

    Guarantees:
        A barrier (SEMANTICS TM-02).
    """
    shard, me = await entered("cancel_timer")
    return bool(await _ask(shard, me, ref, "cancel_timer"))


async def read_timer(ref: Ref | str) -> float | None:
    """Return the seconds a timer has left, or None when it has none."""
    shard, me = await entered("read_timer")
    left = await _ask(shard, me, ref, "read_timer")
    return left if isinstance(left, float) else None


async def sleep(seconds: float) -> None:
    """Suspend the caller; messages keep coming meanwhile."""
    shard, _ = await entered("sleep")
    _check_delay(seconds)
    waiter: asyncio.Future[None] = shard.loop.create_future()
    deadline = shard.deadlines.after(seconds, lambda: None if waiter.done() else waiter.set_result(None))
    try:
        await waiter
    finally:
        deadline.cancel()


async def _ask(shard: Shard, me: Proc | None, ref: str, question: str) -> object:
    if not is_ref(ref):
        raise TypeError(f"a timer is named by its ref, not {ref!r}")
    if shard.router.elsewhere(ref) is None:
        return shard.answer(question, [ref])
    return await ask(shard, me, ref, question, [ref])


def _check_delay(delay: object) -> None:
    if not isinstance(delay, (int, float)) or isinstance(delay, bool):
        raise TypeError(f"a delay is a number of seconds, not {delay!r}")
    if not isfinite(delay) or delay < 0:
        raise ValueError(f"a delay is at least 0 seconds and finite, not {delay!r}")


def _arm(shard: Shard, ref: Ref, delay: float, target: object, action: Callable[[], None]) -> Ref:
    _check_delay(delay)
    if not isinstance(target, str):
        raise TypeError(f"a target is a pid, a registered name or a ref, not {type(target).__name__}")
    proc = shard.table.live.get(target)
    if proc is None and target.startswith(PID_PREFIX) and shard.router.elsewhere(target) is None:
        return ref

    def fire() -> None:
        shard.timers.pop(ref).stop(ref)
        action()

    shard.timers[ref] = Timer(shard.deadlines.after(delay, fire), proc)
    if proc is not None:
        if proc.timers is None:
            proc.timers = set()
        proc.timers.add(ref)
    return ref


def _deliver(shard: Shard, target: str, message: object) -> None:
    to: str | None = target
    if not target.startswith((PID_PREFIX, REF_PREFIX)):
        to = shard.names.whereis(target)
    if to is None:
        return
    if to.startswith(REF_PREFIX):
        shard.router.post(AliasMessage(shard.system_pid, to, message))
    else:
        shard.router.post(TimerMessage(shard.system_pid, to, message))
