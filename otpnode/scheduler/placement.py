"""Where a spawn goes (SEMANTICS C9).

An unmodified program must use all cores, so what can travel goes to one of the
least loaded shards. Load is what waits there, plus one while a slice of that shard
has been running for long, plus this spawner's own spawns still on their way; among
equals the shard with the fewest live processes placed by spread, then rotation.
Idle residents must weigh (or a whole pool lands beside each other on the one idle
shard), those that could not travel must not (or main's shard stays empty).

What cannot travel stays beside its caller, is counted, and is logged once per call
site: a silent fall-back is a lost core.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from otpnode.errors import UnserializableError
from otpnode.process.spawning import Birth
from otpnode.scheduler.board import Board
from otpnode.transport.payload import dumps_call
from otpnode.transport.travel import unimportable

log = logging.getLogger("otpnode.placement")

LONG_SLICE_NS = 5_000_000
"""A slice older than this counts as one process that waits: its shard is in CPU-bound code."""


class Placement:
    """Chooses shards for the spawns of one shard."""

    def __init__(
        self,
        board: Board,
        here: int,
        up: Callable[[], list[tuple[int, int]]],
        own_queue: Callable[[], int],
        own_placed: Callable[[], int],
        policy: str,
    ) -> None:
        self._board = board
        self._here = here
        self._up = up
        self._own_queue = own_queue
        self._own_placed = own_placed
        self._policy = policy
        self._last = here
        self._told: set[tuple[str, int]] = set()
        self.on_their_way: dict[int, int] = {}
        self.placed_locally = 0

    def choose(self, birth: Birth) -> int:
        """Return the shard for a spawn with ``on="spread"``; encodes the call when it travels."""
        if self._policy == "local":
            return self._here
        why = unimportable(birth.func)
        shard = self._here
        if why is None:
            shard = self._least_loaded()
            if shard != self._here and birth.call is None:
                try:
                    birth.call = dumps_call(birth.func, birth.args, birth.kwargs, birth.carried)
                except UnserializableError as error:
                    why = str(error)
        if why is not None:
            self._stays(birth, why)
            return self._here
        birth.spread = True
        self._last = shard
        return shard

    def _least_loaded(self) -> int:
        total = max((shard for shard, _ in self._up()), default=0) + 1
        now = time.monotonic_ns()
        ranked = [
            (*self._weight(shard, incarnation, now), (shard - self._last - 1) % total, shard)
            for shard, incarnation in self._up()
        ]
        return min(ranked)[-1] if ranked else self._here

    def _weight(self, shard: int, incarnation: int, now: int) -> tuple[int, int]:
        coming = self.on_their_way.get(shard, 0)
        if shard == self._here:
            return self._own_queue() + coming, self._own_placed() + coming
        area = self._board.seat(shard, incarnation)
        started = area.slice_started
        busy = 1 if started and now - started > LONG_SLICE_NS else 0
        return area.run_queue + busy + coming, area.spread_placed + coming

    def _stays(self, birth: Birth, why: str) -> None:
        self.placed_locally += 1
        frame = sys._getframe(2)
        while frame.f_back is not None and "/otpnode/" in frame.f_code.co_filename:
            frame = frame.f_back
        site = (frame.f_code.co_filename, frame.f_lineno)
        if site not in self._told:
            self._told.add(site)
            name = getattr(birth.func, "__qualname__", repr(birth.func))
            log.info("%s:%d: %s runs beside its caller, not on another core: %s", *site, name, why)
