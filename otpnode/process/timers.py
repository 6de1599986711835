"""The deadline heap of one shard: every timeout, timer and grace period.

One heap and one loop handle, armed for the earliest deadline, instead of a handle
per timer: time becomes a parameter (a `ManualClock` fires the same entries), and
cancelling is a flag. Cancelled entries are swept when they outnumber the live ones.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from otpnode.clock import Clock, MonotonicClock

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.watchdog import Order

SOON = 0.02
"""Seconds that the deadline of a request may stay out of the heap; one that is due sooner is put there at once."""


class Deadline:
    """One thing to do at `when`; `cancel` makes it never happen."""

    __slots__ = ("_heap", "action", "when")

    def __init__(self, heap: Deadlines, when: float, action: Callable[[], None]) -> None:
        self._heap = heap
        self.when = when
        self.action: Callable[[], None] | None = action

    def cancel(self) -> bool:
        """Forget it; True when it had not happened yet."""
        if self.action is None:
            return False
        self.action = None
        self._heap.cancelled()
        return True


class Timer(NamedTuple):
    """A user's timer: its deadline, and the local process whose death ends it (TM-04)."""

    deadline: Deadline
    target: Proc | None
    order: Order | None = None

    def stop(self, ref: str) -> bool:
        """Make it never fire; True when it had not."""
        if self.target is not None and self.target.timers is not None:
            self.target.timers.discard(ref)
        if self.order is not None and self.deadline.action is not None:
            self.order.cancel()
        return self.deadline.cancel()


class Deadlines:
    """Runs actions when their time has come, the earliest first, equals in order of making (TM-07)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._real = isinstance(clock, MonotonicClock)
        self._heap: list[tuple[float, int, Deadline]] = []
        self._count = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")
        self._cancelled = 0
        self.young: dict[Proc, float] = {}
        """Processes that wait for an answer → when they shall be woken. They come into the heap in a while: most have
        been answered by then, which saves four fifths of what a deadline costs."""
        self._nursery: asyncio.TimerHandle | None = None
        self._waiting: dict[Proc, Deadline] = {}
        self._context = Context()
        """Deadlines fire for nobody in particular, not in the context of whoever armed the handle."""
        self.now = clock.now
        clock.on_advance(self.fire)

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled + len(self.young)

    def __contains__(self, proc: Proc) -> bool:
        return proc in self.young or proc in self._waiting

    def after(self, delay: float, action: Callable[[], None]) -> Deadline:
        """Run `action` once `delay` seconds have passed; never within this call."""
        return self._at(self.now() + delay, action)

    def _at(self, when: float, action: Callable[[], None]) -> Deadline:
        deadline = Deadline(self, when, action)
        heapq.heappush(self._heap, (deadline.when, next(self._count), deadline))
        if self._real and deadline.when < self._armed_for:
            self._arm(deadline.when)
        return deadline

    def forget(self, proc: Proc) -> None:
        """The wait of `proc`, no longer young, is over."""
        deadline = self._waiting.pop(proc, None)
        if deadline is not None:
            deadline.cancel()

    def nurse(self) -> None:
        """See to it that the young are put into the heap before one of them, none due before `SOON`, can be due."""
        if self._nursery is None and self._real:
            self._nursery = self._loop.call_later(SOON / 2, self._nursed, context=self._context)

    def _nursed(self) -> None:
        self._nursery = None
        self.grow_up()

    def grow_up(self) -> None:
        """Put the young deadlines into the heap."""
        for proc, when in self.young.items():
            self._waiting[proc] = self._at(when, partial(self._overdue, proc))
        self.young.clear()

    def _overdue(self, proc: Proc) -> None:
        del self._waiting[proc]
        proc.mailbox.overdue()

    def _arm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = when
        self._handle = self._loop.call_later(max(0.0, when - self.now()), self.fire, context=self._context)

    def cancelled(self) -> None:
        """Count a cancelled entry, and sweep when they are most of the heap."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def fire(self) -> None:
        """Run what is due, then arm for what comes next: not for what has been cancelled."""
        self.grow_up()
        now = self.now()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].action is None):
            deadline = heapq.heappop(self._heap)[2]
            action, deadline.action = deadline.action, None
            if action is None:
                self._cancelled -= 1
            else:
                action()
        if self._real:
            self._armed_for = float("inf")
            if self._heap:
                self._arm(self._heap[0][0])

    def close(self) -> None:
        """Drop everything."""
        self._heap.clear()
        self.young.clear()
        self._waiting.clear()
        self._cancelled = 0
        for handle in (self._handle, self._nursery):
            if handle is not None:
                handle.cancel()
        self._handle = self._nursery = None
