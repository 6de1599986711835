"""What a signal does to a process, and what a dead process owes: pure rules.

The one place where reasons become signals. Nothing here looks at a shard or
delivers anything; the shard asks, then acts. Rejected: letting each caller
decide (otpylib has two exit engines, and a process that traps is reported dead).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otpnode.reasons import KILL, KILLED, NORMAL
from otpnode.signals import Demonitor, Down, Exit, Signal

if TYPE_CHECKING:
    from otpnode.process.proc import Proc


class Die(NamedTuple):
    """The receiver ends with `reason`."""

    reason: object


class Deliver(NamedTuple):
    """The receiver traps exits: `message` goes to its mailbox."""

    message: tuple[str, str, object]


Verdict = Die | Deliver | None


def is_text(reason: object, text: str) -> bool:
    """Tell whether `reason` is the plain string `text`, whatever its ``__eq__`` says."""
    return type(reason) is str and reason == text


def over_link(sender: str, reason: object, *, trapping: bool) -> Verdict:
    """Judge the exit signal of an active link (EX-01, rows 2 and 3)."""
    if trapping:
        return Deliver(("EXIT", sender, reason))
    if is_text(reason, NORMAL):
        return None
    return Die(reason)


def by_exit(sender: str, receiver: str, reason: object, *, trapping: bool) -> Verdict:
    """Judge the exit signal of ``exit(receiver, reason)`` (EX-01, rows 4 to 7)."""
    if is_text(reason, KILL):
        return Die(KILLED)
    if trapping:
        return Deliver(("EXIT", sender, reason))
    if is_text(reason, NORMAL) and sender != receiver:
        return None
    return Die(reason)


def fan_out(proc: Proc, reason: object) -> list[Signal]:
    """Return what the death of `proc` owes, in the order it must leave: EXITs, DOWNs, then its own monitors' ends."""
    owed: list[Signal] = []
    if proc.links is not None:
        owed += [Exit(proc.pid, pid, reason) for pid in proc.links.active()]
    if proc.monitored_by:
        owed += [Down(proc.pid, watcher, ref, reason) for ref, watcher in proc.monitored_by.items()]
    if proc.monitors:
        owed += [Demonitor(proc.pid, record.target, ref) for ref, record in proc.monitors.items() if record.target]
    return owed
