"""The rules of names, and the replica that follows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpnode.process.registry import MAX_NAME
from otpnode.scheduler.control import MAX_RECORD, Names, NameTable, encode
from otpnode.scheduler.directory import Change, Directory, Verdict
from otpnode.scheduler.nameservice import _batches
from otpnode.scheduler.replica import Replica

A, B, C = "pid_n.0.1.1", "pid_n.1.1.1", "pid_n.1.1.2"
TAKEN, NAMED, NOT_FOUND, UNKNOWN = (Verdict(error) for error in ("taken", "named", "not_found", "unknown_name"))


@pytest.fixture
def dead() -> set[str]:
    return set()


@pytest.fixture
def names(dead: set[str]) -> Directory:
    return Directory(lambda pid: pid not in dead)


def test_a_name_is_given_once(names: Directory) -> None:
    assert names.register("x", A) == Verdict(changes=(("x", A),), confirm=True)
    assert names.register("x", A) == TAKEN
    assert names.register("x", B) == TAKEN
    assert names.register("y", A) == NAMED
    assert names.table == {"x": A}


@pytest.mark.parametrize("pid", ["", "nonsense", "pid_n.1.1", "pid_n.1.1." + "9" * 6000])
def test_what_is_no_pid_is_not_found(names: Directory, pid: str) -> None:
    assert names.register("x", pid) == NOT_FOUND


def test_the_dead_get_no_name(names: Directory, dead: set[str]) -> None:
    dead.add(A)
    assert names.register("x", A) == NOT_FOUND


def test_a_name_too_long_is_refused(names: Directory) -> None:
    assert names.register("x" * (MAX_NAME + 1), A).error == "too_long"
    assert names.reserve("x" * (MAX_NAME + 1), (0, 1)).error == "too_long"
    assert names.register("x" * MAX_NAME, A).error == ""


def test_a_death_between_publishing_and_confirming_takes_the_name_back(names: Directory, dead: set[str]) -> None:
    names.register("x", A)
    dead.add(A)
    assert names.confirm("x", A) == Verdict("not_found", (("x", None),))
    assert names.table == {}
    assert names.gone(A) == Verdict()


def test_confirming_spares_the_next_owner(names: Directory, dead: set[str]) -> None:
    names.register("x", A)
    dead.add(A)
    names.gone(A)
    names.register("x", B)
    assert names.confirm("x", A) == NOT_FOUND
    assert names.table == {"x": B}
    assert names.gone(A) == Verdict()


def test_unregister(names: Directory) -> None:
    assert names.unregister("x") == UNKNOWN
    names.register("x", A)
    assert names.unregister("x") == Verdict(changes=(("x", None),))
    assert names.register("y", A).error == ""


def test_a_reservation_excludes_and_is_not_published(names: Directory) -> None:
    assert names.reserve("x", (0, 1)) == Verdict()
    assert names.reserve("x", (0, 1)) == TAKEN
    assert names.register("x", B) == TAKEN
    assert names.unregister("x") == UNKNOWN
    names.release("x", (1, 1))
    assert names.register("x", B) == TAKEN
    names.release("x", (0, 1))
    assert names.register("x", B).error == ""


def test_a_commit_needs_the_own_reservation_or_a_free_name(names: Directory, dead: set[str]) -> None:
    names.reserve("x", (1, 1))
    assert names.commit("x", A, (0, 1)) == TAKEN
    assert names.commit("x", B, (1, 1)) == Verdict(changes=(("x", B),), confirm=True)
    names.reserve("y", (1, 1))
    dead.add(C)
    assert names.commit("y", C, (1, 1)) == NOT_FOUND
    assert names.reserve("y", (0, 1)) == Verdict()


def test_a_shard_takes_its_names_and_reservations_with_it(names: Directory) -> None:
    names.register("a", A)
    names.register("b", B)
    names.register("c", C)
    names.reserve("d", (1, 1))
    names.reserve("e", (1, 2))
    assert names.shard_down(1, 1) == Verdict(changes=(("b", None), ("c", None)))
    assert names.table == {"a": A}
    assert names.reserve("d", (0, 1)) == Verdict()
    assert names.reserve("e", (0, 1)) == TAKEN
    assert names.shard_down(1, 1) == Verdict()


KEYS = st.sampled_from(["x", "y", "z"])
PIDS = st.sampled_from([A, B, C])
STEPS = st.one_of(
    st.tuples(st.just("register"), KEYS, PIDS),
    st.tuples(st.just("unregister"), KEYS),
    st.tuples(st.just("gone"), PIDS),
    st.tuples(st.just("shard_down"), st.integers(0, 1), st.just(1)),
)


@given(steps=st.lists(STEPS, max_size=40), snapshot_at=st.integers(0, 40))
def test_a_replica_follows_the_directory(steps: list[tuple[str, ...]], snapshot_at: int) -> None:
    names, replica, late = Directory(lambda pid: True), Replica(), Replica()
    for number, (verb, *args) in enumerate(steps):
        if number == snapshot_at:
            late.apply(NameTable(names.version, True, True, names.table))
        changes = list(getattr(names, verb)(*args).changes)
        if changes:
            record = Names(names.advance(), changes)
            replica.apply(record)
            if number >= snapshot_at:
                late.apply(record)
        for one in (replica, late) if number >= snapshot_at else (replica,):
            assert {name: one.whereis(name) for name in one.registered()} == names.table
            assert {one.name_of(pid): pid for pid in (A, B, C) if one.name_of(pid)} == names.table
            assert one.version == names.version


def test_a_snapshot_shows_only_when_it_is_whole() -> None:
    replica = Replica()
    replica.apply(Names(1, [("old", A)]))
    replica.apply(NameTable(9, True, False, {"x": B}))
    assert (replica.version, replica.registered(), replica.name_of(B)) == (1, ["old"], None)
    # A second one that begins before the first is whole stands alone.
    replica.apply(NameTable(12, True, False, {"y": B}))
    replica.apply(NameTable(12, False, True, {"z": C}))
    assert (replica.version, replica.registered(), replica.name_of(A)) == (12, ["y", "z"], None)


@given(changes=st.lists(st.tuples(st.text(max_size=MAX_NAME), st.sampled_from([A, None])), max_size=60))
def test_batches_fit_a_record(changes: list[Change]) -> None:
    batches = list(_batches(changes))
    assert [change for batch in batches for change in batch] == changes
    assert all(len(encode(Names(1 << 60, batch))) <= MAX_RECORD for batch in batches)


def test_the_longest_names_fit_one_by_one() -> None:
    changes: list[Change] = [("\U0001f600" * MAX_NAME, A)] * 9
    assert all(len(encode(Names(1 << 60, batch))) <= MAX_RECORD for batch in _batches(changes))
