"""The link protocol between one pair of processes on two shards, every interleaving, on the project's own records.

Each side is a `LinkTable` of `otpnode.process.relations`; what a death owes comes from `exits.fan_out`, what an EXIT
does from `exits.over_link`. The model adds only the two FIFO streams and what `Reception` answers for the dead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import NamedTuple, cast

from otpnode.process.exits import Deliver, fan_out, over_link
from otpnode.process.proc import Proc
from otpnode.process.relations import LinkRecord, LinkTable

PIDS = ("pid_n.0.1.1", "pid_n.1.1.1")
Sent = tuple[str, int]


class Side(NamedTuple):
    """One process: its record of the other, and what it may still do."""

    alive: bool = True
    record: tuple[bool, int] | None = None
    last_id: int = 0
    ops: int = 0
    sent: int = 0
    seen: int = 0


class State(NamedTuple):
    """Both processes and what is on its way from each."""

    sides: tuple[Side, Side]
    ways: tuple[tuple[Sent, ...], tuple[Sent, ...]] = ((), ())


class Protocol:
    """The transitions; tests break one of them to see that it is missed.

    Args:
        table: the class that keeps the records.
        noproc: whether a LINK to the dead is answered.
        acks: whether an UNLINK_ID to the dead is answered.
        ordered: whether EXIT keeps its place behind earlier signals.
    """

    def __init__(
        self, table: type[LinkTable] = LinkTable, *, noproc: bool = True, acks: bool = True, ordered: bool = True
    ) -> None:
        self._table = table
        self._noproc = noproc
        self._acks = acks
        self._ordered = ordered

    def explore(self, ops: int) -> tuple[int, set[str]]:
        """Visit every state; return how many there are and what is wrong in any."""
        first = State((Side(ops=ops), Side(ops=ops)))
        seen, ahead, wrong = {first}, deque([first]), set[str]()
        while ahead:
            state = ahead.popleft()
            wrong.update(at_rest(state))
            for after, why in self._after(state):
                if why:
                    wrong.add(why)
                if after not in seen:
                    seen.add(after)
                    ahead.append(after)
        return len(seen), wrong

    def _after(self, state: State) -> Iterator[tuple[State, str]]:
        for who in (0, 1):
            if state.sides[who].alive:
                yield from ((self._put(state, who, side, sent), "") for side, sent in self._acts(who, state.sides[who]))
            if state.ways[1 - who]:
                yield self._arrives(state, who)

    def _put(self, state: State, who: int, side: Side, sent: list[Sent]) -> State:
        sides, ways = list(state.sides), list(state.ways)
        sides[who] = side
        for each in sent:
            ways[who] = (each, *ways[who]) if each[0] == "EXIT" and not self._ordered else (*ways[who], each)
        return State((sides[0], sides[1]), (ways[0], ways[1]))

    def _open(self, side: Side, who: int) -> LinkTable:
        table = self._table()
        table._last_id = side.last_id
        if side.record is not None:
            record = table.records[PIDS[1 - who]] = LinkRecord()
            record.active, record.unlink_id = side.record
        return table

    @staticmethod
    def _close(table: LinkTable, side: Side, who: int) -> Side:
        record = table.records.get(PIDS[1 - who])
        kept = None if record is None else (record.active, record.unlink_id)
        return side._replace(record=kept, last_id=table._last_id)

    def _acts(self, who: int, side: Side) -> Iterator[tuple[Side, list[Sent]]]:
        """Yield what a living process may do: link, unlink, send, die."""
        other = PIDS[1 - who]
        if side.ops:
            table = self._open(side, who)
            sent: list[Sent] = [("LINK", 0)] if table.link(other) else []
            yield self._close(table, side._replace(ops=side.ops - 1), who), sent
            table = self._open(side, who)
            unlink_id = table.unlink(other)
            yield self._close(table, side._replace(ops=side.ops - 1), who), [("UNLINK_ID", unlink_id)] * bool(unlink_id)
        if not side.sent:
            yield side._replace(sent=1), [("MSG", 1)]
        dead = SimpleNamespace(pid=PIDS[who], links=self._open(side, who), monitored_by=None, monitors=None)
        owed = [("EXIT", side.sent) for _ in fan_out(cast(Proc, dead), "boom")]
        yield side._replace(alive=False, record=None, ops=0), owed

    def _arrives(self, state: State, who: int) -> tuple[State, str]:
        """Let `who` take the first signal of the other."""
        ways = list(state.ways)
        (kind, number), ways[1 - who] = ways[1 - who][0], ways[1 - who][1:]
        state = State(state.sides, (ways[0], ways[1]))
        side, other = state.sides[who], PIDS[1 - who]
        if not side.alive:
            answers: list[Sent] = []
            if kind == "LINK" and self._noproc:
                answers = [("EXIT", -1)]
            elif kind == "UNLINK_ID" and self._acks:
                answers = [("ACK", number)]
            return self._put(state, who, side, answers), ""
        table, sent, why = self._open(side, who), list[Sent](), ""
        if kind == "MSG":
            side = side._replace(seen=number)
        elif kind == "LINK":
            table.linked(other)
        elif kind == "UNLINK_ID":
            table.unlinked(other)
            sent = [("ACK", number)]
        elif kind == "ACK":
            table.acked(other, number)
        elif table.exited(other):
            assert isinstance(over_link(other, "boom", trapping=True), Deliver)
            why = "an EXIT overtook a message" if number > side.seen else ""
        return self._put(state, who, self._close(table, side, who), sent), why


def at_rest(state: State) -> Iterator[str]:
    """Yield what is wrong in a state in which nothing is on its way."""
    if any(state.ways):
        return
    one, two = state.sides
    active = [side.record is not None and side.record[0] for side in state.sides]
    if one.alive and two.alive and active[0] != active[1]:
        yield "the ends disagree"
    for side, other, linked in ((one, two, active[0]), (two, one, active[1])):
        if side.alive and not other.alive and linked:
            yield "a death was never told"
        if side.alive and side.record is not None and not side.record[0]:
            yield "an unlink is never over"
