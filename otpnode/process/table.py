"""Pid → process, for one shard.

Three dicts rather than one with states, because each is asked a different
question: `mailboxes` is what a send looks up (and what strict copying empties),
`live` who is alive, `exiting` who is dead to the world but has not yet told it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otpnode.process.mailbox import Mailbox
    from otpnode.process.proc import Proc


class Table:
    """The processes of one shard."""

    __slots__ = ("_shortcut", "aliases", "exiting", "live", "mailboxes")

    def __init__(self, *, shortcut: bool) -> None:
        self._shortcut = shortcut
        self.mailboxes: dict[str, Mailbox] = {}
        self.live: dict[str, Proc] = {}
        self.exiting: dict[str, Proc] = {}
        self.aliases: dict[str, Proc] = {}

    def add(self, proc: Proc) -> None:
        """Let `proc` be found."""
        self.live[proc.pid] = proc
        if proc.box is not None:
            self.opened(proc, proc.box)

    def opened(self, proc: Proc, box: Mailbox) -> None:
        """`proc` has a mailbox from now on."""
        if self._shortcut and proc.pid in self.live:
            self.mailboxes[proc.pid] = box

    def retire(self, proc: Proc) -> None:
        """`proc` is no longer alive, but owes its last signals (EX-10, step 1)."""
        # In this order: the watchdog's thread looks with `find`.
        self.exiting[proc.pid] = proc
        self.live.pop(proc.pid, None)
        self.mailboxes.pop(proc.pid, None)

    def remove(self, proc: Proc) -> None:
        """`proc` has told everybody."""
        self.exiting.pop(proc.pid, None)

    def find(self, pid: str) -> Proc | None:
        """Return a process that is alive or has not yet told of its death."""
        return self.live.get(pid) or self.exiting.get(pid)
