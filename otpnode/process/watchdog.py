"""Ending processes that never await (FS-03).

A pure-Python loop holds its shard's loop, so no exit signal can be delivered there.
The watchdog is a thread beside that loop. It knows of kills that are due: words that
other shards wrote on the board, deadlines armed beforehand (`exit_after`), requests
from other threads. When the process to be killed is what runs, and has run for longer
than ``kill_grace``, an exception class is raised inside it with
``PyThreadState_SetAsyncExc``, again every ``kill_grace`` until it is dead, because user
code may swallow it.

The exception must hit that step and no other, and never otpnode between two of its own
lines. So the watchdog looks where the thread stands, and raises only if it still stands
there. Between that second look and the raising it makes no call: CPython lets another
thread run only at a call, at a jump backwards or at the start of a function, so nothing
can move in between. Looking once, then calling, was tried: the step may have ended in
between, and its neighbour died. As it is raised, before user code can catch it, the
process is struck like one that takes a kill from its mailbox. The interpreter delivers the exception at the next loop
turn or call of that frame, or at the latest as the step returns to the run queue, which
takes it for the end of that process. Rejected: a signal and its handler
(``setitimer``): user code has its own use for SIGALRM, and every tick would wake an idle
loop.

Code inside C is not interruptible. It is told from code that swallows the exception by
the exception itself, which is instantiated only when it is raised, and by the thread
standing where it stood; then ``kill_blocked`` decides. C code that keeps the GIL
(a long ``pow``, a regular expression that explodes) holds up this thread as well; then the
killer's shard misses its signs, which each look leaves (`sampled`).
"""

from __future__ import annotations

import ctypes
import heapq
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from otpnode.process.asyncio_names import CURRENT_TASKS
from otpnode.process.interrupted import SET_ASYNC_EXC, THREADS, is_the_users, telling
from otpnode.reasons import KILLED

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
LOOKS_A_GRACE = 4
"""While somebody is to be killed."""
STILL_LOOKS = 10
"""So often must a thread have stood still: time alone says nothing on a machine that gave it no processor."""
TRIES = 40
TRY_SECONDS = 0.002
SWEEP_AT_LEAST = 64
LAST_WORDS_SECONDS = 1.0


class Order:
    """One kill that is due at `when`; `cancel` takes it back.

    Attributes:
        again: when to raise next, once it was tried.
        place: where the thread stood when it was tried last.
        still: how many looks ago that was, if it stands there yet with nothing raised.
        tries: how often it was tried.
        told: whether the log has it.
    """

    __slots__ = ("again", "cancelled", "pid", "place", "still", "told", "tries", "when")

    def __init__(self, when: float, pid: str) -> None:
        self.when = when
        self.pid = pid
        self.again = 0.0
        self.place: object = None
        self.still = 0
        self.tries = 0
        self.told = False
        self.cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self.cancelled = True

    def __lt__(self, other: Order) -> bool:
        return self.when < other.when


class Watchdog:
    """The thread of one shard.

    Args:
        shard: whose processes it may interrupt.
        words: reads the pids that other shards want killed here.
        sampled: told which serial runs, for the board.
    """

    def __init__(
        self,
        shard: Shard,
        *,
        words: Callable[[], list[str]] = list,
        sampled: Callable[[int], None] | None = None,
    ) -> None:
        self._shard = shard
        self._words = words
        self._sampled = sampled
        self._armed: list[Order] = []
        self._sweep_at = SWEEP_AT_LEAST
        self._due: dict[str, Order] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._over = False
        self._step: tuple[object, int] = (None, 0)
        self._step_since = 0.0
        self._victim: Proc | None = None
        self._arrived = False
        self._exception = telling(self._it_arrived)
        self._thread = threading.Thread(target=self._run, name=f"otpnode-watchdog-{shard.number}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._over = True
        self._wake.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def order(self, delay: float, pid: str) -> Order:
        """Kill `pid` in `delay` seconds if it then holds its shard; from any thread."""
        order = Order(time.monotonic() + delay, pid)
        with self._lock:
            if len(self._armed) >= self._sweep_at:
                find = self._shard.table.find
                self._armed = [each for each in self._armed if not each.cancelled and find(each.pid) is not None]
                heapq.heapify(self._armed)
                self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._armed))
            heapq.heappush(self._armed, order)
        self._wake.set()
        return order

    # -- the thread -----------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            hunting = self._shard.config.kill_grace / LOOKS_A_GRACE if self._due else LOOK_SECONDS
            self._wake.wait(min(LOOK_SECONDS, max(TRY_SECONDS, hunting)))
            self._wake.clear()
            if self._over:
                return
            try:
                self._look(time.monotonic())
            except Exception:
                log.exception("the watchdog of shard %d failed to look; it goes on", self._shard.number)

    def _look(self, now: float) -> None:
        self._sample(now)
        self._collect(now)
        for pid, order in list(self._due.items()):
            proc = self._shard.table.find(pid)
            if proc is None or order.cancelled or proc.cut_off:
                del self._due[pid]
            elif self._holds_the_shard(proc, now):
                stands = order.tries > 0 and not self._arrived and order.place == _place(self._innermost())
                order.still = order.still + 1 if stands else 0
                if now >= order.again:
                    self._judge(proc, order, now)
                    order.again = now + self._shard.config.kill_grace
                    if not stands:
                        self._interrupt(proc, order)

    def _collect(self, now: float) -> None:
        with self._lock:
            while self._armed and self._armed[0].when <= now:
                order = heapq.heappop(self._armed)
                before = self._due.get(order.pid)
                if order.cancelled:
                    continue
                if before is None or before.cancelled:
                    self._due[order.pid] = order
                else:
                    # The one before may yet be cancelled; this one must not be lost with it.
                    order.when = now + LOOK_SECONDS
                    heapq.heappush(self._armed, order)
        for pid in self._words():
            self._due.setdefault(pid, Order(now, pid))

    def _sample(self, now: float) -> None:
        running = CURRENT_TASKS.get(self._shard.loop)
        step = (running, self._shard.queue.slices)
        if step != self._step:
            self._step = step
            self._step_since = now
        if self._sampled is not None:
            self._sampled(getattr(running, "serial", 0))

    def _holds_the_shard(self, proc: Proc, now: float) -> bool:
        running = self._step[0]
        mine = running is proc or (running is not None and running in (proc.children or ()))
        return mine and now - self._step_since >= self._shard.config.kill_grace

    # -- raising --------------------------------------------------------------

    def _interrupt(self, proc: Proc, order: Order) -> None:
        order.tries += 1
        self._victim = proc
        self._arrived = False
        for _ in range(TRIES):
            frame = self._innermost()
            order.place = _place(frame)
            if CURRENT_TASKS.get(self._shard.loop) is not self._step[0]:
                return
            if frame is not None and is_the_users(frame) and self._raise(order, frame):
                return
            del frame
            time.sleep(TRY_SECONDS)

    def _innermost(self) -> FrameType | None:
        return sys._current_frames().get(self._shard.thread)

    def _raise(self, order: Order, frame: FrameType) -> bool:
        """Raise in the shard's thread if it still stands in `frame`, on the same step."""
        thread, loop, running = self._shard.thread, self._shard.loop, self._step[0]
        target, raised = ctypes.c_ulong(thread), ctypes.py_object(self._exception)
        try:
            # No call from here to the last: see the top of the file.
            if THREADS.frames[thread] is frame and CURRENT_TASKS[loop] is running and not order.cancelled:
                SET_ASYNC_EXC(target, raised)
                return True
        except KeyError:
            return False
        return False

    def _it_arrived(self) -> None:
        """Take the kill as done, in the shard's thread: what the process does from now on is its clean-up."""
        self._arrived = True
        victim = self._victim
        if victim is not None:
            itself = CURRENT_TASKS.get(self._shard.loop) is victim
            self._shard.deaths.strike(victim, KILLED, kill=True, cancel=not itself)

    # -- what does not end ----------------------------------------------------

    def _judge(self, proc: Proc, order: Order, now: float) -> None:
        """Say, once, why it did not end when it was last interrupted; end the shard if it never will."""
        who = f"{proc.pid} ({proc.label})" if proc.label else proc.pid
        held = now - self._step_since
        if order.still >= STILL_LOOKS:
            if self._shard.config.kill_blocked == "shard":
                self._end_the_shard(who, held)
            elif not order.told:
                order.told = True
                log.warning(
                    "%s is to be killed and has held shard %d for %.1f s inside C code, which nothing can interrupt; "
                    "waiting for it (--kill-blocked=shard would end the shard instead)",
                    who, self._shard.number, held,
                )  # fmt: skip
        elif order.tries > 1 and self._arrived and not order.told:
            order.told = True
            log.warning("%s is to be killed and swallows the exception; it is raised again and again", who)

    def _end_the_shard(self, who: str, held: float) -> None:
        """End this OS process: its supervisor takes it for the crash it is."""
        text = "%s is to be killed and has held shard %d for %.1f s inside C code; the shard ends (kill_blocked)"
        # In a thread of its own: the blocked one may be inside a log handler, whose lock would hold this one up too.
        words = threading.Thread(target=log.error, args=(text, who, self._shard.number, held), daemon=True)
        words.start()
        words.join(LAST_WORDS_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)


def _place(frame: FrameType | None) -> object:
    # By identity: a frame that is kept would keep the user's variables.
    return None if frame is None else (id(frame), frame.f_lasti)
