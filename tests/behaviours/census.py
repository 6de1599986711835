"""The census: a process outside the tree that keeps an account of every process of the node, and reads the board."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any, NamedTuple

from otpnode import process
from otpnode.pid import Pid, address, make_pid
from otpnode.process.current import here
from tests.behaviours.board_hook import Counted, born_by_slots, counted, kill_counted
from tests.behaviours.tortured_tree import TICKET_BITS

Incarnation = tuple[int, int]
"""``(shard, incarnation)``."""
Children = dict[str, tuple[object, int]]
"""What a supervisor says of its children: by id, the pid and how often it was restarted."""


class Life(NamedTuple):
    """What a child has told of itself."""

    sup: str
    key: str
    ticket: int


def incarnation_of(pid: str) -> Incarnation:
    """Return where a process lives or lived."""
    owner = address(pid)
    assert owner is not None, pid
    return owner.shard, owner.incarnation


class Books:
    """Everything that was told, and the audit of it.

    Attributes:
        told: who has told of its birth.
        living: those whose monitors have not fired.
        died: those whose monitors have.
        ended: by supervisor, the pids it has reported as ended.
        undone: by supervisor, how many starts it has reported as failed.
        refused: by supervisor, how many starts of its have failed, not counting those that lost their shard.
        failed: the tickets of all starts that have failed.
        gave_up: supervisors that have.
        killed: what the board said of the incarnations that were killed.
        os_pids: the OS processes of shards.
    """

    def __init__(self) -> None:
        self.told: dict[str, Life] = {}
        self.living: set[str] = set()
        self.died: set[str] = set()
        self.ended: defaultdict[str, set[str]] = defaultdict(set)
        self.undone: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.failed: set[int] = set()
        self.gave_up: list[str] = []
        self.killed: dict[Incarnation, Counted] = {}
        self.os_pids: dict[Incarnation, int] = {}

    def reported(self, sup: str, what: str) -> None:
        """Take the report of a supervisor about a child."""
        found = re.fullmatch(r"\((pid_\S+)\) ended", what)
        if found:
            self.ended[sup].add(found[1])
        else:
            self.undone[sup] += 1

    # -- the audit ------------------------------------------------------------

    def audit(self, shape: dict[str, Children], up: list[Incarnation], outsiders: list[str]) -> str:
        """Compare the books with what supervisors say of their children and with the board; returns what is wrong."""
        assert not self.gave_up, f"gave up: {self.gave_up}"
        there = {*shape, *(str(pid) for children in shape.values() for pid, _ in children.values())}
        if self.living != there:
            return f"the census has {len(self.living - there)} too many and {len(there - self.living)} too few"
        seen: defaultdict[str, set[str]] = defaultdict(set)
        for pid in self.died:
            seen[self.told[pid].sup].add(pid)
        for sup, children in shape.items():
            if wrong := self._of_supervisor(sup, sum(count for _, count in children.values()), seen[sup]):
                return wrong
        return self._by_the_board(up, outsiders)

    def _of_supervisor(self, sup: str, restarts: int, seen: set[str]) -> str:
        """Compare what a living supervisor has reported with what was seen of its children."""
        ended = self.ended[sup]
        unreported = [pid for pid in seen - ended if self.told[pid].ticket not in self.failed]
        unseen = [pid for pid in ended - seen if pid in self.told or incarnation_of(pid) not in self.killed]
        if restarts != len(ended) or self.undone[sup] != self.refused[sup] or unreported or unseen:
            return (
                f"{sup}: {restarts} restarts, {len(ended)} ends reported, {len(seen)} seen, not reported {unreported}, "
                f"not seen {unseen}; {self.undone[sup]} starts reported as failed, of {self.refused[sup]}"
            )
        return ""

    def _by_the_board(self, up: list[Incarnation], outsiders: list[str]) -> str:
        """Compare the deaths of every incarnation with the board's, and who lives with its slots."""
        if len({life.ticket for life in self.told.values()}) < len(self.told):
            return "two processes came of one start"
        unfinished, strays = self._unfinished()
        if strays:
            return f"lost with their shards, by starts that are others', or that did not fail: {strays}"
        deaths = Counter(incarnation_of(pid) for pid in self.died.union(unfinished, *self.ended.values()))
        boards = {**self.killed, **{each: counted(*each) for each in up}}
        for each in {*deaths, *boards}:
            if each not in boards:
                return f"shard {each} was lost, and nobody killed it"
            if boards[each].deaths != deaths[each]:
                return f"shard {each}: {boards[each].deaths} deaths by the board, {deaths[each]} by the books"
        for each in up:
            alive = {_pid(each, serial) for serial in boards[each].living}
            if amiss := alive ^ {pid for pid in (*self.living, *outsiders) if incarnation_of(pid) == each}:
                return f"shard {each}: on the board or in the books, but not in both: {amiss}"
            births, dead, _ = boards[each]
            if births - dead != len(alive) or born_by_slots(*each) not in (None, births):
                return f"shard {each}: {births} births, {dead} deaths and {len(alive)} living are at odds"
        return ""

    def _unfinished(self) -> tuple[set[str], list[str]]:
        """Return who was lost with its shard before anybody heard; and who has no failed start of its own."""
        reported: set[str] = set().union(*self.ended.values())
        branches = {self.told[pid].ticket for pid in self.living}
        born = {life.ticket for life in self.told.values()}
        found: set[str] = set()
        strays: list[str] = []
        for where, board in self.killed.items():
            for serial, ticket in board.living.items():
                pid = _pid(where, serial)
                if pid in self.told:
                    continue
                if ticket in born:
                    strays.append(pid)
                born.add(ticket)
                if pid not in reported:
                    found.add(pid)
                    orphan = ticket >> TICKET_BITS and ticket >> TICKET_BITS not in branches
                    if ticket not in self.failed and not orphan:
                        strays.append(pid)
        return found, strays

    def deaths(self) -> dict[str, int]:
        """Return how many have died, by what is known of their deaths: no two have anybody in common."""
        reported = set().union(*self.ended.values())
        unreported = self.died - reported
        undone = {pid for pid in unreported if self.told[pid].ticket in self.failed}
        return {
            "reported by supervisors": len(reported),
            "started in vain, said their supervisors": len(undone),
            "of supervisors that died as well": len(unreported - undone),
            "lost with their shard before anybody heard": len(self._unfinished()[0]),
        }


def _pid(where: Incarnation, serial: int) -> Pid:
    return make_pid(here().config.name, *where, serial)


async def census() -> None:
    """Be the census: take one message after the other."""
    books = Books()
    while True:
        message: Any = await process.receive()
        match message:
            case ("born", ref, pid, sup, key, ticket, os_pid):
                books.told[pid] = Life(sup, key, ticket)
                books.living.add(pid)
                books.os_pids[incarnation_of(pid)] = os_pid
                await process.monitor(pid)
                await process.send(ref, (ref,))
            case ("DOWN", _, _, pid, _):
                books.living.remove(pid)
                books.died.add(pid)
            case ("report", sup, "child", what):
                books.reported(sup, what)
            case ("report", sup, "gave_up", _):
                books.gave_up.append(sup)
            case ("failed", sup, ticket, lost_shard):
                books.failed.add(ticket)
                books.refused[sup] += not lost_shard
            case ("who", ref):
                await process.send(ref, (ref, [(pid, books.told[pid].key) for pid in books.living]))
            case ("kill", ref, where):
                await process.send(ref, (ref, await _kill(books, where)))
            case ("audit", ref, *about):
                await process.send(ref, (ref, books.audit(*about)))
            case ("deaths", ref):
                await process.send(ref, (ref, books.deaths()))


async def _kill(books: Books, where: Incarnation) -> bool:
    """Kill a shard; False while nobody there has told which OS process it is."""
    os_pid = books.os_pids.get(where)
    if os_pid is None:
        return False
    books.killed[where] = await kill_counted(*where, os_pid, lambda serial: _pid(where, serial) in books.told)
    return True
