"""What a signal does when it has arrived: the receiving end of every kind.

Called by the router for signals from this shard and by the mesh for signals from
others, in the order they were sent (SO-01). Nothing here waits and nothing here
raises on behalf of the dead: a signal to nobody is answered where an answer is
owed and dropped otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from otpnode.process import exits
from otpnode.process.blocking import chase
from otpnode.process.exits import Deliver, Die, Verdict, is_text
from otpnode.process.mailbox import PARKED, WOKEN, holds
from otpnode.process.relations import LinkTable
from otpnode.reasons import KILL, NOPROC
from otpnode.signals import (
    AliasMessage,
    Answer,
    Ask,
    Demonitor,
    Down,
    Exit,
    Exit2,
    Link,
    Message,
    Monitor,
    Probe,
    Signal,
    TimerMessage,
    UnlinkAck,
    UnlinkId,
)

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard


class Reception:
    """Applies arriving signals to the processes of one shard."""

    __slots__ = ("_handlers", "_shard")

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._handlers: dict[type, Callable[..., None]] = {
            Message: self._message,
            AliasMessage: self._alias_message,
            TimerMessage: self._timer_message,
            Link: self._link,
            UnlinkId: self._unlink_id,
            UnlinkAck: self._unlink_ack,
            Exit: self._exit,
            Exit2: self._exit2,
            Monitor: self._monitor,
            Demonitor: self._demonitor,
            Down: self._down,
            Probe: self._probe,
            Ask: self._ask,
            Answer: self._answer,
        }

    def accept(self, signal: Signal) -> None:
        """Apply one signal addressed to this shard."""
        self._handlers[type(signal)](signal)

    def _message(self, signal: Message) -> None:
        proc = self._shard.table.live.get(signal.to)
        if proc is not None:
            proc.mailbox.put(signal.message)

    def _alias_message(self, signal: AliasMessage) -> None:
        proc = self._shard.aliases.get(signal.to)
        if proc is not None:
            self.through_alias(proc, signal.to, signal.message)

    def through_alias(self, proc: Proc, ref: str, message: object) -> None:
        """Deliver to the owner of an active alias; the first message through one of a single use ends it (AL-02)."""
        shard = self._shard
        record = proc.monitors.get(ref) if proc.monitors else None
        if record is None:
            if proc.aliases is not None and proc.aliases.get(ref) == "reply":
                drop_alias(proc, ref)
        elif record.alias == "reply_demonitor":
            del shard.aliases[ref]
            del proc.monitors[ref]  # type: ignore[union-attr]
            watched = shard.table.live.get(record.target)
            if watched is None:
                shard.router.post(Demonitor(proc.pid, record.target, ref))
            elif watched.monitored_by is not None:
                watched.monitored_by.pop(ref, None)
        self._hand_over(proc, message)

    def answered(self, ref: str, message: object) -> None:
        """Deliver the answer to a request by `ref` of the very process that was asked, which is watched no more."""
        proc = self._shard.aliases.get(ref)
        if proc is None:
            return
        if proc.monitors is not None and proc.monitors.pop(ref, None) is not None:
            del self._shard.aliases[ref]
            self._hand_over(proc, message)
        else:
            self.through_alias(proc, ref, message)

    def _hand_over(self, proc: Proc, message: object) -> None:
        shard = self._shard
        box = proc.box or proc.mailbox
        if box.answer is None and box.state == PARKED and holds(message, box.wanted):
            box.answer = message
            box.state = WOKEN
            if shard.running is None:
                proc.wake()
            else:
                shard.ready.append(proc)
        else:
            box.put_exempt(message)

    def _timer_message(self, signal: TimerMessage) -> None:
        proc = self._shard.table.live.get(signal.to)
        if proc is not None:
            proc.mailbox.put_exempt(signal.message)

    # -- links ----------------------------------------------------------------

    def _link(self, signal: Link) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is None:
            self._shard.router.post(Exit(signal.to, signal.sender, NOPROC))
        else:
            links_of(proc).linked(signal.sender)

    def _unlink_id(self, signal: UnlinkId) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is not None and proc.links is not None:
            proc.links.unlinked(signal.sender)
        self._shard.router.post(UnlinkAck(signal.to, signal.sender, signal.unlink_id))

    def _unlink_ack(self, signal: UnlinkAck) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is not None and proc.links is not None:
            proc.links.acked(signal.sender, signal.unlink_id)

    def _exit(self, signal: Exit) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is None or proc.links is None or not proc.links.exited(signal.sender):
            return
        self._act(proc, exits.over_link(signal.sender, signal.reason, trapping=proc.trap_exits))

    def _exit2(self, signal: Exit2) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is None:
            return
        verdict = exits.by_exit(signal.sender, proc.pid, signal.reason, trapping=proc.trap_exits)
        self._act(proc, verdict, kill=is_text(signal.reason, KILL))

    def _act(self, proc: Proc, verdict: Verdict, *, kill: bool = False) -> None:
        if isinstance(verdict, Die):
            self._shard.deaths.strike(proc, verdict.reason, kill=kill)
        elif isinstance(verdict, Deliver) and not proc.deaf:
            proc.mailbox.put_exempt(verdict.message)

    # -- monitors -------------------------------------------------------------

    def _monitor(self, signal: Monitor) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is None:
            self._shard.router.post(Down(signal.to, signal.sender, signal.ref, NOPROC))
            return
        watched_by(proc)[signal.ref] = signal.sender

    def _demonitor(self, signal: Demonitor) -> None:
        proc = self._shard.table.find(signal.to)
        if proc is not None and proc.monitored_by is not None:
            proc.monitored_by.pop(signal.ref, None)
            if proc.askers:
                proc.askers.pop(signal.ref, None)

    def _down(self, signal: Down) -> None:
        proc = self._shard.table.live.get(signal.to)
        record = proc.monitors.pop(signal.ref, None) if proc is not None and proc.monitors else None
        if proc is None or record is None:
            return
        if record.alias in ("demonitor", "reply_demonitor"):
            drop_alias(proc, signal.ref)
        proc.mailbox.put_exempt((record.tag, signal.ref, "process", record.shown, signal.reason))

    def _probe(self, signal: Probe) -> None:
        chase(self._shard, signal)

    # -- questions ------------------------------------------------------------

    def _ask(self, signal: Ask) -> None:
        value = self._shard.answer(signal.question, signal.about)
        self._shard.router.post(Answer(signal.to, signal.sender, signal.ref, value))

    def _answer(self, signal: Answer) -> None:
        asked = self._shard.questions.pop(signal.ref, None)
        if asked is not None and not asked[1].done():
            asked[1].set_result(signal.value)


def links_of(proc: Proc) -> LinkTable:
    """Return the link table of `proc`, made at its first link."""
    if proc.links is None:
        proc.links = LinkTable()
    return proc.links


def watched_by(proc: Proc) -> dict[str, str]:
    """Return who monitors `proc`, by ref; the table is made at the first monitor."""
    if proc.monitored_by is None:
        proc.monitored_by = {}
    return proc.monitored_by


def drop_alias(proc: Proc, ref: str) -> bool:
    """Deactivate an alias; True when it was active."""
    shard = proc.shard
    if shard.aliases.get(ref) is not proc:
        return False
    del shard.aliases[ref]
    if proc.aliases is not None:
        proc.aliases.pop(ref, None)
    return True
