"""`request`: ask a process and wait for what comes of it; the fast path first, the whole rule behind it.

A request is what `monitor` with a reply alias, `send` and ``receive(ref=...)`` are
together, and every call of every behaviour is one. Made of those verbs it took some
hundred function calls. Asked by the process itself it is done in place, most of all
between two of a shard: the same records are written into the same tables (a `process_info`
shows them, a death finds them), but what comes for the ref is handed to the waiting
process by way of `Mailbox.answer`, past the queue, and its time limit is only armed
if the answer does not come within the slice. A child task waits at a future, as in
`receive`. Everything else goes to `_request`, which is the three verbs.

Rejected: running the server's callback on the caller's step, as actors do whose calls
are method calls. Two processes would share a step, its budget, its cancellation and its
place in every traceback.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, cast

from otpnode.errors import ProcessNotFoundError
from otpnode.pid import PID_PREFIX
from otpnode.process.asyncio_names import current_task
from otpnode.process.compiled import FAST
from otpnode.process.current import caller
from otpnode.process.entry import entered_process
from otpnode.process.exits import is_text
from otpnode.process.mailbox import IDLE, NOBODY_ASKS, PARKED, SPECIAL, WOKEN
from otpnode.process.messages import check_timeout, receive, resolve, send, send_nowait
from otpnode.process.monitoring import demonitor, monitor
from otpnode.process.reception import drop_alias
from otpnode.process.relations import MonitorRecord
from otpnode.process.timers import SOON
from otpnode.process.waiting import handed_over
from otpnode.reasons import NOPROC
from otpnode.ref import REF_PREFIX
from otpnode.signals import Demonitor

if TYPE_CHECKING:
    from otpnode.pid import Pid
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard
    from otpnode.ref import Ref

NUMBERS = (float, int)
FOREVER = float("inf")


async def request(target: Pid | str, tag: object, *fields: object, timeout: float | None = None) -> tuple[object, ...]:
    """Send ``(tag, (self, ref), *fields)`` and wait for what comes for `ref`.

    Whoever has the message answers with ``process.send_nowait(ref, (ref, reply))``.

    Args:
        target: a pid, or a registered name, which binds the process that has it now.
        tag: what kind of request it is: the first element of the message.
        fields: the elements after the second.
        timeout: seconds for all of it, the wait for room in the target's mailbox
            included; None or ``inf`` for ever, 0 to send and look.

    Returns:
        ``(ref, reply)``, or ``('DOWN', ref, 'process', pid, reason)`` when `target` died
        without a reply, or its shard did.

    Raises:
        ProcessNotFoundError: `target` is dead already, or the name unknown; nothing was sent.
        TimeoutError: nothing came in time, or the mailbox stayed full.
        UnserializableError, MessageTooLargeError: the request cannot travel; nothing was sent.
        NotInProcessError, RuntimeError: outside a process; the caller has no mailbox, or its
            own `receive` is under way in a child task.
        ValueError, TypeError: a bad timeout, a bad target.

    Guarantees:
        Takes nothing else out of the caller's mailbox and leaves nothing in it, whatever
        it ends with: a late reply is dropped (SEMANTICS GS-03, GS-04, AL-03). Any number of
        child tasks may make requests at once (RC-10).
    """
    me = caller()
    if me is not None and (timeout is None or (type(timeout) in NUMBERS and 0 < timeout < FOREVER)):
        shard = me.shard
        box = me.box or me.mailbox
        if shard.running is me and box.gate == IDLE and current_task(shard.loop) is me:
            ref = shard.refs.make()
            if _asked(shard, me, target, ref, (tag, (me.pid, ref), *fields)):
                if box.blocked or box.grants is not None:
                    box.park(ref)
                else:
                    box.wanted = ref
                    box.state = PARKED
                    box.gate = SPECIAL
                box.answer = None
                if timeout is not None:
                    deadlines = shard.deadlines
                    deadlines.young[me] = deadlines.now() + timeout
                    if timeout < SOON or not shard.queue.scheduled:
                        deadlines.grow_up()
                try:
                    await me.place
                    while box.answer is None:
                        if timeout is not None and me not in deadlines:
                            raise _no_answer(target, timeout)
                        box.park(ref)
                        await me.place
                    answer = box.answer
                except BaseException:
                    _forget(shard, me, ref)
                    raise
                finally:
                    box.answer = NOBODY_ASKS
                    box.wanted = None
                    box.state = IDLE
                    if box.waits is None and box.claims is None and not me.deaf:
                        box.gate = IDLE
                    if timeout is not None and deadlines.young.pop(me, None) is None:
                        deadlines.forget(me)
                if ref in me.monitors:
                    # Not answered by way of the alias, but by a message to the pid.
                    _forget(shard, me, ref)
                return answer
    return await _request(target, tag, fields, timeout)


def _asked(shard: Shard, me: Proc, target: str, ref: Ref, message: tuple[object, ...]) -> bool:
    """Monitor and send, in this order; False when that is not the usual case: nothing has happened then."""
    other = shard.mailboxes.get(target)
    if other is None:
        return _asked_elsewhere(shard, me, target, ref, message)
    parked = other.gate == PARKED
    if other is me.box or not (parked or not other.full):
        return False
    owner = other.owner
    if me.monitors is None:
        me.monitors = {}
    me.monitors[ref] = MonitorRecord(target, target, "DOWN", "reply_demonitor")
    shard.aliases[ref] = me
    if owner.monitored_by is None:
        owner.monitored_by = {}
    owner.monitored_by[ref] = me.pid
    if parked and shard.running is me:
        other.queue.append(message)
        other.gate = WOKEN
        shard.ready.append(owner)
    else:
        other.put(message)
    return True


def _asked_elsewhere(shard: Shard, me: Proc, target: str, ref: Ref, message: tuple[object, ...]) -> bool:
    outbound = shard.router.outbound
    if outbound is None or not isinstance(target, str) or not outbound.request(me.pid, target, ref, message):
        # Whoever is dead may have had the last word already: `_request` hears it.
        return False
    if me.monitors is None:
        me.monitors = {}
    me.monitors[ref] = MonitorRecord(target, target, "DOWN", "reply_demonitor")
    shard.aliases[ref] = me
    return True


def _forget(shard: Shard, me: Proc, ref: Ref) -> None:
    """End the monitor and the alias, and take what has come for them out of the mailbox."""
    record = me.monitors.pop(ref, None) if me.monitors else None
    if record is not None:
        shard.router.post(Demonitor(me.pid, record.target, ref))
        drop_alias(me, ref)
    box = me.mailbox
    while (index := box.find_ref(ref, None)) >= 0:
        box.take_at(index)


def _no_answer(target: str, seconds: float | None) -> TimeoutError:
    """Make the error of a request that nobody has answered in time."""
    return TimeoutError(f"no answer from {target} within {seconds} s")


# -- the whole rule -----------------------------------------------------------


async def _request(target: str, tag: object, fields: tuple[object, ...], timeout: float | None) -> tuple[object, ...]:
    seconds = check_timeout(timeout)
    me = await entered_process("request")
    # A dead pid is let through: whether it is its shard that is down, the monitor says (GS-03).
    pid = target if isinstance(target, str) and target.startswith(PID_PREFIX) else resolve(me.shard, target)
    if pid.startswith(REF_PREFIX):
        raise TypeError(f"request takes a pid or a registered name, not {target!r}")
    if pid != target:
        return await request(cast("Pid", pid), tag, *fields, timeout=timeout)
    if current_task(me.shard.loop) is not me and not me.deaf:
        ref = me.shard.refs.make()
        if _asked(me.shard, me, pid, ref, (tag, (me.pid, ref), *fields)):
            return await _answer_in_child(me, pid, ref, seconds)
    ref = await monitor(pid, alias="reply_demonitor")
    try:
        left = await _sent(pid, (tag, (me.pid, ref), *fields), seconds)
        try:
            answer = await receive(left, ref=ref)
        except TimeoutError:
            raise _no_answer(pid, timeout) from None
    except ProcessNotFoundError:
        down = await _last_word(ref)
        if down is None or is_text(down[-1], NOPROC):
            raise
        return down
    except BaseException:
        await _flush(ref)
        raise
    if me.monitors and ref in me.monitors:
        await _flush(ref)
    return cast("tuple[object, ...]", answer)


async def _answer_in_child(me: Proc, target: str, ref: Ref, seconds: float | None) -> tuple[object, ...]:
    """Wait in a child task for what comes for `ref`, beside whatever else the process waits for."""
    try:
        answer = await handed_over(me, seconds, ref)
    except BaseException as error:
        _forget(me.shard, me, ref)
        if isinstance(error, TimeoutError):
            raise _no_answer(target, seconds) from None
        raise
    if me.monitors and ref in me.monitors:
        _forget(me.shard, me, ref)
    return cast("tuple[object, ...]", answer)


async def _sent(target: str, message: object, timeout: float | None) -> float | None:
    """Send, waiting for room if need be; returns the seconds that are left."""
    if send_nowait(target, message):
        return timeout
    began = monotonic()
    try:
        async with asyncio.timeout(timeout):
            await send(target, message)
    except TimeoutError:
        raise TimeoutError(f"{target} had no room in its mailbox within {timeout} s") from None
    return None if timeout is None else max(0.0, timeout - (monotonic() - began))


async def _last_word(ref: Ref) -> tuple[object, ...] | None:
    """Return what the monitor says of a target that took no message, if it has said it; nothing of it is left."""
    try:
        return cast("tuple[object, ...]", await receive(0, ref=ref))
    except TimeoutError:
        return None
    finally:
        await _flush(ref)


async def _flush(ref: Ref) -> None:
    await demonitor(ref, flush=True)
    try:
        await receive(0, ref=ref)
    except TimeoutError:
        return


if FAST is not None:
    request = FAST.compiled(request)
