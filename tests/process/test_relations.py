"""The link table, transition by transition, and two of them against each other."""

from __future__ import annotations

import random
from collections import deque

import pytest

from otpnode.process.relations import LinkTable

PEER = "pid_n.1.1.1"


def states(table: LinkTable) -> tuple[bool, bool]:
    """Tell whether a record exists and whether it is active."""
    return PEER in table.records, PEER in table.active()


ABSENT, ACTIVE, WAITING = (False, False), (True, True), (True, False)


def absent() -> LinkTable:
    return LinkTable()


def active() -> LinkTable:
    table = LinkTable()
    assert table.link(PEER)
    return table


def waiting() -> LinkTable:
    table = active()
    assert table.unlink(PEER) == 1
    return table


@pytest.mark.parametrize(
    ("before", "send", "after"), [(absent, True, ACTIVE), (active, False, ACTIVE), (waiting, True, ACTIVE)]
)
def test_link_sends_only_when_not_active(before: object, send: bool, after: tuple[bool, bool]) -> None:
    table = before()  # type: ignore[operator]
    assert table.link(PEER) is send
    assert states(table) == after


@pytest.mark.parametrize(("before", "after"), [(absent, ACTIVE), (active, ACTIVE), (waiting, WAITING)])
def test_a_link_that_arrives_is_ignored_when_a_record_exists(before: object, after: tuple[bool, bool]) -> None:
    table = before()  # type: ignore[operator]
    table.linked(PEER)
    assert states(table) == after


@pytest.mark.parametrize(
    ("before", "sends", "after"), [(absent, False, ABSENT), (active, True, WAITING), (waiting, False, WAITING)]
)
def test_unlink_sends_an_id_only_when_active(before: object, sends: bool, after: tuple[bool, bool]) -> None:
    table = before()  # type: ignore[operator]
    assert bool(table.unlink(PEER)) is sends
    assert states(table) == after


@pytest.mark.parametrize(("before", "after"), [(absent, ABSENT), (active, ABSENT), (waiting, WAITING)])
def test_an_unlink_that_arrives_drops_an_active_record(before: object, after: tuple[bool, bool]) -> None:
    table = before()  # type: ignore[operator]
    table.unlinked(PEER)
    assert states(table) == after


def test_only_the_ack_of_the_last_unlink_ends_the_record() -> None:
    table = active()
    first = table.unlink(PEER)
    assert table.link(PEER)
    table.acked(PEER, first)
    assert states(table) == ACTIVE
    second = table.unlink(PEER)
    assert second != first
    table.acked(PEER, first)
    assert states(table) == WAITING
    table.acked(PEER, second)
    assert states(table) == ABSENT


@pytest.mark.parametrize(("before", "acts"), [(absent, False), (active, True), (waiting, False)])
def test_an_exit_acts_only_over_an_active_link_and_ends_it(before: object, acts: bool) -> None:
    table = before()  # type: ignore[operator]
    assert table.exited(PEER) is acts
    assert states(table) == ABSENT


def test_active_lists_in_the_order_of_linking() -> None:
    table = LinkTable()
    for pid in ("pid_b", "pid_a", "pid_c"):
        table.link(pid)
    table.unlink("pid_a")
    assert table.active() == ["pid_b", "pid_c"]
    table.drop("pid_b")
    assert table.active() == ["pid_c"]


class End:
    """One end of a link, its table and what is on its way to it."""

    def __init__(self) -> None:
        self.table = LinkTable()
        self.inbox: deque[tuple[str, int]] = deque()


def deliver(here: End, there: End) -> None:
    """Let the oldest signal arrive."""
    kind, number = here.inbox.popleft()
    if kind == "link":
        here.table.linked(PEER)
    elif kind == "unlink":
        here.table.unlinked(PEER)
        there.inbox.append(("ack", number))
    else:
        here.table.acked(PEER, number)


@pytest.mark.parametrize("seed", range(300))
def test_lk07_both_ends_agree_when_everything_has_arrived(seed: int) -> None:
    rand = random.Random(seed)
    ends = (End(), End())
    for _ in range(rand.randrange(3, 20)):
        k = rand.randrange(2)
        here, there = ends[k], ends[1 - k]
        choice = rand.randrange(3)
        if choice == 0:
            if here.table.link(PEER):
                there.inbox.append(("link", 0))
        elif choice == 1:
            number = here.table.unlink(PEER)
            if number:
                there.inbox.append(("unlink", number))
        elif here.inbox:
            deliver(here, there)
    while any(end.inbox for end in ends):
        k = rand.randrange(2)
        if ends[k].inbox:
            deliver(ends[k], ends[1 - k])
    assert states(ends[0].table) == states(ends[1].table), f"seed {seed}"
    assert states(ends[0].table) in (ABSENT, ACTIVE), f"seed {seed}"
