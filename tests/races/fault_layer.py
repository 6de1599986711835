"""A hand on every wire between two shards: hold, release, reorder between pairs, cut and kill.

A `FaultLayer` gives the taps of a `LoopbackNode`. Inside one ordered pair of shards nothing ever
overtakes: a frame that is held holds everything behind it. Between pairs the script decides.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from otpnode.scheduler.control import FromWorker, NameReply
from otpnode.scheduler.loopback_node import LoopbackNode
from otpnode.signals import Credit, Nack
from otpnode.transport.codec import AnySignal, decode, encode
from otpnode.transport.framing import pack
from otpnode.transport.link import Link
from tests.races.inside import port_of
from tests.support import until

SAMPLES: tuple[AnySignal, ...] = (Credit("", 0), Nack("", ""))
WITHOUT_SENDER = {encode(each, 1 << 10).kind for each in SAMPLES}


def lane_of(kind: int, body: bytes) -> str | None:
    """Return the lane a frame was written on: its sender, where it has one."""
    head = body[0] if isinstance(body, tuple) else body
    return None if kind in WITHOUT_SENDER else str(msgspec.msgpack.decode(head)[0])


@dataclass
class Trap:
    """Springs at the `nth` frame of `kind` (None: any) from now on."""

    kind: type | None
    nth: int
    action: Callable[[int, bytes], None]

    def meets(self, kind: type) -> bool:
        """Count one frame; say whether this is the one."""
        if self.kind is not None and kind is not self.kind:
            return False
        self.nth -= 1
        return self.nth == 0


class Wire:
    """One direction between two shard incarnations."""

    def __init__(self, layer: FaultLayer, sender: int, receiver: int) -> None:
        self._layer = layer
        self.sender = sender
        self.receiver = receiver
        self.held: deque[tuple[int, bytes]] = deque()
        self.holding = False
        self.cut = False
        self.traps: list[Trap] = []
        self.passed: Counter[type] = Counter()

    def __call__(self, kind: int, body: bytes, /) -> bool:
        """Be the tap: let a frame pass or keep it."""
        if self.cut:
            return False
        what = type(decode(kind, body))
        for trap in list(self.traps):
            if trap.meets(what):
                self.traps.remove(trap)
                trap.action(kind, body)
        if self.cut:
            return False
        if not self.holding and self._layer.delays is not None:
            self._layer.delays(self)
        if self.holding:
            self.held.append((kind, body))
            return False
        self.passed[what] += 1
        return True

    def hold(self) -> None:
        """Keep this and every later frame."""
        self.holding = True

    def release(self, count: int | None = None) -> None:
        """Let the first `count` held frames go; all of them and all to come when None. The dead say nothing more."""
        link = self._layer.link(self.sender, self.receiver)
        for _ in range(len(self.held) if count is None else count):
            kind, body = self.held.popleft()
            if link is not None and not self.cut:
                self.passed[type(decode(kind, body))] += 1
                link.inject(kind, body, lane_of(kind, body))
        if count is None:
            self.holding = False
        if link is not None and not self.cut:
            link.flush_now()

    def signals(self) -> list[AnySignal]:
        """Return what is held, decoded."""
        return [decode(kind, body) for kind, body in self.held]


class FaultLayer:
    """The wires of one node; ``LoopbackNode(..., tap_for=layer.tap)``, then `attach`."""

    def __init__(self) -> None:
        self._wires: dict[tuple[int, int], Wire] = {}
        self._node: LoopbackNode | None = None
        self.delays: Callable[[Wire], None] | None = None
        """Asked at each frame of a wire that is open: may hold it (random delays)."""

    def attach(self, node: LoopbackNode) -> None:
        """Learn whose wires these are."""
        self._node = node

    @property
    def node(self) -> LoopbackNode:
        """The node."""
        assert self._node is not None
        return self._node

    def tap(self, sender: int, receiver: int) -> Wire:
        """Make the tap of a new link; what was held for an older incarnation is lost."""
        former = self._wires.get((sender, receiver))
        if former is not None:
            former.cut = True
        wire = self._wires[sender, receiver] = Wire(self, sender, receiver)
        return wire

    def link(self, sender: int, receiver: int) -> Link | None:
        """Return the writing end of a wire; None while its shard is down."""
        up = {shard.number for shard in self.node.shards}
        return self.node.link(sender, receiver) if {sender, receiver} <= up else None

    def wire(self, sender: int, receiver: int) -> Wire:
        """Return one direction between two shards."""
        return self._wires[sender, receiver]

    def wires(self) -> list[Wire]:
        """Return every direction."""
        return list(self._wires.values())

    # -- what scripts say -----------------------------------------------------

    def hold(self, sender: int, receiver: int, kind: type | None = None, nth: int = 1) -> Wire:
        """Hold a wire: at once, or from the `nth` frame of `kind` on, that frame included."""
        wire = self.wire(sender, receiver)
        if kind is None:
            wire.hold()
        else:
            wire.traps.append(Trap(kind, nth, lambda _kind, _body: wire.hold()))
        return wire

    def release(self, sender: int, receiver: int, count: int | None = None) -> None:
        """Let held frames go, in their order."""
        self.wire(sender, receiver).release(count)

    async def caught(self, sender: int, receiver: int, *kinds: type) -> None:
        """Wait until exactly frames of these kinds are held there."""
        wire = self.wire(sender, receiver)
        wanted = list(kinds)
        await until(
            lambda: [type(each) for each in wire.signals()] == wanted,
            f"{[kind.__name__ for kind in wanted]} held from {sender} to {receiver}",
        )

    def kill_at(self, sender: int, receiver: int, kind: type, nth: int = 1, *, keep: int = 7) -> None:
        """Kill shard `sender` while it writes the `nth` frame of `kind`: `keep` bytes of it are out, and no more."""

        def strike(number: int, body: bytes) -> None:
            link = self.link(sender, receiver)
            assert link is not None
            link.flush_now()
            for wire in self._wires.values():
                if wire.sender == sender:
                    wire.cut = True
            partial = pack(number, body)[:keep]
            asyncio.get_running_loop().call_soon(lambda: self.node.crash(sender, partial=partial))

        self.wire(sender, receiver).traps.append(Trap(kind, nth, strike))


class NameGate:
    """Holds what one shard asks the name service, and what it is answered."""

    def __init__(self, node: LoopbackNode, shard: int) -> None:
        self._port = port_of(node, shard)
        self._send = self._port.send
        self._held: deque[FromWorker | NameReply] = deque()
        self._only: tuple[type, ...] = ()
        setattr(self._port, "send", self._take)  # noqa: B010

    def hold(self, *kinds: type) -> None:
        """Hold records from the first of these kinds on."""
        self._only = kinds

    def _take(self, record: FromWorker | NameReply) -> None:
        if self._held or isinstance(record, self._only):
            self._held.append(record)
        else:
            self._send(record)

    async def caught(self, kind: type) -> None:
        """Wait until a record of this kind is held."""
        await until(lambda: any(isinstance(each, kind) for each in self._held), f"{kind.__name__} held")

    def release(self) -> None:
        """Let everything go."""
        self._only = ()
        while self._held:
            self._send(self._held.popleft())
