"""What tests look at inside a shard to say that nothing is left, or that two sides agree."""

from __future__ import annotations

from typing import cast

from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from otpnode.scheduler.loopback_node import LoopbackNode, LoopbackPort
from otpnode.scheduler.slots import Slots
from otpnode.scheduler.world import World
from otpnode.transport.credit import Room, first_window


def births_open(world: World) -> int:
    """Return how many births across shards, or here with a name, are not over, on either side."""
    births = world.neighbours.births
    return len(births._pending) + len(births._named) + len(world.shard.births)


def names_asked(world: World) -> int:
    """Return how many requests to the name service are not answered."""
    return len(world.names._waiting)


def port_of(node: LoopbackNode, shard: int) -> LoopbackPort:
    """Return the control channel of a shard."""
    return node._ports[shard]


def names_held(node: LoopbackNode) -> int:
    """Return how many names, pids with names and reservations the directory has."""
    directory = node._names._directory
    tables = (directory._pids, directory._names, directory._reserved, directory._by_owner)
    return sum(len(table) for table in tables)


def live_serials(shard: Shard) -> int:
    """Return how many slots of the board are taken."""
    return cast(Slots, shard.serials).live


def promised(proc: Proc, shard: int) -> int:
    """Return the credits that a process has given to a shard and not yet got back as messages."""
    room = proc.mailbox.grants
    pair = room._pairs.get(shard) if isinstance(room, Room) else None
    return first_window(proc.mailbox.limit) if pair is None else pair.outstanding
