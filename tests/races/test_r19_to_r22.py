"""R19 … R22: late replies, shards that die together, signals in the tick of a receive, the orderly stop (§22)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import otpnode
from otpnode import CallTimeoutError, GenServer, Supervisor, process
from otpnode.config import NodeConfig
from otpnode.process import Pid
from otpnode.scheduler.control import NameCommit, NameRegister, NameReserve
from otpnode.scheduler.loopback_node import LoopbackNode
from otpnode.signals import AliasMessage, Exit2, Message, SpawnReply, SpawnRequest
from tests.races.fault_layer import FaultLayer, NameGate
from tests.races.puppets import SETTINGS, SOON, Puppet, Stage, downs, exits, linger, play
from tests.support import drive, until


class Echo(GenServer[Any, Any, Any]):
    """Answers with what it is asked."""

    async def init(self) -> None:
        """Nothing to keep."""

    async def handle_call(self, request: Any, sender: Any) -> Any:
        """Answer."""
        return otpnode.Reply(request)


async def new_alias() -> str:
    return process.alias()


async def unalias(ref: str) -> bool:
    return process.unalias(ref)


def test_r19_reply_to_an_alias_that_ended_meanwhile() -> None:
    async def script(stage: Stage) -> None:
        client, server = await stage.puppet(0), await stage.puppet(1)
        ref = await client.do(new_alias)
        stage.layer.hold(1, 0)
        await server.do(process.send, ref, (ref, "late"))
        await stage.layer.caught(1, 0, AliasMessage)
        assert await client.do(unalias, ref)
        stage.layer.release(1, 0)
        await stage.quiet()
        assert client.mail == []

    play(script)


async def start_echo(shard: int) -> Pid:
    return await Echo.start(on=shard)


async def ask(server: Pid, request: object, timeout: float) -> object:
    return await Echo.call(server, request, timeout=timeout)


def test_r19_call_times_out_while_the_reply_is_in_the_pipe() -> None:
    async def script(stage: Stage) -> None:
        client = await stage.puppet(0)
        server = await client.do(start_echo, 1)
        stage.layer.hold(1, 0, AliasMessage)
        with pytest.raises(CallTimeoutError):
            await client.do(ask, server, "first", 0.01)
        assert stage.layer.wire(1, 0).held
        stage.layer.release(1, 0)
        assert await client.do(ask, server, "second", 5.0) == "second"
        await stage.quiet()
        assert client.mail == []

    play(script)


@pytest.mark.parametrize("restart", [True, False])
def test_r20_two_shards_die_together(restart: bool) -> None:
    async def script(stage: Stage) -> None:
        survivor, x, y = await stage.puppet(0), await stage.puppet(1), await stage.puppet(2)
        await x.do(process.link, y.pid)
        refs = []
        for other in (x, y):
            await survivor.do(process.link, other.pid)
            refs.append(await survivor.do(process.monitor, other.pid))
        await stage.quiet()
        for sender, receiver in ((1, 2), (2, 1)):
            stage.layer.hold(sender, receiver)
        stage.node.crash(1, restart=restart)
        stage.node.crash(2, restart=restart)
        await stage.quiet()
        for other, ref in zip((x, y), refs, strict=True):
            assert exits(survivor, other.pid) == ["noconnection"]
            assert downs(survivor, ref) == ["noconnection"]
        assert len(survivor.mail) == 4
        assert survivor.link_records == []

    play(script, shards=3)


async def start_tree() -> Pid:
    specs = [otpnode.child(Echo, id=name, on=shard) for name, shard in (("x", 1), ("y", 2))]
    return await Supervisor.start_link(specs, strategy="one_for_all")


async def children_of(tree: Pid) -> list[Pid | None]:
    return [each.pid for each in await Supervisor.which_children(tree)]  # type: ignore[misc]


@pytest.mark.parametrize("restart", [True, False])
def test_r20_a_supervisor_elsewhere_restarts_on_live_shards(restart: bool) -> None:
    async def script(stage: Stage) -> None:
        survivor = await stage.puppet(0)
        tree = await survivor.do(start_tree)
        before = await survivor.do(children_of, tree)
        assert sorted(process.shard_of(str(pid)) for pid in before) == [1, 2]
        stage.node.crash(1, restart=restart)
        stage.node.crash(2, restart=restart)

        async def all_back() -> bool:
            now = await survivor.do(children_of, tree)
            return all(pid not in before and pid is not None and process.is_alive(pid) for pid in now)

        await until(all_back, "both children are back")
        for pid in await survivor.do(children_of, tree):
            assert await survivor.do(ask, pid, "here", 5.0) == "here"

    play(script, shards=3)


@pytest.mark.parametrize("wait", ["receive", "ref", "timeout", "wait_for"])
def test_r21_exit_lands_in_the_tick_of_a_completed_receive(wait: str) -> None:
    async def script(stage: Stage) -> None:
        victim, bystander = await stage.puppet(0, trap=False), await stage.puppet(0)
        watcher, sender = await stage.puppet(0), await stage.puppet(1)
        ref = await watcher.do(process.monitor, victim.pid)
        taken = victim.begin(take, wait)
        other = bystander.begin(process.receive, SOON)
        await stage.quiet()
        # Links are read in slices of time. One that ended between the two would let the receive be earlier.
        stage.node.link(0, 1)._now = lambda: 0.0
        stage.layer.hold(1, 0)
        await sender.do(process.send, victim.pid, "first")
        await sender.do(process.exit, victim.pid, "boom")
        await sender.do(process.send, bystander.pid, "second")
        await stage.layer.caught(1, 0, Message, Exit2, Message)
        stage.layer.release(1, 0)
        assert await asyncio.wait_for(other, SOON) == "second"
        await until(lambda: downs(watcher, ref), "the DOWN")
        await stage.quiet()
        assert taken.cancelled()
        assert downs(watcher, ref) == ["boom"]

    play(script)


async def take(how: str) -> object:
    if how == "timeout":
        async with asyncio.timeout(5):
            return await process.receive()
    if how == "wait_for":
        return await asyncio.wait_for(process.receive(), SOON)
    return await process.receive(SOON, match=(lambda message: message == "first") if how == "ref" else None)


def test_r21_completed_future_and_exit_in_one_tick() -> None:
    async def script(stage: Stage) -> None:
        victim, watcher = await stage.puppet(0, trap=False), await stage.puppet(1)
        ref = await watcher.do(process.monitor, victim.pid)
        await stage.quiet()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waited = victim.begin(asyncio.wait_for, done, 5)
        await stage.quiet()
        done.set_result(None)
        shard = victim.proc.shard
        shard.router.post(Exit2(watcher.pid, victim.pid, "boom"))
        # `wait_for` of Python 3.11 swallows the cancellation: then the grace ends the process, for the same reason.
        await until(lambda: downs(watcher, ref), "the DOWN")
        assert downs(watcher, ref) == ["boom"]
        assert waited.done()
        assert victim.dead

    play(script)


HELD = (SpawnRequest, SpawnReply, NameReserve, NameCommit, NameRegister, AliasMessage)


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("release", ["early", "never"])
def test_r22_stop_while_spawn_register_and_call_are_in_flight(held: type, release: str) -> None:
    """Every future is done when the node is, within the grace; whoever waits outside a process is told as well."""
    begun: list[asyncio.Future[Any]] = []

    async def main() -> float:
        layer = FaultLayer()
        async with LoopbackNode(NodeConfig(**SETTINGS), shards=2, tap_for=layer.tap) as node:  # type: ignore[arg-type]
            layer.attach(node)
            stage = Stage(node, layer)
            puppets = [await stage.puppet(0, trap=False) for _ in range(4)]
            server = await puppets[0].do(start_echo, 1)
            gates = [NameGate(node, shard) for shard in range(2)]
            for gate in gates:
                gate.hold(held)
            layer.hold(0, 1, held)
            layer.hold(1, 0, held)
            begin_all(puppets, server, begun)
            await stage.quiet()
            if release == "early":
                asyncio.get_running_loop().call_later(0.05, let_go, layer, gates)
            started = time.monotonic()
        return time.monotonic() - started

    spent = drive(main)
    assert isinstance(spent, float)
    # Ten times the graces of the node, and half of what the call would wait.
    assert spent < 15.0
    assert all(each.done() for each in begun)


def begin_all(puppets: list[Puppet], server: Pid, begun: list[asyncio.Future[Any]]) -> None:
    begun += [
        puppets[0].begin(process.spawn_link, linger, on=1),
        puppets[1].begin(process.spawn_monitor, linger, name="n", on=1),
        puppets[2].begin(process.register, "m"),
        puppets[3].begin(ask, server, "late", 30.0),
    ]


def let_go(layer: FaultLayer, gates: list[NameGate]) -> None:
    for gate in gates:
        gate.release()
    for wire in layer.wires():
        wire.traps.clear()
        wire.release()
