"""The seating plan, with channels that only remember."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from itertools import permutations

import pytest

from otpnode.scheduler.control import Seat, Seated, ToWorker
from otpnode.scheduler.seating import Key, Seating


class Channel:
    def __init__(self) -> None:
        self.prompt = True
        self.share = 1000
        self.sent: list[tuple[ToWorker, int | None]] = []
        self.held = 0
        self.withdrawn: list[Key] = []

    def send(self, record: ToWorker, fd: int | None = None) -> None:
        self.sent.append((record, fd))
        if fd is not None and not self.prompt:
            self.held += 1
        elif fd is not None:
            self.share -= 1
            self.prompt = self.share > 0

    def reads(self, share: int) -> None:
        self.held, self.share, self.prompt = 0, share, True

    def withdraw(self, shard: int, incarnation: int) -> None:
        self.withdrawn.append((shard, incarnation))

    def seats(self) -> list[tuple[int, int, str]]:
        return [(r.shard, r.incarnation, r.role) for r, _ in self.sent if isinstance(r, Seat)]


class Room:
    """A plan and the guests who have come to it."""

    def __init__(self) -> None:
        self.plan = Seating()
        self.channels: dict[Key, Channel] = {}

    def join(self, *keys: Key) -> None:
        for key in keys:
            self.channels[key] = Channel()
            self.plan.join(key, self.channels[key])

    def settle(self) -> list[Key]:
        """Pump until nothing moves; return who was seated, in order."""
        seated, before = [], -1
        while before != (before := sum(len(channel.sent) for channel in self.channels.values())):
            seated += self.plan.pump()
        return seated

    def close(self) -> None:
        """Close what was passed, which the plan has no more to do with."""
        for channel in self.channels.values():
            for _, fd in channel.sent:
                if fd is not None:
                    os.close(fd)
            channel.sent = [(record, None) for record, _ in channel.sent]


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    yield made
    made.close()


def test_each_ordered_pair_has_one_stream(room: Room) -> None:
    keys = [(shard, 1) for shard in range(5)]
    room.join(*keys)
    assert sorted(room.settle()) == keys
    for one, other in permutations(keys, 2):
        assert room.channels[one].seats().count((*other, "write")) == 1
        assert room.channels[one].seats().count((*other, "read")) == 1
        source = next(fd for r, fd in room.channels[one].sent if r == Seat(*other, "write"))
        sink = next(fd for r, fd in room.channels[other].sent if r == Seat(*one, "read"))
        assert source is not None
        assert sink is not None
        os.write(source, f"{one}{other}".encode())
        assert os.read(sink, 99).decode() == f"{one}{other}"


def test_seated_comes_last_and_once(room: Room) -> None:
    room.join((0, 1), (1, 1))
    room.settle()
    for channel in room.channels.values():
        assert [type(record) for record, _ in channel.sent] == [Seat, Seat, Seated]
    assert room.plan.pump() == []


def test_alone_one_is_seated_at_once(room: Room) -> None:
    room.join((0, 1))
    assert room.plan.pump() == [(0, 1)]


def test_a_restart_gets_new_pairs_with_everybody_and_not_with_itself(room: Room) -> None:
    room.join((0, 1), (1, 1), (2, 1))
    room.settle()
    room.plan.leave((1, 1))
    room.join((1, 2))
    assert room.settle() == [(1, 2)]
    assert sorted(room.channels[1, 2].seats()) == [(0, 1, "read"), (0, 1, "write"), (2, 1, "read"), (2, 1, "write")]
    assert len(room.channels[0, 1].seats()) == 6


def test_two_incarnations_of_a_shard_get_no_pair(room: Room) -> None:
    room.join((0, 1), (0, 2))
    room.settle()
    assert room.channels[0, 1].seats() == []


def test_who_waits_for_the_dead_is_seated_without_them(room: Room) -> None:
    room.join((0, 1), (1, 1), (2, 1))
    room.channels[0, 1].prompt = room.channels[1, 1].prompt = False
    assert room.settle() == [(2, 1)]
    room.plan.leave((1, 1))
    assert room.settle() == [(0, 1)]
    assert room.channels[0, 1].withdrawn == room.channels[2, 1].withdrawn == [(1, 1)]
    room.plan.leave((1, 1))


def test_nobody_waits_for_who_does_not_read(room: Room) -> None:
    room.join((0, 1), (1, 1), (2, 1), (3, 1))
    room.settle()
    room.channels[3, 1].prompt = False
    room.plan.leave((1, 1))
    room.join((1, 2))
    assert room.settle() == [(1, 2)]
    assert len(room.channels[1, 2].seats()) == 6
    assert room.channels[3, 1].held == 2


def test_the_ends_held_are_bounded(room: Room) -> None:
    room.plan.most_held = 7
    room.join(*((shard, 1) for shard in range(10)))
    room.channels[9, 1].prompt = False
    assert room.settle() == [(0, 1), (1, 1), (2, 1)], "the pairs of the other six with the last are not made yet"
    assert room.channels[9, 1].held == 7
    room.channels[9, 1].reads(1000)
    assert len(room.settle()) == 7


def test_with_a_small_share_each_all_are_seated_in_the_end(room: Room) -> None:
    room.plan.most_held = 100
    room.join(*((shard, 1) for shard in range(64)))
    for channel in room.channels.values():
        channel.reads(8)
    for _ in range(2000):
        room.plan.pump()
        assert sum(channel.held for channel in room.channels.values()) <= 100
        slowest = max(room.channels.values(), key=lambda channel: (channel.held, -channel.share))
        slowest.reads(8)
        room.close()
        if all(len(channel.seats()) == 126 for channel in room.channels.values()):
            return
    pytest.fail("not all seated")


def test_a_want_of_descriptors_is_waited_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EMFILE, "too many")

    room.join((0, 1), (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", refuse)
        assert room.plan.pump() == []
    assert room.plan.starved
    assert len(room.settle()) == 2
    assert not room.plan.starved
