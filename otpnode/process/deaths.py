"""How a process ends: the reason first, the cancellation second (EX-10, AC-rules).

1. `strike`: a fatal signal. The reason is recorded, the process is dead to
   everybody (slot cleared, mailbox closed, blocked senders released), and its
   coroutine is cancelled once, so that its cleanup may await.
2. The coroutine ends, or its grace is over: `_settle`. Child tasks are cancelled
   and its names given back, everywhere.
3. Only then `_tell`: EXITs, then DOWNs.

A coroutine that outlives its grace is cut off: it may still run (it may hold
locks), but nothing it does through otpnode is seen. Guessing the reason from the
cancellation was rejected: it loses every reason but one (A4 of the peers).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from otpnode.errors import ProcessExit
from otpnode.process.exits import fan_out
from otpnode.process.interrupted import Interrupted
from otpnode.process.proc import DEAD, EXITING, NEW, Proc
from otpnode.process.runqueue import RunQueue
from otpnode.reasons import CANCELLED, KILLED, NORMAL, strip
from otpnode.reporting import emit

if TYPE_CHECKING:
    from otpnode.process.shard import Shard

_DRIVERS = frozenset(step.__code__.co_filename for step in (Proc.step, RunQueue.drain))

crash_log = logging.getLogger("otpnode.crash")


class Deaths:
    """Ends the processes of one shard."""

    __slots__ = ("_shard", "reporters")

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self.reporters: dict[str, Callable[[BaseException], bool]] = {}
        """Who hears of the crash of a pid first; True keeps it out of the log (`run` raises what main raised)."""

    def strike(self, proc: Proc, reason: object, *, kill: bool = False, cancel: bool = True) -> None:
        """Apply a fatal signal; the first one wins, a kill shortens the grace (EX-07).

        Args:
            proc: the receiver.
            reason: what it dies of.
            kill: whether it has the short grace of a kill.
            cancel: False when the caller is about to raise inside `proc` itself.
        """
        if proc.state == DEAD:
            return
        grace = self._shard.config.kill_grace if kill else self._shard.config.exit_grace
        if proc.state == EXITING:
            if kill and proc.grace is not None:
                proc.grace.cancel()
                proc.grace = self._shard.deadlines.after(grace, partial(self._abandon, proc))
            return
        unborn = proc.state == NEW
        self._retire(proc, reason)
        if unborn:
            self._shard.queue.put(proc)
            return
        if cancel:
            proc.cancel()
        overdue = self._abandon if kill else self._overdue
        proc.grace = self._shard.deadlines.after(grace, partial(overdue, proc))

    def ended(self, proc: Proc, how: BaseException) -> None:
        """The coroutine of `proc` is over, by itself or because it was struck."""
        if proc.state == DEAD:
            proc.drop_body()
            return
        if (
            type(how) is StopIteration
            and proc.state != EXITING
            and not (proc.links or proc.monitored_by or proc.monitors or proc.children or proc.rare)
        ):
            self._returned(proc, how.value)
            return
        if proc.state != EXITING:
            reason = _reason_of(how)
            if not isinstance(how, (StopIteration, ProcessExit, asyncio.CancelledError, Interrupted)):
                self._report(proc, how)
            self._retire(proc, reason)
        if isinstance(how, StopIteration):
            proc.conclude(how.value, None)
        elif isinstance(how, ProcessExit):
            proc.conclude(None, None)
        else:
            if proc.reason is not how:
                # Its frames lead back to `proc`, which only the collector would free then.
                BaseException.with_traceback(how, None)
            proc.conclude(None, how)
        self._settle(proc)
        proc.drop_body()

    def _returned(self, proc: Proc, value: object) -> None:
        """The usual end, a return by one that is tied to nobody: the three steps in one."""
        shard = self._shard
        table = shard.table
        pid = proc.pid
        proc.state = DEAD
        proc.reason = NORMAL
        proc.value = value
        proc.cut_off = True
        self._leave(proc, NORMAL)
        named = shard.names.holds(pid)
        if named:
            table.exiting[pid] = proc
        del table.live[pid]
        if proc.box is not None:
            table.mailboxes.pop(pid, None)
        if named:
            shard.names.release(pid, partial(self._tell, proc))
        else:
            shard.on_death(proc)
        proc.drop_body()

    def unborn(self, proc: Proc) -> None:
        """`proc` was struck before its first step: its body is never entered (AC-02)."""
        proc.conclude(None, asyncio.CancelledError())
        self._settle(proc)
        proc.drop_body()

    def _retire(self, proc: Proc, reason: object) -> None:
        proc.state = EXITING
        self._shard.table.retire(proc)
        self._leave(proc, reason)
        if proc.timers:
            timers, proc.timers = proc.timers, None
            for ref in timers:
                self._shard.timers.pop(ref).deadline.cancel()

    def _leave(self, proc: Proc, reason: object) -> None:
        """Write down what it died of, and take no part any more."""
        proc.reason = reason
        proc.irregular = proc.deaf = True
        shard = self._shard
        shard.serials.release(proc.serial)
        shard.ended += 1
        if proc.spread:
            shard.count_spread(-1)
        if proc.box is not None:
            proc.box.close()

    def _report(self, proc: Proc, error: BaseException) -> None:
        reporter = self.reporters.pop(proc.pid, None)
        reported = reporter is not None and reporter(error)
        _leave_out_our_frames(error)
        strip(error)
        if not reported:
            label = f" ({proc.label})" if proc.label else ""
            text = getattr(error, "__otp_traceback__", "") or repr(error)
            emit(crash_log, f"process {proc.pid}{label} ended by an uncaught exception\n{text.rstrip()}")

    def _overdue(self, proc: Proc) -> None:
        if proc.state == EXITING:
            proc.cancel()
            proc.grace = self._shard.deadlines.after(self._shard.config.kill_grace, partial(self._abandon, proc))

    def _abandon(self, proc: Proc) -> None:
        if proc.state != EXITING:
            return
        proc.cut_off = True
        proc.conclude(None, asyncio.CancelledError())
        self._settle(proc)

    def _settle(self, proc: Proc) -> None:
        proc.state = DEAD
        proc.cut_off = True
        if proc.grace is not None:
            proc.grace.cancel()
            proc.grace = None
        children, proc.children = proc.children, None
        for child in children or ():
            child.cancel()
        aliases, proc.aliases = proc.aliases, None
        for ref in (*(aliases or ()), *(proc.monitors or ())):
            self._shard.table.aliases.pop(ref, None)
        self._shard.names.release(proc.pid, partial(self._tell, proc))

    def _tell(self, proc: Proc) -> None:
        shard = self._shard
        shard.table.remove(proc)
        owed = fan_out(proc, proc.reason)
        proc.links = None
        proc.monitors = proc.monitored_by = None
        proc.dictionary = None
        for signal in owed:
            shard.router.post(signal)
        shard.on_death(proc)


class NoMoreDeaths(Deaths):
    """In their place once the node ends now: the end of a step is followed by no other step, but ends the loop."""

    __slots__ = ()

    def ended(self, proc: Proc, how: BaseException) -> None:
        """Leave the loop."""
        raise KeyboardInterrupt


def _leave_out_our_frames(error: BaseException) -> None:
    """Begin the traceback where the user's code begins: the frame that drove it says nothing."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _DRIVERS:
        trace = trace.tb_next
    if trace is not None:
        error.__traceback__ = trace


def _reason_of(how: BaseException) -> object:
    if isinstance(how, StopIteration):
        return NORMAL
    if isinstance(how, ProcessExit):
        if isinstance(how.reason, BaseException):
            strip(how.reason)
        return how.reason
    if isinstance(how, asyncio.CancelledError):
        return CANCELLED
    if isinstance(how, Interrupted):
        return KILLED
    return how
