"""R14 and R23: births with names, registrations and deaths that meet at the name service (SEMANTICS §22, §21.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from otpnode import process
from otpnode.process import NameAlreadyRegisteredError, Pid, ProcessNotFoundError, ShardDownError
from otpnode.process.current import CURRENT
from otpnode.scheduler.control import NameCommit, NameRegister, NameReply, NameReserve, NamesGone
from otpnode.signals import Exit2
from tests.races.inside import births_open
from tests.races.puppets import SOON, Puppet, Stage, downs, exits, linger, play


async def where(name: str) -> Pid | None:
    return process.whereis(name)


async def nobody_has(stage: Stage, name: str) -> None:
    """Check that a name is free: nobody finds it, and it can be had."""
    await stage.quiet()
    for shard in stage.node.shards:
        looker = await stage.puppet(shard.number)
        assert await looker.do(where, name) is None
        await looker.do(process.register, name)
        await looker.do(process.unregister, name)


def find_child(stage: Stage, shard: int, strangers: list[Puppet]) -> str:
    """Return the one process of a shard that is no puppet."""
    known = {puppet.pid for puppet in strangers}
    (pid,) = [pid for pid in stage.node.world(shard).shard.table.live if pid not in known]
    return pid


@pytest.mark.parametrize("held", [NameReserve, NameCommit])
def test_r14_spawn_with_a_name_races_with_register(held: type) -> None:
    async def script(stage: Stage) -> None:
        parent, rival = await stage.puppet(0), await stage.puppet(2)
        gate = stage.names(1)
        gate.hold(held)
        born = parent.begin(process.spawn, linger, name="n", on=1)
        await gate.caught(held)
        if held is NameReserve:
            await rival.do(process.register, "n")
            gate.release()
            with pytest.raises(NameAlreadyRegisteredError):
                await born
            assert await parent.do(where, "n") == rival.pid
            assert not stage.node.world(1).shard.table.live
        else:
            with pytest.raises(NameAlreadyRegisteredError):
                await rival.do(process.register, "n")
            gate.release()
            assert await parent.do(where, "n") == await born
        assert births_open(stage.node.world(1)) == 0

    play(script, shards=3)


@pytest.mark.parametrize("held", [NameReserve, NameCommit, NameReply])
def test_r14_shard_dies_between_reserve_and_commit(held: type) -> None:
    async def script(stage: Stage) -> None:
        parent = await stage.puppet(0)
        gate = stage.names(1)
        gate.hold(held)
        born = parent.begin(process.spawn, linger, name="n", on=1)
        await gate.caught(held)
        stage.node.crash(1)
        with pytest.raises(ShardDownError):
            await born
        await nobody_has(stage, "n")

    play(script)


@pytest.mark.parametrize("held", [NameReserve, NameCommit, NameReply])
@pytest.mark.parametrize("spawner", [0, 1])
def test_r14_spawner_is_killed_at_the_name_service(held: type, spawner: int) -> None:
    """A linked child does not outlive a spawner that died in the middle of its birth, wherever that was (SP-09)."""

    async def script(stage: Stage) -> None:
        parent = await stage.puppet(spawner)
        gate = stage.names(1)
        gate.hold(held)
        born = parent.begin(process.spawn_link, linger, name="n", on=1)
        await gate.caught(held)
        stage.kill(parent)
        await stage.quiet()
        assert born.cancelled()
        gate.release()
        await stage.quiet()
        assert not stage.node.world(1).shard.table.live
        await nobody_has(stage, "n")

    play(script)


@pytest.mark.parametrize("held", [NameReserve, NameCommit, NameReply])
@pytest.mark.parametrize("spawner", [0, 1])
@pytest.mark.parametrize("verb", [process.spawn, process.spawn_monitor])
def test_r14_a_birth_is_not_its_spawners_task(held: type, spawner: int, verb: Callable[..., Awaitable[object]]) -> None:
    """The child is asked for, unlinked, by one who dies meanwhile: it is born all the same, name and all (SP-09)."""

    async def script(stage: Stage) -> None:
        parent, looker = await stage.puppet(spawner), await stage.puppet(1)
        gate = stage.names(1)
        gate.hold(held)
        parent.begin(verb, linger, name="n", on=1)
        await gate.caught(held)
        stage.kill(parent)
        await stage.quiet()
        gate.release()
        await stage.quiet()
        child = find_child(stage, 1, [looker])
        assert await looker.do(where, "n") == child
        proc = stage.find(1, child)
        assert proc is not None
        assert not proc.monitored_by
        assert births_open(stage.node.world(1)) == 0

    play(script)


@pytest.mark.parametrize("held", [NameReserve, NameCommit, NameReply])
@pytest.mark.parametrize("spawner", [0, 1])
@pytest.mark.parametrize("verb", [process.spawn, process.spawn_link, process.spawn_monitor])
def test_r14_spawner_gives_up_at_the_name_service(
    held: type, spawner: int, verb: Callable[..., Awaitable[object]]
) -> None:
    """The same of one that lives on: its linked child ends with 'abandoned', and it hears nothing of either (§21.4)."""

    async def script(stage: Stage) -> None:
        parent, looker = await stage.puppet(spawner), await stage.puppet(1)
        gate = stage.names(1)
        gate.hold(held)
        born = parent.begin(given_up, verb)
        await gate.caught(held)
        child_task = next(iter(parent.proc.children or ()))
        child_task.cancel()
        await born
        gate.release()
        await stage.quiet()
        assert parent.mail == []
        assert parent.links == []
        assert not parent.proc.monitors
        if verb is process.spawn_link:
            await nobody_has(stage, "n")
        else:
            assert await looker.do(where, "n") is not None

    play(script)


async def given_up(verb: Callable[..., Awaitable[object]]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(verb(linger, name="n", on=1))


def test_the_supervisors_words_are_read_in_nobodys_name() -> None:
    """Who asks for a name may be the one to read them, and must not become the parent of what they start."""
    readers: list[object] = []

    async def script(stage: Stage) -> None:
        looker = await stage.puppet(1)
        port = stage.node.world(1).names._port
        read = port.catch_up

        def catch_up() -> None:
            readers.append(CURRENT.get())
            read()

        setattr(port, "catch_up", catch_up)  # noqa: B010
        await looker.do(where, "n")

    play(script)
    assert readers
    assert not any(readers)


def test_r14_two_local_reservations_do_not_free_each_other() -> None:
    """A refused and abandoned reservation gives back nothing that another birth of the shard holds."""

    async def script(stage: Stage) -> None:
        first, second = await stage.puppet(1), await stage.puppet(1)
        gate = stage.names(1)
        gate.hold(NameReserve)
        one = first.begin(process.spawn, linger, name="n", on="local")
        await gate.caught(NameReserve)
        second.begin(process.spawn, linger, name="n", on="local")
        await stage.quiet()
        stage.kill(second)
        await stage.quiet()
        gate.release()
        pid = await one
        await stage.quiet()
        assert await first.do(where, "n") == pid

    play(script)


@pytest.mark.parametrize("order", ["death first", "register first"])
def test_r23_register_of_another_shards_process_races_with_its_death(order: str) -> None:
    async def script(stage: Stage) -> None:
        registrar, watcher, p = await stage.puppet(0), await stage.puppet(2), await stage.puppet(1)
        ref = await watcher.do(process.monitor, p.pid)
        await stage.quiet()
        gate = stage.names(0 if order == "death first" else 1)
        gate.hold(NameRegister, NamesGone)
        given = registrar.begin(process.register, "n", p.pid)
        if order == "death first":
            await gate.caught(NameRegister)
            await p.die("boom")
            await stage.quiet()
            assert downs(watcher, ref) == ["boom"]
            gate.release()
            with pytest.raises(ProcessNotFoundError):
                await given
        else:
            await given
            await p.die("boom")
            await gate.caught(NamesGone)
            await stage.quiet()
            assert downs(watcher, ref) == []
            gate.release()
            await stage.quiet()
            assert downs(watcher, ref) == ["boom"]
        await nobody_has(stage, "n")

    play(script, shards=3)


def test_r23_register_and_death_in_one_turn() -> None:
    """Both meet in the supervisor's turn: whoever saw DOWN finds no name."""

    async def script(stage: Stage) -> None:
        registrar, watcher, p = await stage.puppet(0), await stage.puppet(2), await stage.puppet(1)
        ref = await watcher.do(process.monitor, p.pid)
        await stage.quiet()
        found = watcher.begin(look_after_down, ref, "n")
        given = registrar.begin(process.register, "n", p.pid)
        stage.kill(p)
        result = (await asyncio.gather(given, return_exceptions=True))[0]
        assert result is None or isinstance(result, ProcessNotFoundError)
        assert await found is None
        await nobody_has(stage, "n")

    play(script, shards=3)


async def look_after_down(ref: str, name: str) -> Pid | None:
    await process.receive(SOON, ref=ref)
    return process.whereis(name)


@pytest.mark.parametrize("how", ["remote", "local"])
@pytest.mark.parametrize("held", [NameCommit, NameReply])
def test_r23_child_is_killed_before_its_name_is_committed(how: str, held: type) -> None:
    """The spawner is told of the death, link and monitor both, though it came before the pid did."""

    async def script(stage: Stage) -> None:
        parent = await stage.puppet(0 if how == "remote" else 1)
        gate = stage.names(1)
        gate.hold(NameCommit)
        born = parent.begin(process.spawn_monitor, linger, name="n", on=1, link=True)
        await gate.caught(NameCommit)
        if held is NameReply:
            gate.release()
            gate.hold(NameReply)
            await gate.caught(NameReply)
        pid = find_child(stage, 1, [parent])
        shard = stage.node.world(1).shard
        shard.router.post(Exit2(shard.system_pid, pid, "too soon"))
        await stage.quiet()
        gate.release()
        got, ref = await born
        await stage.quiet()
        assert got == pid
        assert exits(parent, pid) == ["too soon"]
        assert downs(parent, ref) == ["too soon"]
        assert parent.link_records == []
        assert not parent.proc.monitors
        await nobody_has(stage, "n")

    play(script)


def test_r23_child_ends_at_once() -> None:
    async def script(stage: Stage) -> None:
        parent = await stage.puppet(0)
        for _ in range(20):
            pid, ref = await parent.do(process.spawn_monitor, at_once, name="n", on=1)
            down = await parent.do(process.receive, 5, ref=ref)
            assert down == ("DOWN", ref, "process", pid, "normal")
        await nobody_has(stage, "n")

    play(script)


async def at_once() -> None:
    """End as soon as it begins."""
