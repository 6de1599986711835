"""Kills of processes on other shards that may be computing (FS-03).

Beside the exit signal, which a computing shard cannot read, the killer's shard writes
the serial into *its own* interrupt word in the target's area, where the watchdog
thread over there reads it. One word holds one serial, so kills take turns: the one that
runs over there, if it is one of them, else the next. Writing the next only when the
last is dead was wrong: the last may be waiting for the loop that the next one holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from otpnode.pid import Address
from otpnode.process.timers import Deadlines
from otpnode.scheduler.board import Board

LOOK_SECONDS = 0.05


class Condemned:
    """The kills that one shard has asked of others."""

    def __init__(self, board: Board, here: int, deadlines: Deadlines) -> None:
        self._board = board
        self._here = here
        self._deadlines = deadlines
        self._waiting: dict[int, deque[Address]] = {}

    def add(self, owner: Address) -> None:
        """Ask for the end of `owner`, in case it computes."""
        queue = self._waiting.setdefault(owner.shard, deque())
        queue.append(owner)
        if len(queue) == 1:
            self._write(owner)
            self._deadlines.after(LOOK_SECONDS, self._looking_at(owner.shard))

    def _looking_at(self, shard: int) -> Callable[[], None]:
        return lambda: self._look(shard)

    def _look(self, shard: int) -> None:
        queue = self._waiting[shard]
        queue.rotate(-1)
        alive = deque(filter(self._is_alive, queue))
        if not alive:
            del self._waiting[shard]
            return
        self._waiting[shard] = alive
        self._write(next(filter(self._runs, alive), alive[0]))
        self._deadlines.after(LOOK_SECONDS, self._looking_at(shard))

    def _is_alive(self, owner: Address) -> bool:
        return self._board.is_alive(owner.shard, owner.incarnation, owner.serial)

    def _runs(self, owner: Address) -> bool:
        area = self._board.area(owner.shard, owner.incarnation)
        return area is not None and area.running == owner.serial

    def _write(self, owner: Address) -> None:
        area = self._board.area(owner.shard, owner.incarnation)
        if area is not None:
            area.set_interrupt(self._here, owner.serial)
