"""What one actor of a random program did and met, in order; plain data, so that it can travel."""

from __future__ import annotations

from dataclasses import dataclass, field

Event = tuple[object, ...]
"""
``('sent', to, seq)``: a send returned. ``('got', sender, seq)``: a message was taken.
``('link', pid)``, ``('unlink', pid, waiting)``: with the link EXITs of that pid in the mailbox as it returned.
``('exit', pid, reason, by_link)``: an EXIT was taken.
``('monitor', ref, pid)``, ``('demonitor', ref, waiting)``, ``('down', ref, pid, reason)``.
``('alias', ref)``, ``('unalias', ref, waiting)``, ``('reply', ref, sender)``.
``('wrong', text)``: something the actor itself saw to be against the rules.
"""


@dataclass
class Journal:
    """One actor's memory."""

    pid: str
    events: list[Event] = field(default_factory=list)
    serving: bool = False
    """Whether its script is over: it only answers from now on."""

    def add(self, *event: object) -> None:
        """Remember one event."""
        self.events.append(event)


@dataclass
class Shelf:
    """The journals of the actors that were born in this OS process, by program."""

    runs: dict[str, dict[str, Journal]] = field(default_factory=dict)

    def open(self, run: str, pid: str) -> Journal:
        """Begin a journal."""
        return self.runs.setdefault(run, {}).setdefault(pid, Journal(pid))

    def take(self, run: str) -> dict[str, Journal]:
        """Give the journals of a program away."""
        return self.runs.pop(run, {})


SHELF = Shelf()


def by_link(pid: str, reason: object) -> bool:
    """Tell whether an EXIT from `pid` is its death; scripts mark what they give to ``exit()``.

    A spawner that gives up waiting ends the link to its child as if it died, and lives on (§21.4).
    """
    if reason == "abandoned":
        return False
    return not (isinstance(reason, (tuple, list)) and len(reason) == 3 and reason[0] == "by hand" and reason[1] == pid)
