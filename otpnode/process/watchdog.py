"""Ending processes that never await (FS-03).

A pure-Python loop holds its shard's loop, so no exit signal can be delivered there.
The watchdog is a thread beside that loop. It knows of kills that are due: words that
other shards wrote on the board, deadlines armed beforehand (`exit_after`), requests
from other threads. When the process to be killed is what runs, and has run for longer
than ``kill_grace``, an exception class is raised inside it with
``PyThreadState_SetAsyncExc``, again every ``kill_grace`` until it is dead, because user
code may swallow it.

It is raised only while the innermost frame is the user's: the interpreter delivers it
at the next loop turn or call of that frame, or at the latest as the step returns to the
run queue, which takes it for the end of that process and of no other. Rejected: a
signal and its handler (``setitimer``): user code has its own use for SIGALRM, and every
tick would wake an idle loop.

Code inside C is not interruptible; it is logged once.
"""

from __future__ import annotations

import ctypes
import heapq
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from otpnode.process.asyncio_names import CURRENT_TASKS
from otpnode.process.interrupted import Interrupted

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
TRIES = 40
TRY_SECONDS = 0.002
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Order:
    """One kill that is due at `when`; `cancel` takes it back."""

    __slots__ = ("again", "cancelled", "first_seen", "pid", "told", "when")

    def __init__(self, when: float, pid: str) -> None:
        self.when = when
        self.pid = pid
        self.again = 0.0
        self.first_seen = 0.0
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
        self._due: dict[str, Order] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._over = False
        self._step: tuple[object, int] = (None, 0)
        self._step_since = 0.0
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
            heapq.heappush(self._armed, order)
        self._wake.set()
        return order

    # -- the thread -----------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            if self._over:
                return
            try:
                self._look(time.monotonic())
            except Exception:
                log.exception("the watchdog of shard %d failed to look; it goes on", self._shard.number)

    def _look(self, now: float) -> None:
        self._sample(now)
        with self._lock:
            while self._armed and self._armed[0].when <= now:
                order = heapq.heappop(self._armed)
                if not order.cancelled:
                    self._due.setdefault(order.pid, order)
        for pid in self._words():
            self._due.setdefault(pid, Order(now, pid))
        for pid, order in list(self._due.items()):
            proc = self._shard.table.find(pid)
            if proc is None or order.cancelled or proc.cut_off:
                del self._due[pid]
            elif now >= order.again and self._holds_the_shard(proc, now):
                order.again = now + self._shard.config.kill_grace
                self._interrupt(proc, order)

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

    def _interrupt(self, proc: Proc, order: Order) -> None:
        for _ in range(TRIES):
            if CURRENT_TASKS.get(self._shard.loop) is not self._step[0]:
                return
            frame = sys._current_frames().get(self._shard.thread)
            if frame is not None and not frame.f_code.co_filename.startswith(_OURS):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._shard.thread), ctypes.py_object(Interrupted)
                )
                del frame
                self._tell_if_stuck(proc, order)
                return
            del frame
            time.sleep(TRY_SECONDS)

    def _tell_if_stuck(self, proc: Proc, order: Order) -> None:
        now = time.monotonic()
        order.first_seen = order.first_seen or now
        if not order.told and now - order.first_seen > 2 * self._shard.config.kill_grace:
            order.told = True
            log.warning("%s is being killed and does not end: it is inside C code, or swallows the exception", proc.pid)
