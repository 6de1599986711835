"""Both ends of a control channel, in one process."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from otpnode.scheduler.board import Board
from otpnode.scheduler.channel import MOST_UNDER_WAY, NAMES_BEHIND, ControlChannel, control_pair, share_of_descriptors
from otpnode.scheduler.control import (
    MAX_RECORD,
    Drained,
    MainEnded,
    NameReply,
    NameReserve,
    Names,
    NameTable,
    Ready,
    Seat,
    SeatsTaken,
    ShardDown,
    Start,
    StopNode,
    ToWorker,
    boot_failed,
    encode,
    main_ended,
)
from otpnode.scheduler.port import ControlPort

Handled = tuple[ToWorker, int | None]


class Ends:
    """A channel, its port, and what the port handed on."""

    def __init__(self) -> None:
        ours, theirs = control_pair()
        self.channel = ControlChannel(ours)
        self.handled: list[Handled] = []
        self.eofs = 0
        self.backlogs = 0
        self.board = Board.create(1, 8)
        self.port = ControlPort(theirs, self.board, self.handle, on_eof=self.on_eof, on_backlog=self.on_backlog)

    def handle(self, record: ToWorker, fd: int | None) -> None:
        self.handled.append((record, fd))

    def on_eof(self) -> None:
        self.eofs += 1

    def on_backlog(self) -> None:
        self.backlogs += 1

    def close_handled(self) -> None:
        for _, fd in self.handled:
            if fd is not None:
                os.close(fd)

    def fill(self) -> int:
        """Send until something waits; return how many records were sent."""
        count = 0
        while not self.channel.queued:
            self.channel.send(NameReply(count, ""))
            count += 1
        return count


@pytest.fixture
def ends() -> Iterator[Ends]:
    pair = Ends()
    yield pair
    pair.channel.close()
    pair.port.close()


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


class TestRecords:
    def test_both_ways_in_order(self, ends: Ends) -> None:
        ends.port.send(Ready())
        ends.port.send(StopNode(3))
        assert ends.channel.receive() == [Ready(), StopNode(3)]
        ends.channel.send(Start())
        ends.channel.send(NameReply(1, "taken"))
        ends.port.drain()
        assert ends.handled == [(Start(), None), (NameReply(1, "taken"), None)]

    def test_receive_takes_no_more_than_its_share(self, ends: Ends) -> None:
        for _ in range(5):
            ends.port.send(Drained())
        assert len(ends.channel.receive(3)) == 3
        assert len(ends.channel.receive(3)) == 2
        assert not ends.channel.at_eof

    def test_what_does_not_fit_raises_at_the_sender(self, ends: Ends) -> None:
        with pytest.raises(ValueError, match="a NameReserve of"):
            ends.port.send(NameReserve(1, "x" * MAX_RECORD))
        assert not ends.port.wants_write

    @pytest.mark.parametrize("size", [0, 1, MAX_RECORD - 64, MAX_RECORD, 5 * MAX_RECORD])
    def test_an_outcome_is_cut_into_parts(self, ends: Ends, size: int) -> None:
        data = os.urandom(size)
        got: list[MainEnded] = []
        for record in main_ended(7, data):
            ends.port.send(record)
            got += [part for part in ends.channel.receive() if isinstance(part, MainEnded)]
        assert b"".join(part.chunk for part in got) == data
        assert [part.last for part in got] == [False] * (len(got) - 1) + [True]

    def test_of_a_long_boot_failure_the_end_is_kept(self) -> None:
        record = boot_failed(3, "ä" * MAX_RECORD + "the error")
        assert record.text.endswith("the error")
        encode(record)
        assert boot_failed(3, "\udc80").text == "\\udc80"


class TestDescriptors:
    def test_a_seat_brings_its_descriptor_and_is_acknowledged(self, ends: Ends) -> None:
        for _ in range(3):
            reader, writer = os.pipe()
            ends.channel.send(Seat(1, 1, "read"), reader)
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(reader)
            os.write(writer, b"x")
            os.close(writer)
        ends.port.drain()
        assert ends.channel.receive() == [SeatsTaken(3)]
        for record, fd in ends.handled:
            assert record == Seat(1, 1, "read")
            assert fd is not None
            assert not os.get_inheritable(fd)
            assert os.read(fd, 9) == b"x"
            os.close(fd)

    def test_no_more_than_its_share_is_under_way_and_the_rest_keeps_its_place(self, ends: Ends) -> None:
        before = open_fds()
        for incarnation in range(MOST_UNDER_WAY + 1):
            assert ends.channel.prompt == (incarnation < MOST_UNDER_WAY)
            ends.channel.send(Seat(1, incarnation, "read"), os.open("/dev/null", os.O_RDONLY))
        ends.channel.send(Start())
        assert (ends.channel.under_way, ends.channel.held, ends.channel.queued) == (MOST_UNDER_WAY, 1, 2)
        assert not ends.channel.wants_write, "room is not what it waits for"
        assert open_fds() == before + 1
        ends.port.drain()
        assert len(ends.handled) == MOST_UNDER_WAY
        for record in ends.channel.receive():
            assert record == SeatsTaken(MOST_UNDER_WAY)
            ends.channel.taken(MOST_UNDER_WAY)
        ends.port.drain()
        assert [record for record, _ in ends.handled[-2:]] == [Seat(1, MOST_UNDER_WAY, "read"), Start()]
        ends.close_handled()
        assert open_fds() == before

    def test_the_seats_of_the_dead_that_wait_are_dropped_and_closed(self, ends: Ends) -> None:
        ends.fill()
        before = open_fds()
        for incarnation in (1, 2):
            ends.channel.send(Seat(1, incarnation, "read"), os.open("/dev/null", os.O_RDONLY))
            ends.channel.send(ShardDown(1, incarnation, -9))
        ends.channel.withdraw(1, 1)
        assert (ends.channel.held, open_fds()) == (1, before + 1)
        while ends.channel.queued:
            ends.port.drain()
            ends.channel.pump()
        ends.port.drain()
        wanted = [ShardDown(1, 1, -9), Seat(1, 2, "read"), ShardDown(1, 2, -9)]
        assert [record for record, _ in ends.handled[-3:]] == wanted
        ends.close_handled()

    def test_all_shares_together_are_half_of_what_a_user_may_pass(self) -> None:
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert share_of_descriptors(1) == MOST_UNDER_WAY
        for channels in (2, 8, most // 8, most // 4):
            assert 2 <= share_of_descriptors(channels) <= max(2, most // (2 * channels))
        assert share_of_descriptors(10 * most) == 2

    def test_what_waits_is_closed_with_the_channel(self, ends: Ends) -> None:
        ends.fill()
        before = open_fds()
        ends.channel.send(Seat(1, 1, "read"), os.open("/dev/null", os.O_RDONLY))
        assert open_fds() == before + 1
        ends.channel.close()
        assert open_fds() == before - 1

    def test_a_closed_channel_takes_and_closes(self, ends: Ends) -> None:
        ends.channel.close()
        before = open_fds()
        ends.channel.send(Seat(1, 1, "read"), os.open("/dev/null", os.O_RDONLY))
        assert open_fds() == before


class TestAFullChannel:
    def test_it_waits_in_order_and_never_blocks(self, ends: Ends) -> None:
        count = ends.fill()
        assert count > 100
        assert ends.channel.wants_write
        for number in range(count, count + 500):
            ends.channel.send(NameReply(number, ""))
        while ends.channel.queued:
            ends.port.drain()
            ends.channel.pump()
        ends.port.drain()
        assert ends.handled == [(NameReply(number, ""), None) for number in range(count + 500)]

    def test_the_worker_waits_too_and_is_told_once(self, ends: Ends) -> None:
        while not ends.port.wants_write:
            ends.port.send(Drained())
        ends.port.send(Ready())
        assert ends.backlogs == 1
        records = []
        while not ends.port.pump():
            records += ends.channel.receive()
        while last := ends.channel.receive():
            records += last
        assert records[-1] == Ready()

    def test_flush_gives_up_in_time(self, ends: Ends) -> None:
        while not ends.port.wants_write:
            ends.port.send(Drained())
        assert not ends.port.flush(0.01)
        ends.channel.receive()
        ends.channel.receive()

    def test_names_give_way_to_a_snapshot_that_stays_before_what_follows(self, ends: Ends) -> None:
        made: list[int] = []

        def table() -> list[bytes]:
            made.append(1)
            return [encode(NameTable(99, True, False, {"a": "p"})), encode(NameTable(99, False, True, {"b": "q"}))]

        ends.fill()
        for version in range(1, NAMES_BEHIND + 1):
            ends.channel.publish(encode(Names(version, [("old", None)])), table)
        down = ShardDown(1, 1, -9)
        ends.channel.send(down)
        waiting = ends.channel.queued
        for version in range(NAMES_BEHIND + 1, 3 * NAMES_BEHIND):
            ends.channel.publish(encode(Names(version, [("old", None)])), table)
        assert waiting > NAMES_BEHIND > 10 > ends.channel.queued
        assert made == []
        seen: list[int] = []
        while ends.channel.queued:
            ends.port.drain()
            seen += [ends.port.replica.version] if (down, None) in ends.handled else []
            ends.channel.pump()
        ends.channel.publish(encode(Names(100, [("c", "r")])), table)
        ends.port.drain()
        assert made == [1]
        assert set(seen) <= {99, 100}
        assert (down, None) in ends.handled
        assert ends.port.replica.registered() == ["a", "b", "c"]


class TestEnds:
    def test_the_worker_is_told_once_after_the_last_record(self, ends: Ends) -> None:
        ends.channel.send(Start())
        ends.channel.close()
        ends.port.drain()
        ends.port.drain()
        assert ends.handled == [(Start(), None)]
        assert ends.eofs == 1
        ends.port.send(Ready())
        assert not ends.port.wants_write

    def test_the_supervisor_reads_last_words(self, ends: Ends) -> None:
        ends.port.send(Ready())
        ends.port.close()
        assert ends.channel.receive() == [Ready()]
        assert ends.channel.at_eof
        ends.channel.send(Start())
        assert ends.channel.queued == 0

    def test_sending_to_the_gone_ends_the_channel(self, ends: Ends) -> None:
        ends.port.close()
        ends.channel.send(Start())
        assert ends.channel.at_eof
        ends.channel.pump()
        assert ends.channel.queued == 0

    def test_nonsense_ends_the_channel(self) -> None:
        ours, theirs = control_pair()
        channel = ControlChannel(ours)
        theirs.send(b"nonsense")
        assert channel.receive() == []
        assert channel.at_eof
        channel.close()
        theirs.close()


class TestCatchUp:
    def test_it_does_nothing_when_the_replica_is_not_behind(self, ends: Ends) -> None:
        ends.channel.send(Start())
        ends.port.catch_up()
        assert ends.handled == []

    def test_it_drains_to_the_boards_version(self, ends: Ends) -> None:
        ends.channel.publish(encode(Names(1, [("x", "p")])), list)
        ends.board.names_version = 1
        ends.port.catch_up()
        assert ends.port.replica.whereis("x") == "p"
        assert ends.port.replica.version == 1

    def test_at_the_end_it_gives_up(self, ends: Ends) -> None:
        ends.channel.close()
        ends.port.catch_up(5)
        assert ends.eofs == 1

    def test_a_handler_may_look_names_up_and_sees_records_in_order(self) -> None:
        ours, theirs = control_pair()
        channel = ControlChannel(ours)
        trace: list[object] = []

        def handle(record: ToWorker, fd: int | None) -> None:
            trace.append(record)
            port.catch_up(1)
            trace.append(port.replica.whereis("x"))

        port = ControlPort(theirs, Board.create(1, 8), handle)
        channel.send(Start())
        channel.send(NameReply(1, ""))
        channel.publish(encode(Names(1, [("x", "p")])), list)
        port.drain()
        assert trace == [Start(), "p", NameReply(1, ""), "p"]
        channel.close()
        port.close()


class TestAwaitRecord:
    def test_it_reads_on_while_the_supervisor_waits_for_acknowledgements(self, ends: Ends) -> None:
        """The seat that is wanted is held for want of a share, and the way to the supervisor is full."""
        while not ends.port.wants_write:
            ends.port.send(Drained())
        for incarnation in range(1, 2 * MOST_UNDER_WAY + 2):
            ends.channel.send(Seat(1, incarnation, "read"), os.open("/dev/null", os.O_RDONLY))
        wanted = Seat(1, 2 * MOST_UNDER_WAY + 1, "read")

        def supervise() -> None:
            while ends.channel.queued:
                for record in ends.channel.receive():
                    if isinstance(record, SeatsTaken):
                        ends.channel.taken(record.count)

        supervisor = threading.Thread(target=supervise)
        supervisor.start()
        ends.port.await_record(lambda: any(record == wanted for record, _ in ends.handled))
        supervisor.join()
        assert ends.handled[-1][0] == wanted
        ends.close_handled()

    def test_in_a_handler_it_does_not_wait(self) -> None:
        ours, theirs = control_pair()
        channel = ControlChannel(ours)
        port = ControlPort(theirs, Board.create(1, 8), lambda record, fd: port.await_record(lambda: False))
        channel.send(Start())
        port.drain()
        channel.close()
        port.close()


def test_a_forked_copy_is_closed_without_ending_the_channel(ends: Ends) -> None:
    copy = ControlPort(socket.socket(fileno=os.dup(ends.port.fileno())), ends.board, ends.handle)
    copy.close()
    ends.port.send(Ready())
    assert ends.channel.receive() == [Ready()]
    assert not ends.channel.at_eof
