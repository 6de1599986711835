"""Processes on strings: a race is told step by step, and no string is a message.

A `Puppet` is a process of one shard that does what the script says. Orders reach it through a
queue of the loop both live on, so nothing crosses a wire but what the script is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from otpnode import process
from otpnode.config import NodeConfig
from otpnode.pid import Pid
from otpnode.process.proc import DEAD, Proc
from otpnode.process.spawning import Birth
from otpnode.reasons import KILL
from otpnode.scheduler.loopback_node import LoopbackNode
from otpnode.signals import Exit2
from tests.races.fault_layer import FaultLayer, NameGate
from tests.support import drive, until

T = TypeVar("T")
SETTINGS: dict[str, object] = {"exit_grace": 0.5, "kill_grace": 0.2, "stop_grace": 1.0, "max_processes": 4096}
SOON = 20.0
QUIET_TURNS = 12

Order = tuple[Callable[..., Awaitable[object]], tuple[object, ...], dict[str, object], "asyncio.Future[object]"]


async def obey(orders: asyncio.Queue[Order]) -> None:
    """Carry out orders until one ends this process."""
    while True:
        func, args, options, answer = await orders.get()
        try:
            result = await func(*args, **options)
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)
            if isinstance(error, process.ProcessExit):
                raise
        except BaseException:
            answer.cancel()
            raise
        else:
            if not answer.done():
                answer.set_result(result)


class Puppet:
    """One process of the script."""

    def __init__(self, proc: Proc, orders: asyncio.Queue[Order]) -> None:
        self._orders = orders
        self.proc = proc
        self.pid: Pid = proc.pid

    def begin(self, func: Callable[..., Awaitable[T]], *args: object, **options: object) -> asyncio.Future[T]:
        """Have the process call ``func(*args)``; cancelled when the process dies of it."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._orders.put_nowait((func, args, options, cast("asyncio.Future[object]", answer)))
        return answer

    async def do(self, func: Callable[..., Awaitable[T]], *args: object, **options: object) -> T:
        """Have the process call ``func(*args)`` and return what came of it."""
        return await asyncio.wait_for(self.begin(func, *args, **options), SOON)

    async def die(self, reason: object) -> None:
        """End by a reason of its own, and wait until that is so."""
        self.begin(_leave, reason)
        await until(lambda: not self.alive, f"the end of {self.pid}")

    @property
    def alive(self) -> bool:
        """Whether it has not begun to end."""
        return self.proc.pid in self.proc.shard.table.live

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return self.proc.state == DEAD

    @property
    def mail(self) -> list[object]:
        """What is in the mailbox."""
        return self.proc.mailbox.messages()

    @property
    def links(self) -> list[str]:
        """The pids it is linked with now."""
        return self.proc.links.active() if self.proc.links is not None else []

    @property
    def link_records(self) -> list[str]:
        """The pids it has any link record for."""
        return list(self.proc.links.records) if self.proc.links is not None else []


async def _leave(reason: object) -> None:
    raise process.ProcessExit(reason)


class Stage:
    """The node a script plays on."""

    def __init__(self, node: LoopbackNode, layer: FaultLayer) -> None:
        self.node = node
        self.layer = layer

    async def puppet(
        self, shard: int, *, trap: bool = True, limit: int | None = 100, name: str | None = None
    ) -> Puppet:
        """Start a puppet on a shard."""
        orders: asyncio.Queue[Order] = asyncio.Queue()
        where = self.node.world(shard).shard
        birth = Birth(obey, (orders,), {}, where.system_pid, trap_exits=trap, mailbox_limit=limit)
        proc = where.make(birth)
        where.queue.put(proc)
        puppet = Puppet(proc, orders)
        if name is not None:
            await puppet.do(process.register, name)
        return puppet

    def kill(self, puppet: Puppet) -> None:
        """Kill a puppet, from its own shard's system pid."""
        shard = puppet.proc.shard
        shard.router.post(Exit2(shard.system_pid, puppet.pid, KILL))

    def names(self, shard: int) -> NameGate:
        """Put a gate between a shard and the name service."""
        return NameGate(self.node, shard)

    def find(self, shard: int, pid: str) -> Proc | None:
        """Return a process that is not over."""
        return self.node.world(shard).shard.table.find(pid)

    async def quiet(self) -> None:
        """Return when nothing moves any more but what is held."""
        still, before = 0, self._signature()
        while still < QUIET_TURNS:
            await asyncio.sleep(0)
            now = self._signature()
            still = still + 1 if now == before else 0
            before = now

    async def curtain(self) -> None:
        """Let everything go and end whoever is left, so that the stop has nothing to wait for."""
        self.layer.delays = None
        for wire in self.layer.wires():
            wire.traps.clear()
            if wire.holding and not wire.cut:
                wire.release()
        for shard in self.node.shards:
            for pid in [*shard.table.live]:
                shard.router.post(Exit2(shard.system_pid, pid, KILL))
        await until(lambda: not any(shard.table.live or shard.table.exiting for shard in self.node.shards))

    def _signature(self) -> tuple[object, ...]:
        moved: list[object] = []
        for shard in self.node.shards:
            world = self.node.world(shard.number)
            moved.append((shard.incarnation, shard.queue.slices, len(shard.ready), shard.spawned, shard.ended))
            for peer in world.neighbours.mesh.peers():
                if peer.link is not None:
                    stats = peer.link.statistics()
                    moved.append((stats.frames_in, stats.frames_out, stats.bytes_in, stats.buffered))
        return tuple(moved)


def play(script: Callable[[Stage], Awaitable[None]], *, shards: int = 2, **settings: object) -> None:
    """Run a script on a node of its own; nothing may be left behind, nobody may be stuck."""

    async def main() -> None:
        layer = FaultLayer()
        config = NodeConfig(**{**SETTINGS, **settings})  # type: ignore[arg-type]
        async with LoopbackNode(config, shards=shards, tap_for=layer.tap) as node:
            layer.attach(node)
            stage = Stage(node, layer)
            await script(stage)
            await stage.curtain()

    drive(main)


def exits(puppet: Puppet, pid: str) -> list[object]:
    """Return the reasons of the EXITs from `pid` in the mailbox."""
    return [each[2] for each in puppet.mail if isinstance(each, tuple) and each[:2] == ("EXIT", pid)]


def downs(puppet: Puppet, ref: str) -> list[object]:
    """Return the reasons of the DOWNs for `ref` in the mailbox."""
    return [each[4] for each in puppet.mail if isinstance(each, tuple) and len(each) == 5 and each[1] == ref]


async def linger() -> None:
    """Live until somebody ends it."""
    await asyncio.sleep(3600)


async def listen() -> None:
    """Receive for ever."""
    while True:
        await process.receive()
