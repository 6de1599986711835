"""A shard among others: the shard object with its neighbours, names and placement joined up.

The same joining serves a worker, whose words come from the supervisor by its control
port, and the shards of the loopback node, whose words come by plain calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from otpnode.clock import Clock
from otpnode.config import NodeConfig
from otpnode.pid import make_pid
from otpnode.process.shard import Shard
from otpnode.process.watchdog import Watchdog
from otpnode.scheduler.board import (
    COUNTERS,
    HEARTBEAT,
    LIVE,
    RUN_QUEUE,
    RUNNING,
    SLICE_STARTED,
    SPREAD_PLACED,
    WATCHED,
    Board,
    Counter,
)
from otpnode.scheduler.names import NamePort, ReplicaNames
from otpnode.scheduler.neighbours import Neighbours
from otpnode.scheduler.placement import Placement
from otpnode.scheduler.slots import Slots
from otpnode.transport.link import Tap

# Every slice writes these, and members of an enumeration are found at a tenth of the speed of numbers.
_SPAWNS, _EXITS, _MESSAGES_IN, _MESSAGES_OUT, _PLACED_LOCALLY = (COUNTERS + int(counter) for counter in Counter)


class World:
    """One shard incarnation, joined to the rest of its node.

    Attributes:
        shard: the processes.
        neighbours: the other shards.
        names: the node's names.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: NodeConfig,
        board: Board,
        number: int,
        incarnation: int,
        port: NamePort,
        *,
        tell_corrupt: Callable[[int, int, str], None],
        tell_silent: Callable[[int, int, str], None],
        tap_for: Callable[[int], Tap | None] | None = None,
        clock: Clock | None = None,
        busy_wait: float = 0.0,
    ) -> None:
        self._area = board.seat(number, incarnation)
        slots = Slots(self._area, config.max_processes)
        self.shard = Shard(loop, config, number=number, incarnation=incarnation, clock=clock, serials=slots)
        self.names = ReplicaNames(loop, port, board.fence)
        self.neighbours = Neighbours(
            self.shard,
            board,
            await_record=port.await_record,
            tell_corrupt=tell_corrupt,
            tell_silent=tell_silent,
            tap_for=tap_for,
            busy_wait=busy_wait,
        )
        self.placement = Placement(
            board,
            number,
            self.neighbours.shards_up,
            lambda: len(self.shard.ready),
            lambda: self.shard.placed_by_spread,
            config.placement,
        )
        self.shard.names = self.names
        self.shard.router.outbound = self.neighbours
        self.shard.placer = self.placement.choose
        self.shard.spread_changed = self._publish_spread
        self.shard.queue.pulse = self._pulse
        self._live = self.shard.table.live
        self._mesh = self.neighbours.mesh
        self._config = config
        self._writers = board.max_schedulers
        self.shard.make_watchdog = lambda: Watchdog(self.shard, words=self._condemned, sampled=self._sampled)

    def _condemned(self) -> list[str]:
        """Read whom other shards want killed here; stale words name somebody dead."""
        shard = self.shard
        return [
            make_pid(self._config.name, shard.number, shard.incarnation, serial)
            for serial in self._area.interrupts(self._writers)
            if serial
        ]

    def _sampled(self, serial: int) -> None:
        words, base = self._area.words, self._area.base
        words[base + RUNNING] = serial
        words[base + WATCHED] = time.monotonic_ns()

    def _publish_spread(self, count: int) -> None:
        self._area.words[self._area.base + SPREAD_PLACED] = count

    def _pulse(self, runnable: int) -> None:
        """Write the slice's words on the board: once as it begins, once as it ends (DESIGN §3)."""
        words, base = self._area.words, self._area.base
        if runnable > 0:
            words[base + SLICE_STARTED] = time.monotonic_ns()
            words[base + RUN_QUEUE] = runnable - 1
            return
        words[base + SLICE_STARTED] = 0
        words[base + RUN_QUEUE] = -runnable
        words[base + LIVE] = len(self._live)
        words[base + HEARTBEAT] = time.monotonic_ns()
        words[base + _SPAWNS] = self.shard.spawned
        words[base + _EXITS] = self.shard.ended
        words[base + _MESSAGES_IN] = self._mesh.messages_in
        words[base + _MESSAGES_OUT] = self._mesh.messages_out
        words[base + _PLACED_LOCALLY] = self.placement.placed_locally

    def close(self) -> None:
        """Leave the loop and the mesh."""
        self.neighbours.births.close()
        self.neighbours.mesh.close()
        self.shard.close()
