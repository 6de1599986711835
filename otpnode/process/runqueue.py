"""Who runs next: one deque, drained in slices by one loop callback.

A slice is bounded in steps and in time, so that sockets, timers and the pipes
of other shards get their turn (FS-02). The inner loop is the hottest code of the
project; it touches nothing that is not needed by the usual step, and everything
unusual about a process is folded into `Proc.irregular`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from otpnode.process.asyncio_names import CURRENT_TASKS
from otpnode.process.compiled import FAST

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard

STEPS_PER_LOOK = 16
"""Steps between two looks at the clock, unless one of them is a bare yield: whoever computes in slices says
so by yielding, and with a look only after 32 such steps the second shard of wordcount did 11 % of the work
instead of half, because the coordinator's pipes were not read in between."""

SLICE_SECONDS = 0.002


class RunQueue:
    """The processes of one shard that can run."""

    __slots__ = ("_context", "_resume", "_shard", "pulse", "ready", "run", "scheduled", "slices")

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self.run: Callable[[], None] = self.drain if FAST is None else partial(self.drain_fast, FAST.steps)
        """Runs one slice."""
        self._resume = self.resume
        self._context = Context()
        """Slices belong to nobody: a callback would otherwise carry the context of whoever was first put here."""
        self.ready: deque[Proc] = deque()
        self.scheduled = False
        self.slices = 0
        self.pulse: Callable[[int], None] | None = None
        """Called when a slice begins with the number that can run, when it ends with minus that number."""

    def put(self, proc: Proc) -> None:
        """Make `proc` run after everything that can run already."""
        self.ready.append(proc)
        if not self.scheduled:
            self.scheduled = True
            self._shard.loop.call_soon(self.run, context=self._context)

    def ensure(self) -> None:
        """Have a slice to come if anybody can run: after a step that was not part of one."""
        if self.ready and not self.scheduled:
            self.scheduled = True
            self._shard.loop.call_soon(self.run, context=self._context)

    def yielded(self, proc: Proc) -> None:
        """Make `proc` run again once the loop has done what it has been given by now, as after ``asyncio.sleep(0)``."""
        self._shard.loop.call_soon(self._resume, proc, context=self._context)

    def resume(self, proc: Proc) -> None:
        """The turn that `proc` has given up is over."""
        self.ready.append(proc)
        if not self.scheduled:
            self.scheduled = True
            self.run()

    def halt(self) -> None:
        """Run nobody any more, whoever is put here; safe in a signal handler in the middle of a slice."""
        self.ready.clear()
        self.ready = self._shard.ready = deque(maxlen=0)

    def drain_fast(self, steps: Callable[[Shard, int], bool]) -> None:
        """Run one slice, the steps compiled."""
        shard = self._shard
        if self.pulse is not None:
            self.pulse(len(self.ready) + 1)
        until = perf_counter() + SLICE_SECONDS
        try:
            while steps(shard, STEPS_PER_LOOK) and perf_counter() < until:
                pass
        finally:
            self._pause()

    def drain(self) -> None:
        """Run one slice."""
        shard = self._shard
        ready = self.ready
        pop = ready.popleft
        loop = shard.loop
        current = CURRENT_TASKS
        if self.pulse is not None:
            self.pulse(len(ready) + 1)
        until = perf_counter() + SLICE_SECONDS
        try:
            while True:
                for _ in range(STEPS_PER_LOOK):
                    try:
                        proc = pop()
                    except IndexError:
                        return
                    if proc.irregular:
                        proc.step()
                        continue
                    shard.running = proc
                    proc.ops = 0
                    current[loop] = proc
                    try:
                        yielded = proc.context.run(proc.send, None)  # type: ignore[arg-type]
                    except BaseException as exc:
                        shard.running = None
                        shard.deaths.ended(proc, exc)
                        continue
                    if yielded is proc.bay:
                        if proc.irregular:
                            shard.running = None
                            proc.waits_for(yielded)
                    elif yielded is None:
                        self.yielded(proc)
                        break
                    else:
                        shard.running = None
                        proc.waits_for(yielded)
                if perf_counter() >= until:
                    return
        finally:
            self._pause()

    def _pause(self) -> None:
        """End the slice; go on in the next turn of the loop if anybody can run."""
        self._shard.running = None
        self.slices += 1
        CURRENT_TASKS.pop(self._shard.loop, None)
        if self.pulse is not None:
            self.pulse(-len(self.ready))
        if self._shard.deadlines.young:
            self._shard.deadlines.nurse()
        if self.ready:
            self._shard.loop.call_soon(self.run, context=self._context)
        else:
            self.scheduled = False
