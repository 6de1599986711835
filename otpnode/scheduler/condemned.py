"""Kills of processes on other shards that may be computing (FS-03).

Beside the exit signal, which a computing shard cannot read, the killer's shard writes
the serial into *its own* interrupt word in the target's area, where the watchdog
thread over there reads it. One word holds one serial, so kills take turns: the one that
runs over there, if it is one of them, else the next. Writing the next only when the
last is dead was wrong: the last may be waiting for the loop that the next one holds.

C code that keeps the GIL holds up that watchdog too. It leaves the time of each of its
looks on the board; when that stands still for long, the supervisor is told, and
``kill_blocked`` decides.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from otpnode.pid import Address, make_pid
from otpnode.process.shard import Shard
from otpnode.scheduler.board import Area, Board

LOOK_SECONDS = 0.05
SILENT_LOOKS = 20
"""So often must the watchdog have given no sign: time alone says nothing on a machine that gave it no processor."""
NANOSECONDS = 1_000_000_000


class Kill:
    """One kill under way.

    Attributes:
        owner: the process.
        since: when it was asked for, in monotonic ns.
        sign: the last sign of the watchdog over there.
        still: for how many looks there has been no other.
    """

    __slots__ = ("owner", "sign", "since", "still", "told")

    def __init__(self, owner: Address) -> None:
        self.owner = owner
        self.since = time.monotonic_ns()
        self.sign = 0
        self.still = 0
        self.told = False

    def watch(self, area: Area) -> None:
        """Look whether the watchdog over there has looked."""
        sign = area.watched
        self.still = self.still + 1 if sign == self.sign else 0
        self.sign = sign

    def silent_for(self, seconds: float) -> bool:
        """Whether there has been no sign for so long, and not just for want of looking."""
        quiet = time.monotonic_ns() - max(self.sign, self.since)
        return self.still >= SILENT_LOOKS and quiet > seconds * NANOSECONDS


class Condemned:
    """The kills that one shard has asked of others.

    Args:
        board: where interrupt words and liveness stand.
        here: the shard that asks.
        tell_silent: takes shard, incarnation and pid of a kill that gets no answer; once for each.
    """

    def __init__(self, board: Board, here: Shard, tell_silent: Callable[[int, int, str], None]) -> None:
        self._board = board
        self._here = here
        self._tell_silent = tell_silent
        self._waiting: dict[int, deque[Kill]] = {}

    def add(self, owner: Address) -> None:
        """Ask for the end of `owner`, in case it computes."""
        queue = self._waiting.setdefault(owner.shard, deque())
        queue.append(Kill(owner))
        if len(queue) == 1:
            self._write(owner)
            self._look_later(owner.shard)

    def _look_later(self, shard: int) -> None:
        self._here.deadlines.after(LOOK_SECONDS, lambda: self._look(shard))

    def _look(self, shard: int) -> None:
        queue = self._waiting[shard]
        queue.rotate(-1)
        alive = deque(kill for kill in queue if self._is_alive(kill.owner))
        if not alive:
            del self._waiting[shard]
            return
        self._waiting[shard] = alive
        self._write(next((kill.owner for kill in alive if self._runs(kill.owner)), alive[0].owner))
        for kill in alive:
            self._watch(kill)
        self._look_later(shard)

    def _watch(self, kill: Kill) -> None:
        owner = kill.owner
        area = self._board.area(owner.shard, owner.incarnation)
        if area is None or kill.told:
            return
        kill.watch(area)
        # One grace is the kill's; the second is what code inside C is given (FS-03).
        if kill.silent_for(2 * self._here.config.kill_grace):
            kill.told = True
            pid = make_pid(self._here.config.name, owner.shard, owner.incarnation, owner.serial)
            self._tell_silent(owner.shard, owner.incarnation, pid)

    def _is_alive(self, owner: Address) -> bool:
        return self._board.is_alive(owner.shard, owner.incarnation, owner.serial)

    def _runs(self, owner: Address) -> bool:
        area = self._board.area(owner.shard, owner.incarnation)
        return area is not None and area.running == owner.serial

    def _write(self, owner: Address) -> None:
        area = self._board.area(owner.shard, owner.incarnation)
        if area is not None:
            area.set_interrupt(self._here.number, owner.serial)
