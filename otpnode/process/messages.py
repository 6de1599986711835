"""`send` and `receive`: the fast path first, the whole rule behind it.

Both verbs begin with the same question: is the caller a process on its own step?
Then the usual cases (a local live target with room; a message waiting, or nobody
else waiting) are done in place. Anything else goes to the coroutine below, which
knows all the rules. A `receive` that waits has yielded, so only one that finds a
message, and every `send`, counts against the fairness budget.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from inspect import iscoroutine, iscoroutinefunction
from math import isfinite, isnan
from typing import TYPE_CHECKING, cast

from otpnode.errors import ProcessNotFoundError
from otpnode.pid import PID_PREFIX
from otpnode.process import waiting
from otpnode.process.blocking import Block, closes_a_circle
from otpnode.process.compiled import FAST
from otpnode.process.current import caller, here
from otpnode.process.entry import entered, entered_process, spent
from otpnode.process.mailbox import IDLE, PARKED, SPECIAL, WOKEN, Exempt, Mailbox
from otpnode.process.reception import watched_by
from otpnode.ref import REF_PREFIX
from otpnode.signals import LOST, AliasMessage, Message

if TYPE_CHECKING:
    from otpnode.pid import Pid
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard
    from otpnode.ref import Ref

Match = Callable[[object], object]


async def send(target: Pid | Ref | str, message: object) -> None:
    """Send `message` to a pid, a registered name, or an alias.

    Suspends while the target's mailbox is full (100 user messages by default), or
    while no credit is left towards another shard.

    Args:
        target: a pid, a name, or an alias/monitor ref.
        message: any object; to another shard, anything that can travel exactly.

    Raises:
        ProcessNotFoundError: the pid is dead or the name unknown at the call. An
            inactive alias raises nothing.
        UnserializableError: the message cannot travel; nothing was sent.
        MessageTooLargeError: it is larger than ``--max-message``.
        TypeError: `target` is none of the three.

    Guarantees:
        Messages and signals of one sender to one receiver arrive in the order they
        were sent (SEMANTICS SO-01). Returning means admitted here, not delivered
        (SD-05): a target that dies meanwhile loses it. A send that is cancelled
        while it waits has not been sent (MB-04). Inside a shard the receiver gets
        the same object, between shards an equal copy (SD-06).
    """
    me = caller()
    if me is not None:
        shard = me.shard
        if shard.running is me:
            me.ops = ops = me.ops + 1
            if not ops & 7 and spent(me):
                await asyncio.sleep(0)
            box = shard.mailboxes.get(target)
            if box is not None:
                gate = box.gate
                if gate <= IDLE:
                    if len(box.queue) < box.limit:
                        box.queue.append(message)
                        return
                elif gate == PARKED:
                    box.queue.append(message)
                    box.gate = WOKEN
                    shard.ready.append(box.owner)
                    return
            else:
                way = shard.ways.get(target)
                if way is not None and way.send(me.pid, message):
                    return
    await _send(target, message)


async def _send(target: str, message: object) -> None:
    shard, me = await entered("send", in_cleanup=True)
    box = _local(shard, target)
    if box is None:
        to = resolve(shard, target)
        way = shard.router.elsewhere(to)
        if to.startswith(REF_PREFIX):
            _to_alias(shard, me, to, message)
        elif way is not None:
            await way[0].send(way[1], Message(_sender(shard, me), to, message), me)
        else:
            copy = copied(shard, message)
            if copy is not LOST:
                await _admit(shard, me, shard.table.live[to].mailbox, copy)
    else:
        await _admit(shard, me, box, message)


def send_nowait(target: Pid | Ref | str, message: object) -> bool:
    """Send without ever suspending: for callbacks and other plain code.

    Returns:
        True when the message was admitted, False where `send` would have waited (SD-08).

    Raises:
        ProcessNotFoundError, UnserializableError, MessageTooLargeError, TypeError: as `send`.
    """
    me = caller()
    if me is not None and me.shard.running is me and me.shard.copier is None:
        owner = me.shard.aliases.get(target)
        if owner is not None:
            me.shard.reception.through_alias(owner, target, message)
            return True
    shard = here()
    to = resolve(shard, target)
    if to.startswith(REF_PREFIX):
        _to_alias(shard, me, to, message)
        return True
    way = shard.router.elsewhere(to)
    if way is not None:
        return way[0].send_nowait(way[1], Message(_sender(shard, me), to, message))
    proc = shard.table.live[to]
    if proc.mailbox.full and proc is not me and not proc.deaf:
        return False
    copy = copied(shard, message)
    if copy is not LOST:
        proc.mailbox.put(copy)
    return True


def _to_alias(shard: Shard, me: Proc | None, ref: str, message: object) -> None:
    """Send to an alias; the answer to a request of another shard is one frame with the end of its monitor."""
    if me is not None and me.askers:
        asker = me.askers.pop(ref, None)
        if asker is not None and asker.reply(me.pid, ref, message):
            watched_by(me).pop(ref, None)
            return
    shard.router.post(AliasMessage(_sender(shard, me), ref, message))


def resolve(shard: Shard, target: object) -> str:
    """Return the pid or ref that `target` means now (SD-04).

    Raises:
        ProcessNotFoundError: a dead pid or an unknown name.
        TypeError: not a ``str``.
    """
    if not isinstance(target, str):
        raise TypeError(f"a target is a pid, a registered name or a ref, not {type(target).__name__}")
    if target.startswith(REF_PREFIX):
        return target
    pid: str | None = target
    if not target.startswith(PID_PREFIX):
        pid = shard.names.whereis(target)
        if pid is None:
            raise ProcessNotFoundError(f"no process is registered as {target!r}")
    if pid is None or not shard.is_alive(pid):
        raise ProcessNotFoundError(f"{target} is not alive")
    return pid


def copied(shard: Shard, message: object) -> object:
    """Return what a receiver on this shard gets: the object itself, or in strict mode a copy, or `LOST`."""
    return message if shard.copier is None else shard.copier.message(message)


def _local(shard: Shard, target: object) -> Mailbox | None:
    if not isinstance(target, str):
        return None
    box = shard.mailboxes.get(target)
    if box is None and shard.copier is None:
        proc = shard.table.live.get(target)
        box = None if proc is None else proc.mailbox
    return box


def _sender(shard: Shard, me: Proc | None) -> str:
    return shard.system_pid if me is None else me.pid


async def _admit(shard: Shard, me: Proc | None, box: Mailbox, message: object) -> None:
    """Put a user message into a mailbox of this shard, waiting for room (MB-02 … MB-08)."""
    if box.owner is me or not box.full or box.owner.deaf:
        box.put(message)
        return
    if me is not None and closes_a_circle(shard, me, box.owner.pid):
        box.put(message)
        return
    waiting: asyncio.Future[None] = shard.loop.create_future()
    if box.blocked is None:
        box.blocked = deque()
    box.blocked.append(waiting)
    box.care = True
    with Block(shard, me, box.owner.pid, partial(box.overcommit, waiting)):
        try:
            await waiting
        except BaseException:
            box.withdraw(waiting)
            raise
    box.enter(message)


async def receive(timeout: float | None = None, match: Match | None = None, *, ref: Ref | str | None = None) -> object:
    """Take the next message out of the caller's mailbox, waiting for it.

    Args:
        timeout: seconds to wait, measured from entry; None or ``inf`` for ever, 0 to look only.
        match: takes a message, says whether to take it; tested in queue order, at
            most once per message and call.
        ref: take the oldest tuple with this ref at index 0 or 1, ``(ref, reply)`` or
            ``('DOWN', ref, 'process', pid, reason)``; any number of child tasks may wait
            so at once (RC-10). `match`, if given, must then hold too.

    Returns:
        The message.

    Raises:
        TimeoutError: nothing (that matched) came in time; later messages are kept (RC-04).
        RuntimeError: another `receive` without `ref` is under way, or the process has no mailbox.
        ValueError, TypeError: a bad timeout, or an async `match`.
        NotInProcessError: called outside a process.

    Guarantees:
        FIFO per sender. Cancelling either returns the message or leaves it queued
        (RC-09). Messages that do not match keep their places (RC-05).
    """
    me = caller()
    if me is not None and timeout is None and match is None and ref is None:  # noqa: SIM102
        if me.shard.running is me:
            box = me.box or me.mailbox
            if box.gate == IDLE:
                queue = box.queue
                if queue:
                    me.ops = ops = me.ops + 1
                    if not ops & 7 and spent(me):
                        await asyncio.sleep(0)
                        return await _receive(timeout, match, ref)
                    message = queue.popleft()
                    return box.took(message) if box.care else message
                if not box.care:
                    while True:
                        box.gate = PARKED
                        try:
                            await me.place
                        except BaseException:
                            box.unpark()
                            raise
                        if box.gate == WOKEN:
                            box.gate = IDLE
                        else:
                            box.unpark()
                        queue = box.queue
                        if queue:
                            message = queue.popleft()
                            return box.took(message) if box.care else message
    return await _receive(timeout, match, ref)


async def _receive(timeout: float | None, match: Match | None, ref: str | None) -> object:
    seconds = check_timeout(timeout)
    if match is not None and iscoroutinefunction(match):
        raise TypeError("match must be a plain function, not an async one")
    me = await entered_process("receive")
    box = me.mailbox
    if me.deaf:
        raise RuntimeError(f"{me.pid} was spawned with mailbox=False and cannot receive")
    if box.matching:
        raise RuntimeError("match must not call receive")
    if ref is not None and asyncio.current_task() is not cast("asyncio.Task[object]", me):
        return await waiting.receive_ref_in_child(me, seconds, match, ref)
    if box.receiving:
        raise RuntimeError(
            "another receive of this process is under way; child tasks may wait at once only with receive(ref=...)"
        )
    return await _receive_alone(me, seconds, match, ref)


async def _receive_alone(me: Proc, seconds: float | None, match: Match | None, ref: str | None) -> object:
    box = me.mailbox
    limit = waiting.Limit(me, seconds)
    box.scanned = 0
    try:
        while True:
            index = _scan(box, match, ref)
            if index >= 0:
                return box.take_at(index)
            if limit.over:
                raise TimeoutError(f"no {'matching ' if match or ref else ''}message within {seconds} s")
            limit.arm()
            box.park(ref)
            await me.place
            box.unpark()
    finally:
        limit.cancel()
        box.scanned = 0
        if box.receiving:
            box.unpark()


def _scan(box: Mailbox, match: Match | None, ref: str | None) -> int:
    """Return the index of the message to take, or -1; everything up to the end is then scanned (RC-06)."""
    if ref is not None:
        return box.find_ref(ref, match)
    queue = box.queue
    if match is None:
        return 0 if queue else -1
    box.matching = True
    box.gate = SPECIAL  # A receive within match must not find the fast path open (RC-07).
    try:
        while box.scanned < len(queue):
            entry = queue[box.scanned]
            found = match(entry.message if type(entry) is Exempt else entry)
            if iscoroutine(found):
                found.close()
                raise TypeError("match must be a plain function, not an async one")
            if found:
                return box.scanned
            box.scanned += 1
    finally:
        box.matching = False
        box.set_state(IDLE)
    return -1


def check_timeout(timeout: object) -> float | None:
    """Return the seconds of a valid timeout, None for 'for ever' (RC-03)."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        raise TypeError(f"a timeout is a number of seconds or None, not {timeout!r}")
    if isnan(timeout) or timeout < 0:
        raise ValueError(f"a timeout is at least 0 seconds, not {timeout!r}")
    return float(timeout) if isfinite(timeout) else None


if FAST is not None:
    send, receive, send_nowait = FAST.compiled(send), FAST.compiled(receive), FAST.compiled(send_nowait)
