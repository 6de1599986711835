"""R9 … R13: shards and spawners that die while their signals are on the way (SEMANTICS §22)."""

from __future__ import annotations

import asyncio

import pytest

from otpnode import process
from otpnode.process import ProcessExit, ShardDownError
from otpnode.scheduler.control import NameReserve, NamesGone
from otpnode.signals import Demonitor, Down, Exit, Link, Message, Monitor, SpawnReply, SpawnRequest, UnlinkId
from tests.races.inside import births_open
from tests.races.puppets import Puppet, Stage, downs, exits, linger, play


@pytest.mark.parametrize("restart", [True, False])
def test_r09_shard_is_killed_before_monitor_arrives(restart: bool) -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(0, 1)
        ref = await a.do(process.monitor, b.pid)
        await a.do(process.link, b.pid)
        stage.node.crash(1, restart=restart)
        await stage.quiet()
        assert downs(a, ref) == ["noconnection"]
        assert exits(a, b.pid) == ["noconnection"]
        assert not a.proc.monitors
        assert a.link_records == []

    play(script)


@pytest.mark.parametrize("cut", ["after both", "in the second"])
def test_r10_true_reason_in_the_pipe_when_the_shard_crashes(cut: str) -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        ref = await a.do(process.monitor, b.pid)
        await a.do(process.link, b.pid)
        await stage.quiet()
        if cut == "after both":
            stage.layer.hold(1, 0)
            await b.die("boom")
            await stage.layer.caught(1, 0, Exit, Down)
            stage.layer.release(1, 0)
            stage.node.crash(1)
        else:
            stage.layer.kill_at(1, 0, Down)
            b.begin(leave, "boom")
        await stage.quiet()
        assert exits(a, b.pid) == ["boom"]
        assert downs(a, ref) == (["boom"] if cut == "after both" else ["noconnection"])
        assert not a.proc.monitors
        assert a.link_records == []

    play(script)


async def leave(reason: object) -> None:
    raise ProcessExit(reason)


def test_r10_nothing_is_decoded_of_a_frame_cut_in_the_middle() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        await a.do(process.link, b.pid)
        for number in range(3):
            await b.do(process.send, a.pid, number)
        await stage.quiet()
        stage.layer.kill_at(1, 0, Message, keep=20)
        b.begin(process.send, a.pid, "never whole")
        await stage.quiet()
        assert a.mail == [0, 1, 2, ("EXIT", b.pid, "noconnection")]

    play(script)


def test_r11_demonitor_with_flush_while_down_is_in_flight() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        ref = await a.do(process.monitor, b.pid)
        await stage.quiet()
        stage.layer.hold(1, 0)
        await b.die("boom")
        await stage.layer.caught(1, 0, Down)
        assert await a.do(process.demonitor, ref, flush=True, info=True) is True
        stage.layer.release(1, 0)
        await stage.quiet()
        assert a.mail == []

    play(script)


def test_r11_demonitor_with_flush_takes_what_is_there() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        ref = await a.do(process.monitor, b.pid)
        await stage.quiet()
        await b.die("boom")
        await stage.quiet()
        assert downs(a, ref) == ["boom"]
        assert await a.do(process.demonitor, ref, flush=True, info=True) is False
        assert a.mail == []

    play(script)


def test_r11_demonitor_overtaken_by_the_death() -> None:
    """DEMONITOR arrives at a process that is over, and MONITOR before it was answered noproc."""

    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(0, 1)
        ref = await a.do(process.monitor, b.pid)
        await a.do(process.demonitor, ref, flush=True)
        await stage.layer.caught(0, 1, Monitor, Demonitor)
        await b.die("boom")
        stage.layer.release(0, 1)
        await stage.quiet()
        assert a.mail == []

    play(script)


def children(stage: Stage, shard: int, *known: Puppet) -> list[str]:
    """Return the processes of a shard that are no puppets."""
    mine = {puppet.pid for puppet in known}
    return [pid for pid in stage.node.world(shard).shard.table.live if pid not in mine]


@pytest.mark.parametrize("held", [SpawnRequest, SpawnReply])
def test_r12_spawner_is_killed_in_the_middle_of_spawn_link(held: type) -> None:
    async def script(stage: Stage) -> None:
        parent, killer, watcher = await stage.puppet(0), await stage.puppet(2), await stage.puppet(1)
        wire = (0, 1) if held is SpawnRequest else (1, 0)
        stage.layer.hold(*wire, held)
        born = parent.begin(process.spawn_link, linger, on=1)
        await stage.layer.caught(*wire, held)
        await killer.do(process.exit, parent.pid, "kill")
        await stage.quiet()
        assert parent.dead
        assert born.cancelled()
        refs = [await watcher.do(process.monitor, child) for child in children(stage, 1, watcher)]
        assert len(refs) == (held is SpawnReply)
        stage.layer.release(*wire)
        await stage.quiet()
        assert [downs(watcher, ref) for ref in refs] == [["killed"] for _ in refs]
        assert children(stage, 1, watcher) == []

    play(script, shards=3)


async def spawn_and_mourn(mourning: asyncio.Event, over: asyncio.Event) -> None:
    """Spawn; when it is ended meanwhile, take some time over it."""
    try:
        await process.spawn_link(linger, on=1)
    finally:
        mourning.set()
        await over.wait()


def test_r12_reply_meets_a_spawner_in_its_grace() -> None:
    """The spawner is dead to the world and its reason known, though it still cleans up."""

    async def script(stage: Stage) -> None:
        parent, watcher = await stage.puppet(0, trap=False), await stage.puppet(1)
        mourning, over = asyncio.Event(), asyncio.Event()
        stage.layer.hold(1, 0, SpawnReply)
        parent.begin(spawn_and_mourn, mourning, over)
        await stage.layer.caught(1, 0, SpawnReply)
        (child,) = children(stage, 1, watcher)
        ref = await watcher.do(process.monitor, child)
        shard = parent.proc.shard
        shard.deaths.strike(parent.proc, "boom")
        await mourning.wait()
        stage.layer.release(1, 0)
        await stage.quiet()
        over.set()
        await stage.quiet()
        assert parent.dead
        assert downs(watcher, ref) == ["boom"]
        assert children(stage, 1, watcher) == []

    play(script)


async def impatient(shard: int) -> None:
    """Spawn with a time limit that is over at once."""
    async with asyncio.timeout(0.001):
        await process.spawn_monitor(linger, on=shard, link=True, trap_exits=True)


def test_r12_spawner_gives_up_waiting() -> None:
    """An abandoned child is told so over its link, and nobody watches it any more."""

    async def script(stage: Stage) -> None:
        parent, watcher = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(1, 0, SpawnReply)
        with pytest.raises(TimeoutError):
            await parent.do(impatient, 1)
        (child,) = children(stage, 1, watcher)
        stage.layer.release(1, 0)
        await stage.quiet()
        proc = stage.find(1, child)
        assert proc is not None
        assert proc.mailbox.messages() == [("EXIT", parent.pid, "abandoned")]
        assert proc.links is None or proc.links.records == {}
        assert not proc.monitored_by
        assert parent.link_records == []
        assert not parent.proc.monitors

    play(script)


async def shy(shard: int) -> str:
    """Spawn, and take a cancellation for an answer."""
    try:
        await process.spawn_monitor(linger, on=shard, link=True, trap_exits=True)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return "given up"
    return "born"


def test_r12_spawner_gives_up_in_the_turn_in_which_the_pid_comes() -> None:
    async def script(stage: Stage) -> None:
        parent, watcher = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(1, 0, SpawnReply)
        asked = parent.begin(shy, 1)
        await stage.layer.caught(1, 0, SpawnReply)
        (child,) = children(stage, 1, watcher)
        births = stage.node.world(0).neighbours.births
        replied = births.replied
        setattr(births, "replied", lambda reply: (replied(reply), parent.proc.cancel()))  # noqa: B010
        stage.layer.release(1, 0)
        assert await asked == "given up"
        await stage.quiet()
        proc = stage.find(1, child)
        assert proc is not None
        assert proc.mailbox.messages() == [("EXIT", parent.pid, "abandoned")]
        assert not proc.monitored_by
        assert parent.link_records == []
        assert not parent.proc.monitors

    play(script)


def test_r12_spawners_shard_dies_while_the_name_is_asked_for() -> None:
    """The child is made after its spawner's shard was announced dead: it gets the end of its link all the same."""

    async def script(stage: Stage) -> None:
        parent, watcher = await stage.puppet(0), await stage.puppet(1)
        gate = stage.names(1)
        gate.hold(NameReserve)
        parent.begin(process.spawn_link, linger, name="n", on=1)
        await gate.caught(NameReserve)
        stage.node.crash(0)
        await stage.quiet()
        gate.release()
        await stage.quiet()
        assert children(stage, 1, watcher) == []
        assert process.whereis("n") is None

    play(script)


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("held", [SpawnRequest, SpawnReply])
def test_r13_spawn_request_to_a_dying_shard(held: type, restart: bool) -> None:
    async def script(stage: Stage) -> None:
        parent = await stage.puppet(0)
        wire = (0, 1) if held is SpawnRequest else (1, 0)
        stage.layer.hold(*wire, held)
        born = parent.begin(process.spawn_link, linger, on=1)
        await stage.layer.caught(*wire, held)
        stage.node.crash(1, restart=restart)
        with pytest.raises(ShardDownError):
            await born
        await stage.quiet()
        assert parent.mail == []
        assert parent.link_records == []
        assert births_open(stage.node.world(0)) == 0

    play(script)


def test_r13_reply_in_the_pipe_when_the_shard_dies() -> None:
    async def script(stage: Stage) -> None:
        parent = await stage.puppet(0)
        stage.layer.hold(1, 0, SpawnReply)
        born = parent.begin(process.spawn_monitor, linger, on=1, link=True)
        await stage.layer.caught(1, 0, SpawnReply)
        stage.layer.release(1, 0)
        stage.node.crash(1)
        pid, ref = await born
        await stage.quiet()
        assert exits(parent, pid) == ["noconnection"]
        assert downs(parent, ref) == ["noconnection"]
        assert parent.link_records == []

    play(script)


def test_r12_a_named_spawner_tells_its_late_child_when_its_name_is_free() -> None:
    """The reply comes while the spawner waits for the name service: nobody hears of its death before (RG-06)."""

    async def script(stage: Stage) -> None:
        parent, watcher = await stage.puppet(0, name="n"), await stage.puppet(1)
        gate = stage.names(0)
        gate.hold(NamesGone)
        stage.layer.hold(1, 0, SpawnReply)
        parent.begin(process.spawn_link, linger, on=1)
        await stage.layer.caught(1, 0, SpawnReply)
        (child,) = children(stage, 1, watcher)
        stage.kill(parent)
        await gate.caught(NamesGone)
        stage.layer.release(1, 0)
        await stage.quiet()
        assert children(stage, 1, watcher) == [child]
        gate.release()
        await stage.quiet()
        assert children(stage, 1, watcher) == []

    play(script)


def test_r12_an_abandoned_child_that_unlinks_and_links_again() -> None:
    """The child acts on its link before it hears that it was abandoned: both ends agree all the same."""

    async def script(stage: Stage) -> None:
        parent, watcher = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(1, 0, SpawnReply)
        with pytest.raises(TimeoutError):
            await parent.do(impatient_of, 1, parent.pid)
        await stage.layer.caught(1, 0, SpawnReply, UnlinkId, Link)
        (child,) = children(stage, 1, watcher)
        stage.layer.release(1, 0)
        await stage.quiet()
        proc = stage.find(1, child)
        assert proc is not None
        assert parent.link_records == []
        assert proc.links is None or proc.links.records == {}

    play(script)


async def impatient_of(shard: int, me: str) -> None:
    async with asyncio.timeout(0.01):
        await process.spawn_link(part_and_meet, [me], on=shard, trap_exits=True)


async def part_and_meet(parent: str) -> None:
    """Unlink from the spawner, and link again."""
    await process.unlink(parent)
    await process.link(parent)
    await linger()


def test_r12_gives_up_a_child_whose_shard_died_with_the_reply() -> None:
    """The pid, the end of its shard and the time limit come in one turn: nothing is kept of a link to the dead."""

    async def script(stage: Stage) -> None:
        parent = await stage.puppet(0)
        stage.layer.hold(1, 0, SpawnReply)
        asked = parent.begin(shy, 1)
        await stage.layer.caught(1, 0, SpawnReply)
        stage.layer.release(1, 0)
        stage.node.crash(1)
        parent.proc.cancel()
        assert await asked == "given up"
        await stage.quiet()
        assert parent.link_records == []
        assert not parent.proc.monitors

    play(script)
