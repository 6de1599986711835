"""Serials: unique for ever, one per slot, as many as there are slots."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otpnode.errors import SystemLimitError
from otpnode.scheduler import slots as slots_module
from otpnode.scheduler.board import Board
from otpnode.scheduler.slots import Slots

BOARD = Board.create(1, 8)


def on_board(shown: bool, capacity: int) -> Slots:
    if not shown:
        return Slots(None, capacity)
    area = Board.create(1, capacity).seat(0, 1)
    area.begin(1)
    return Slots(area, capacity)


@pytest.mark.parametrize("shown", [False, True])
class TestBothKinds:
    def test_serials_begin_at_one(self, shown: bool) -> None:
        assert [on_board(shown, 5).claim() for _ in range(1)] == [1]

    def test_a_full_table_raises_and_names_the_flag(self, shown: bool) -> None:
        slots = on_board(shown, 3)
        serials = [slots.claim() for _ in range(3)]
        with pytest.raises(SystemLimitError, match="--max-processes"):
            slots.claim()
        slots.release(serials[1])
        assert slots.claim() == serials[1] + 3
        assert slots.live == 3

    def test_small_tables_are_used_up_before_a_slot_is_used_again(self, shown: bool) -> None:
        slots = on_board(shown, 4)
        slots.release(slots.claim())
        assert [slots.claim() for _ in range(4)] == [2, 3, 4, 5]

    def test_a_big_table_is_not_walked_through_by_few_processes(self, shown: bool) -> None:
        slots = on_board(shown, 1 << 20)
        highest = 0
        for _ in range(3 * slots_module.REUSE_FROM):
            serial = slots.claim()
            highest = max(highest, serial % (1 << 20))
            slots.release(serial)
        assert highest == slots_module.REUSE_FROM


def test_capacities_must_agree() -> None:
    with pytest.raises(ValueError, match="8 slots, not 9"):
        Slots(BOARD.seat(0, 1), 9)


@settings(deadline=None)
@given(capacity=st.integers(1, 12), reuse_from=st.integers(1, 12), steps=st.lists(st.integers(-1, 11), max_size=120))
def test_no_serial_comes_twice_and_no_slot_is_shared(capacity: int, reuse_from: int, steps: list[int]) -> None:
    board = Board.create(1, capacity)
    board.seat(0, 1).begin(1)
    slots = Slots(board.seat(0, 1), capacity)
    slots._reuse_from = min(reuse_from, capacity)
    seen: set[int] = set()
    living: list[int] = []
    for step in steps:
        if step >= 0 and living:
            slots.release(living.pop(step % len(living)))
        elif len(living) == capacity:
            with pytest.raises(SystemLimitError):
                slots.claim()
        else:
            serial = slots.claim()
            assert serial > 0
            assert serial not in seen
            seen.add(serial)
            living.append(serial)
        assert len({serial % capacity for serial in living}) == len(living) == slots.live
        assert sorted(board.alive_serials(0, 1)) == sorted(living)
        assert {serial for serial in seen if board.is_alive(0, 1, serial)} == set(living)
