"""The board: who lives, read by anybody."""

from __future__ import annotations

import pytest

from otpnode.scheduler.board import UNBOUNDED_WINDOW, UP, Board, Counter, NodeState
from otpnode.scheduler.slots import Slots


@pytest.fixture
def board() -> Board:
    return Board.create(4, 100)


def test_a_new_board_is_empty(board: Board) -> None:
    assert board.names_version == 0
    assert board.node_state is NodeState.BOOTING
    assert board.current(0) is None
    assert board.area(0, 1) is None
    assert not board.is_alive(0, 0, 0)
    assert not board.is_alive(0, 0, 1)


def test_claimed_is_alive_and_released_is_not(board: Board) -> None:
    board.seat(2, 1).begin(1)
    slots = Slots(board.seat(2, 1), 100)
    serial = slots.claim()
    assert board.is_alive(2, 1, serial)
    assert not board.is_alive(1, 1, serial)
    assert not board.is_alive(2, 3, serial)
    assert not board.is_alive(2, 1, serial + 100)
    slots.release(serial)
    assert not board.is_alive(2, 1, serial)


@pytest.mark.parametrize(("shard", "serial"), [(-1, 1), (4, 1), (0, 0), (0, -100), (99, 0)])
def test_no_address_off_the_board_is_alive(board: Board, shard: int, serial: int) -> None:
    board.seat(0, 1).begin(1)
    assert not board.is_alive(shard, 1, serial)
    assert board.area(-1, 1) is None
    assert board.area(4, 1) is None


def test_a_dead_incarnation_has_no_living_process(board: Board) -> None:
    area = board.seat(0, 1)
    area.begin(1)
    slots = Slots(area, 100)
    serials = [slots.claim() for _ in range(10)]
    assert board.alive_serials(0, 1) == serials
    area.mark_dead()
    assert board.alive_serials(0, 1) == []
    assert not any(board.is_alive(0, 1, serial) for serial in serials)
    assert board.area(0, 1) is area


def test_the_next_tenant_of_a_seat_finds_it_clean(board: Board) -> None:
    area = board.seat(0, 1)
    area.begin(1)
    slots = Slots(area, 100)
    slots.set_window(slots.claim(), 7)
    area.run_queue, area.live = 5, 1
    area.count(Counter.SPAWNS, 9)
    area.set_interrupt(3, 1)
    area.mark_dead()
    area.begin(3)
    assert (area.run_queue, area.live, area.counter(Counter.SPAWNS), area.interrupts(4)) == (0, 0, 0, [0] * 4)
    assert board.alive_serials(0, 3) == []
    assert board.alive_serials(0, 1) == []
    assert board.window(0, 3, 1) == 0


def test_two_incarnations_live_side_by_side(board: Board) -> None:
    for incarnation in (1, 2):
        board.seat(0, incarnation).begin(incarnation)
        Slots(board.seat(0, incarnation), 100).claim()
    assert board.current(0) is None
    board.seat(0, 1).mark_up()
    assert board.current(0) == 1
    board.seat(0, 2).mark_up()
    assert board.seat(0, 2).state == UP
    assert board.current(0) == 2
    assert board.is_alive(0, 1, 1)
    assert board.is_alive(0, 2, 1)
    board.seat(0, 2).mark_dead()
    assert board.current(0) == 1


def test_an_incarnation_whose_seat_is_occupied_is_skipped(board: Board) -> None:
    board.seat(0, 1).begin(1)
    assert board.next_incarnation(0, 1) == 2
    board.seat(0, 2).begin(2)
    board.seat(0, 2).mark_dead()
    assert board.next_incarnation(0, 2) == 4
    board.seat(0, 1).mark_dead()
    assert board.next_incarnation(0, 2) == 3


def test_windows(board: Board) -> None:
    area = board.seat(1, 1)
    area.begin(1)
    slots = Slots(area, 100)
    one, two, three = slots.claim(), slots.claim(), slots.claim()
    slots.set_window(two, 5)
    slots.set_window(three, None)
    assert [board.window(1, 1, serial) for serial in (one, two, three)] == [0, 5, UNBOUNDED_WINDOW]
    slots.set_window(one, 1 << 40)
    assert board.window(1, 1, one) == UNBOUNDED_WINDOW - 1
    assert board.window(1, 2, one) == 0


def test_areas_do_not_overlap() -> None:
    board = Board.create(3, 513)
    seats = [(shard, incarnation) for shard in range(3) for incarnation in (1, 2)]
    for shard, incarnation in seats:
        area = board.seat(shard, incarnation)
        area.begin(incarnation)
        slots = Slots(area, 513)
        for _ in range(513):
            slots.set_window(slots.claim(), shard * 2 + incarnation)
        area.set_interrupt(2, 77)
    board.names_version = 5
    for shard, incarnation in seats:
        assert board.alive_serials(shard, incarnation) == [513, *range(1, 513)]
        assert {board.window(shard, incarnation, n) for n in range(1, 514)} == {shard * 2 + incarnation}
        assert board.seat(shard, incarnation).interrupt(2) == 77
    board.seat(1, 1).mark_dead()
    assert len(board.alive_serials(1, 2)) == len(board.alive_serials(0, 2)) == 513
    assert board.names_version == 5


def test_wiping_works_where_pages_cannot_be_given_back(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    area = board.seat(0, 1)
    area.begin(1)
    slots = Slots(area, 100)
    for _ in range(100):
        slots.set_window(slots.claim(), 3)
    monkeypatch.setattr("otpnode.scheduler.board.mmap.MADV_REMOVE", -1)
    area.begin(3)
    assert area.serials() == []
    area.high_water = 100
    assert area.serials() == []
    assert board.window(0, 3, 50) == 0
