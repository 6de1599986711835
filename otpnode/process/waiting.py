"""Waits that are not the usual one: with a time limit, or in a child task for one ref."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from otpnode.process.mailbox import Mailbox

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.timers import Deadline


class Limit:
    """The time limit of one `receive`, armed only when it has to wait."""

    __slots__ = ("_deadline", "_proc", "_seconds", "over")

    def __init__(self, proc: Proc, seconds: float | None) -> None:
        self._proc = proc
        self._seconds = seconds
        self._deadline: Deadline | None = None
        self.over = seconds == 0

    def arm(self) -> None:
        """Start the time, once."""
        if self._seconds is not None and self._deadline is None:
            self._deadline = self._proc.shard.deadlines.after(self._seconds, self._expire)

    def cancel(self) -> None:
        """The receive is over."""
        if self._deadline is not None:
            self._deadline.cancel()

    def _expire(self) -> None:
        self.over = True
        self._proc.mailbox.overdue()


async def receive_ref_in_child(
    me: Proc, seconds: float | None, match: Callable[[object], object] | None, ref: str
) -> object:
    """Wait for `ref` in a child task, beside whatever else the process waits for (RC-10)."""
    box = me.mailbox
    if box.waits is not None and ref in box.waits:
        raise RuntimeError(f"another task of this process is waiting for {ref} already")
    end = None if seconds is None else me.shard.deadlines.now() + seconds
    while True:
        found, message = _take_ref(box, ref, match)
        if not found:
            left = None if end is None else max(0.0, end - me.shard.deadlines.now())
            message = await handed_over(me, left, ref)
            if match is not None and not match(message):
                box.put_exempt(message)
                continue
        drop_idle_claim(me, ref)
        return message


def _take_ref(box: Mailbox, ref: str, match: Callable[[object], object] | None) -> tuple[bool, object]:
    claim = (box.claims or {}).get(ref)
    for message in claim or ():
        if claim is not None and (match is None or match(message)):
            claim.remove(message)
            return True, message
    index = box.find_ref(ref, match)
    return (True, box.take_at(index)) if index >= 0 else (False, None)


async def handed_over(me: Proc, seconds: float | None, ref: str) -> object:
    """Wait in a child task for the next message that holds `ref`; nothing queued is looked at."""
    box = me.mailbox
    if seconds == 0:
        raise TimeoutError(f"no message with {ref} within the time given")
    waiter: asyncio.Future[object] = me.shard.loop.create_future()
    if box.waits is None:
        box.waits = {}
    box.waits[ref] = waiter
    box.regate()
    deadline = None
    if seconds is not None:
        deadline = me.shard.deadlines.after(seconds, lambda: _expire(waiter, ref))
    cancelled = False
    try:
        return await waiter
    except asyncio.CancelledError:
        cancelled = True
        raise
    finally:
        if deadline is not None:
            deadline.cancel()
        if box.waits is not None:
            box.waits.pop(ref, None)
            box.waits = box.waits or None
        if not me.deaf:
            box.regate()
            if cancelled and waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # Handed over already: it goes back as if it came now, which also wakes the owner (RC-09).
                box.put_exempt(waiter.result())


def _expire(waiter: asyncio.Future[object], ref: str) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError(f"no message with {ref} within the time given"))


def drop_idle_claim(me: Proc, ref: str) -> None:
    """Forget the claim of a ref that nothing more can come for."""
    claims = me.mailbox.claims
    if claims is None or claims.get(ref):
        return
    if me.shard.aliases.get(ref) is not me and ref not in (me.monitors or {}):
        claims.pop(ref, None)
        me.mailbox.claims = claims or None
        me.mailbox.regate()
