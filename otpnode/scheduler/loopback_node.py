"""A whole node in one OS process: shards on one loop, joined by links in memory.

Everything between two shards is the real thing, byte for byte: board, codec, credits,
names, births, the order of a death. Only forks, sockets and the supervisor's watch are
replaced by plain calls, so that races can be scripted and a debugger sees both sides.
For tests; it uses one core.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from types import TracebackType
from typing import Self

from otpnode.clock import Clock
from otpnode.config import NodeConfig
from otpnode.process import stopping
from otpnode.process.children import adopt
from otpnode.process.current import CURRENT
from otpnode.process.proc import DEAD
from otpnode.process.shard import Shard
from otpnode.reasons import NOCONNECTION
from otpnode.scheduler.board import Board
from otpnode.scheduler.control import FromWorker, NameReply, Names, NameTable, ToWorker, decode_to_worker
from otpnode.scheduler.nameservice import NameService
from otpnode.scheduler.replica import Replica
from otpnode.scheduler.world import World
from otpnode.transport.link import Tap
from otpnode.transport.loopback import LoopbackLink

TapFor = Callable[[int, int], Tap | None]


class LoopbackPort:
    """A shard's control channel, as a queue; both ends of it."""

    def __init__(self, hub: LoopbackNode, key: tuple[int, int]) -> None:
        self._hub = hub
        self.key = key
        self.replica = Replica()
        self._inbox: deque[ToWorker] = deque()
        self._draining = False
        self.world: World | None = None

    # -- the worker's end -----------------------------------------------------

    def send(self, record: FromWorker | NameReply) -> None:
        """Carry a record either way: requests to the hub, answers to the shard."""
        if isinstance(record, NameReply):
            self._queue(record)
        else:
            self._hub.loop.call_soon(self._hub.on_record, self, record, context=Context())

    def _queue(self, record: ToWorker) -> None:
        self._inbox.append(record)
        self._hub.loop.call_soon(self.drain, context=Context())

    def catch_up(self) -> None:
        """Bring the replica to the board's version, as `ControlPort.catch_up` does."""
        if self.replica.version < self._hub.board.names_version:
            self.drain()

    def await_record(self, done: Callable[[], bool]) -> None:
        """Read what is there; seats do not come this way."""
        self.drain()

    def drain(self) -> None:
        """Handle what is queued, names first where a handler looks one up."""
        for names in [each for each in self._inbox if isinstance(each, Names | NameTable)]:
            self._inbox.remove(names)
            self.replica.apply(names)
        if self._draining or self.world is None:
            return
        self._draining = True
        try:
            while self._inbox:
                record = self._inbox.popleft()
                if isinstance(record, NameReply):
                    self.world.names.replied(record)
        finally:
            self._draining = False

    # -- the supervisor's end -------------------------------------------------

    def publish(self, names: bytes, table: Callable[[], list[bytes]]) -> None:
        """Queue changes."""
        self._queue(decode_to_worker(names))

    def send_table(self, table: Callable[[], list[bytes]]) -> None:
        """Queue the whole table."""
        for part in table():
            self._queue(decode_to_worker(part))


class LoopbackNode:
    """N shards on the running loop: ``async with LoopbackNode(config, shards=2) as node``.

    Args:
        config: the node's settings; `schedulers` is set to `shards`.
        shards: how many.
        tap_for: ``(from_shard, to_shard)`` → the fault layer's tap.
        clock: where the time of all shards comes from.
    """

    def __init__(
        self, config: NodeConfig, *, shards: int = 2, tap_for: TapFor | None = None, clock: Clock | None = None
    ) -> None:
        self._config = replace(config, schedulers=shards)
        self._tap_for = tap_for
        self._clock = clock
        self._count = shards
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.board = Board.create(max(2, shards), config.max_processes)
        self._ports: dict[int, LoopbackPort] = {}
        self._names = NameService(self.board, config.name, lambda: list(self._ports.values()))
        self._links: dict[tuple[int, int], LoopbackLink] = {}
        self._release: Callable[[], None] | None = None

    @property
    def shards(self) -> list[Shard]:
        """The shards that live, by number."""
        return [self.world(number).shard for number in sorted(self._ports)]

    @property
    def shard(self) -> Shard:
        """Shard 0, where callers outside any process are served."""
        return self.world(0).shard

    def world(self, number: int) -> World:
        """Return one shard with its surroundings."""
        world = self._ports[number].world
        if world is None:
            raise RuntimeError(f"shard {number} is being made")
        return world

    async def __aenter__(self) -> Self:
        self._release = adopt(self.loop)
        for number in range(self._count):
            self._start(number, 1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token = CURRENT.set(None)
        grace = self._config.stop_grace
        try:
            # Both rounds go on everywhere at once, as the supervisor orders them.
            await asyncio.gather(*(stopping.stop_trees(shard, None, grace) for shard in self.shards))
            while any(shard.table.live or shard.table.exiting for shard in self.shards):
                await asyncio.gather(*(stopping.stop_rest(shard, grace) for shard in self.shards))
        finally:
            CURRENT.reset(token)
            for number in sorted(self._ports):
                self.world(number).close()
            if self._release is not None:
                self._release()

    # -- what the supervisor does ---------------------------------------------

    def on_record(self, port: LoopbackPort, record: FromWorker) -> None:
        """Serve one request."""
        if self._ports.get(port.key[0]) is port:
            self._names.request(port.key, port, record)  # type: ignore[arg-type]
            self._names.flush()

    def _start(self, number: int, incarnation: int) -> None:
        key = (number, incarnation)
        self.board.seat(*key).begin(incarnation)
        port = LoopbackPort(self, key)
        port.world = World(
            self.loop, self._config, self.board, number, incarnation, port,
            tell_corrupt=lambda shard, inc, why: self.crash(shard), clock=self._clock,
            # Who is silent here holds the killer up as well.
            tell_silent=lambda shard, inc, pid: None,
        )  # fmt: skip
        port.world.shard.request_stop = lambda code: None
        self._names.welcome(port)
        port.drain()
        others = list(self._ports.values())
        self._ports[number] = port
        for other in others:
            self._join(port, other)
        self.board.seat(*key).mark_up()
        for other in [*others, port]:
            self._world_of(other).neighbours.shard_up(*key)
            if other is not port:
                port.world.neighbours.shard_up(*other.key)

    @staticmethod
    def _world_of(port: LoopbackPort) -> World:
        if port.world is None:
            raise RuntimeError(f"shard {port.key[0]} is being made")
        return port.world

    def _join(self, a: LoopbackPort, b: LoopbackPort) -> None:
        at_a = self._world_of(a).neighbours.mesh.add(*b.key)
        at_b = self._world_of(b).neighbours.mesh.add(*a.key)
        tap = self._tap_for or (lambda _from, _to: None)
        link_a, link_b = LoopbackLink.pair(
            self.loop, at_a, at_b, max_message=self._config.max_message,
            tap_a=tap(a.key[0], b.key[0]), tap_b=tap(b.key[0], a.key[0]),
        )  # fmt: skip
        self._links[a.key[0], b.key[0]] = link_a
        self._links[b.key[0], a.key[0]] = link_b
        at_a.connect(link_a)
        at_b.connect(link_b)

    def link(self, sender: int, receiver: int) -> LoopbackLink:
        """Return the end of shard `sender` towards shard `receiver`."""
        return self._links[sender, receiver]

    def crash(self, number: int, *, restart: bool = True, partial: bytes = b"") -> None:
        """Kill a shard as SIGKILL does: no word more from it; the others learn as from the supervisor (§21.6).

        Args:
            number: which.
            restart: whether a new incarnation follows at once.
            partial: bytes of a frame it was just writing.
        """
        port = self._ports.pop(number)
        self._silence(port, partial)
        self.board.seat(*port.key).mark_dead()
        self._names.shard_down(*port.key)
        for other in self._ports.values():
            self._world_of(other).neighbours.shard_down(*port.key, -9)
        if restart:
            self._start(number, self.board.next_incarnation(number, port.key[1]))

    def _silence(self, port: LoopbackPort, partial: bytes) -> None:
        world = self._world_of(port)
        for other in self._ports:
            self._links.pop((port.key[0], other)).break_here(partial)
        world.neighbours.births.close()
        shard = world.shard
        shard.ready.clear()
        for proc in [*shard.table.live.values(), *shard.table.exiting.values()]:
            proc.state = DEAD
            proc.reason = NOCONNECTION
            proc.cut_off = proc.deaf = proc.irregular = True
            proc.mailbox.queue.clear()
            coro = proc.get_coro()
            proc.send = None
            for child in proc.children or ():
                child.cancel()
            if coro is not None:
                with contextlib.suppress(RuntimeError, ValueError):
                    coro.close()
        shard.table.live.clear()
        shard.table.exiting.clear()
        shard.mailboxes.clear()
        shard.close()
