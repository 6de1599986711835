"""I1 … I7 of SEMANTICS §23.3, read from the journals of a random program and from who is alive at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.invariants.journal import Event, Journal


@dataclass
class Living:
    """What a process that is alive at the end is tied to."""

    links: list[str] = field(default_factory=list)
    watched_by: list[str] | None = None
    """The refs it is watched by; None when unknown."""
    watching: list[str] | None = None


def violations(
    journals: dict[str, Journal], living: dict[str, Living], lossless: Callable[[str, str], bool]
) -> Iterator[str]:
    """Yield what is against the invariants.

    Args:
        journals: of every actor, dead ones too as far as they are known.
        living: the actors alive at the end.
        lossless: tells whether nothing that `sender` sent to `receiver` can have been lost with a shard.
    """
    linked_by = {
        journal.pid: {each[1] for each in journal.events if each[0] == "link"} for journal in journals.values()
    }
    for journal in journals.values():
        yield from (f"{journal.pid}: {each[1]}" for each in journal.events if each[0] == "wrong")
        yield from _order(journal)
        yield from _monitors(journal, living)
        yield from _links(journal, linked_by)
        yield from _aliases(journal)
    yield from _arrivals(journals, living, lossless)
    yield from _agreement(living)


def _order(journal: Journal) -> Iterator[str]:
    """I1: messages in the order they were sent, each once, and none after its sender's end (SO-01, SO-02)."""
    last: Counter[str] = Counter()
    over: set[object] = set()
    for event in journal.events:
        if event[0] == "got":
            sender, seq = str(event[1]), event[2]
            assert isinstance(seq, int)
            if seq <= last[sender]:
                yield f"I1: {journal.pid} took message {seq} of {sender} after {last[sender]}"
            last[sender] = seq
            if sender in over:
                yield f"I1: {journal.pid} took message {seq} of {sender} after its end"
        elif event[0] == "down":
            over.add(event[2])
        elif event[0] == "exit" and event[3]:
            over.add(event[1])


def _monitors(journal: Journal, living: dict[str, Living]) -> Iterator[str]:
    """I2, I4: each monitor has fired once, or was ended, or is active; none fires after its end."""
    target: dict[object, object] = {}
    fired: Counter[object] = Counter()
    allowed: dict[object, int] = {}
    for event in journal.events:
        if event[0] == "monitor":
            target[event[1]] = event[2]
        elif event[0] == "demonitor":
            assert isinstance(event[2], int)
            allowed[event[1]] = fired[event[1]] + event[2]
        elif event[0] == "down":
            fired[event[1]] += 1
            if fired[event[1]] > 1:
                yield f"I2: {event[1]} fired twice at {journal.pid}"
            if fired[event[1]] > allowed.get(event[1], 1):
                yield f"I4: {event[1]} fired at {journal.pid} after demonitor"
    mine = living.get(journal.pid)
    if mine is None:
        return
    for ref, pid in target.items():
        if ref in allowed:
            continue
        alive = living.get(str(pid))
        if fired[ref] != (alive is None):
            yield f"I2: {ref} of {journal.pid} fired {fired[ref]} times; {pid} is {'alive' if alive else 'dead'}"
        for refs in (mine.watching, alive.watched_by) if alive is not None else ():
            if refs is not None and ref not in refs:
                yield f"I2: {ref} of {journal.pid} for {pid} is not known at both ends"


def _links(journal: Journal, linked_by: dict[str, set[object]]) -> Iterator[str]:
    """I3, I4: one EXIT for each end of a link, and none that was not in the mailbox when `unlink` returned."""
    ends: Counter[object] = Counter()
    again: Counter[object] = Counter()
    left: dict[object, int] = {}
    for event in journal.events:
        if event[0] == "link":
            again[event[1]] += 1
            left.pop(event[1], None)
        elif event[0] == "unlink":
            assert isinstance(event[2], int)
            if journal.pid not in linked_by.get(str(event[1]), {journal.pid}):
                left[event[1]] = event[2]
        elif event[0] == "exit" and event[3]:
            pid = event[1]
            ends[pid] += event[2] not in ("noproc", "noconnection")
            if ends[pid] > 1:
                yield f"I3: {journal.pid} was told twice of the death of {pid}"
            if pid in left:
                left[pid] -= 1
                if left[pid] < 0:
                    yield f"I4: {journal.pid} got an EXIT of {pid} after unlink"


def _aliases(journal: Journal) -> Iterator[str]:
    """I4: nothing comes through an alias that is over."""
    left: dict[object, int] = {}
    for event in journal.events:
        if event[0] == "unalias":
            assert isinstance(event[2], int)
            left[event[1]] = event[2]
        elif event[0] == "reply" and event[1] in left:
            left[event[1]] -= 1
            if left[event[1]] < 0:
                yield f"I4: {journal.pid} got a reply for {event[1]} after unalias"


def _arrivals(
    journals: dict[str, Journal], living: dict[str, Living], lossless: Callable[[str, str], bool]
) -> Iterator[str]:
    """I1, I7: what a send returned for has come, if nobody's death can have lost it."""
    got = {pid: {event[1:3] for event in journal.events if event[0] == "got"} for pid, journal in journals.items()}
    missing: defaultdict[tuple[str, str], list[object]] = defaultdict(list)
    for sender, journal in journals.items():
        for event in journal.events:
            if event[0] == "sent" and event[1] in living and event[1] in got:
                to = str(event[1])
                if (sender, event[2]) not in got[to] and lossless(sender, to):
                    missing[sender, to].append(event[2])
    for (sender, to), seqs in missing.items():
        yield f"I1: messages {seqs} of {sender} never came to {to}"


def _agreement(living: dict[str, Living]) -> Iterator[str]:
    """I3, I6: both ends agree about a link, and nobody is linked with the dead."""
    for pid, mine in living.items():
        for other in mine.links:
            if other not in living:
                yield f"I6: {pid} lives and is linked with {other}, which is dead"
            elif pid not in living[other].links:
                yield f"I3: {pid} is linked with {other}, which does not know"


def count_signals(journals: dict[str, Journal]) -> int:
    """Return how many signals the journals tell of."""
    quiet = ("wrong", "alias", "unalias")
    return sum(1 for journal in journals.values() for event in journal.events if _kind(event) not in quiet)


def _kind(event: Event) -> object:
    return event[0]
