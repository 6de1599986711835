"""Registry: keys for one process or many, read on every shard, and names by way of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import AlreadyRegisteredError, GenServer, Registry, Supervisor, Via, child, process
from otpnode.behaviours.naming.replica import REPLICAS
from otpnode.process import Pid
from tests.behaviours.hands import Hand, by, elsewhere
from tests.behaviours.servers import SOON, Plain, Scripted, exit_and_wait, next_message, on_a_node, run
from tests.support import until


def me() -> Pid:
    """Return the caller's pid."""
    pid = process.self()
    assert pid is not None
    return pid


async def replicas_agree(key: object, wanted: list[object], hand: str) -> None:
    """Wait until the replicas here and where `hand` lives both answer `wanted`."""
    await until(lambda: Registry.lookup("r", key) == wanted, "the replica here")

    async def there() -> bool:
        return bool(await by(hand, Registry.lookup, "r", key) == wanted)

    await until(there, "the replica there")


# -- keys ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["here", "there"])
@on_a_node
async def test_pg02_after_register_the_shard_of_the_caller_has_the_entry(where: str) -> None:
    await Registry.start_link(name="r", keys="unique")
    hand = await Hand.start(on=elsewhere() if where == "there" else "local")
    for number in range(50):
        assert await by(hand, register_and_look, number) == [(hand, f"value {number}")]
    await replicas_agree(49, [(hand, "value 49")], await Hand.start(on=0))
    assert Registry.count("r") == 50
    assert sorted(Registry.keys("r", hand)) == list(range(50))  # type: ignore[type-var]


async def register_and_look(number: int) -> object:
    """Register the caller and read at once."""
    await Registry.register("r", number, f"value {number}")
    return Registry.lookup("r", number)


@on_a_node
async def test_pg02_a_unique_key_has_one_process() -> None:
    await Registry.start_link(name="r", keys="unique")
    hand = await Hand.start(on=elsewhere())
    await Registry.register("r", "key", 1)
    refused = await by(hand, Registry.register, "r", "key", 2)
    assert isinstance(refused, AlreadyRegisteredError)
    assert isinstance(refused, otpnode.NameAlreadyRegisteredError)
    assert refused.pid == me()
    with pytest.raises(AlreadyRegisteredError) as caught:
        await Registry.register("r", "key", 3)
    assert caught.value.pid == me()
    assert Registry.lookup("r", "key") == [(me(), 1)]


@on_a_node
async def test_pg02_a_duplicate_key_has_many_and_one_process_may_have_it_twice() -> None:
    await Registry.start_link(name="r", keys="duplicate")
    hand = await Hand.start(on=elsewhere())
    await Registry.register("r", "key", 1)
    await by(hand, Registry.register, "r", "key", 2)
    await Registry.register("r", "key", 3)
    await replicas_agree("key", [(me(), 1), (me(), 3), (hand, 2)], hand)
    assert Registry.keys("r", me()) == ["key", "key"]
    await Registry.unregister("r", "key")
    assert Registry.lookup("r", "key") == [(hand, 2)]
    assert Registry.count("r") == 1


@on_a_node
async def test_pg02_unregister_frees_the_key_and_the_process() -> None:
    registry = await Registry.start(name="r")
    hand = await Hand.start(on=elsewhere())
    await by(hand, Registry.register, "r", "a", 1)
    await by(hand, Registry.register, "r", "b", 2)
    await by(hand, Registry.unregister, "r", "a")
    assert await by(hand, Registry.lookup, "r", "a") == []
    assert registry in await process.process_info(hand, "links")  # type: ignore[operator]
    await by(hand, Registry.unregister, "r", "b")
    await by(hand, Registry.unregister, "r", "never had it")
    assert registry not in await process.process_info(hand, "links")  # type: ignore[operator]
    await Registry.register("r", "a")
    await replicas_agree("a", [(me(), None)], hand)


@on_a_node
async def test_pg02_unregister_leaves_the_link_of_the_start() -> None:
    registry = await Registry.start_link(name="r")
    await Registry.register("r", "key")
    await Registry.unregister("r", "key")
    assert registry in await process.process_info(me(), "links")  # type: ignore[operator]


@on_a_node
async def test_pg02_dispatch_calls_in_the_caller_and_only_when_there_are_entries() -> None:
    await Registry.start_link(name="r", keys="duplicate")
    seen: list[object] = []
    await Registry.dispatch("r", "key", seen.append)
    assert seen == []
    await Registry.register("r", "key", 1)
    await Registry.register("r", "key", 2)

    async def func(entries: list[tuple[Pid, object]]) -> None:
        seen.append(process.self())
        for pid, value in entries:
            await process.send(pid, ("told", value))

    await Registry.dispatch("r", "key", func)
    await Registry.dispatch("r", "key", seen.append)
    assert [await next_message(), await next_message()] == [("told", 1), ("told", 2)]
    assert seen == [me(), [(me(), 1), (me(), 2)]]


# -- deaths -------------------------------------------------------------------


@on_a_node
async def test_pg01_the_entries_of_a_process_go_with_it() -> None:
    await Registry.start_link(name="r", keys="duplicate")
    hand, watcher = await Hand.start(on=elsewhere()), await Hand.start(on=elsewhere())
    for key in ("a", "b", "a"):
        await by(hand, Registry.register, "r", key, key)
    await until(lambda: Registry.count("r") == 3)
    await exit_and_wait(hand, "kill")
    assert Registry.lookup("r", "a") == []
    await until(lambda: Registry.count("r") == 0, "the end of the entries")
    await replicas_agree("a", [], watcher)
    assert Registry.keys("r", hand) == []


@on_a_node
async def test_pg01_a_key_is_free_as_soon_as_the_death_of_its_holder_is_known() -> None:
    await Registry.start_link(name="r")
    for _ in range(20):
        hand = await Hand.start(on=elsewhere())
        await by(hand, Registry.register, "r", "key", 1)
        await exit_and_wait(hand, "kill")
        await Registry.register("r", "key", 2)
        await Registry.unregister("r", "key")


@pytest.mark.parametrize("reason", ["normal", "shutdown", "kill", "crash"])
@on_a_node
async def test_pg02_nothing_is_left_of_a_registry_that_has_ended(reason: str) -> None:
    registry = await Registry.start(name="r")
    hand = await Hand.start(on=elsewhere())
    await by(hand, Registry.register, "r", "key", 1)
    await by(hand, process.unlink, registry)
    if reason in ("normal", "shutdown"):
        await Registry.stop("r", reason)
    else:
        await exit_and_wait(registry, reason) if reason == "kill" else await stopped_by_a_replica(registry)
    with pytest.raises(process.ProcessNotFoundError):
        await Registry.register("r", "key")
    await Registry.start_link(name="r")
    await replicas_agree("key", [], hand)
    await Registry.stop("r")
    await until(lambda: nothing_known(hand), "the end of the replicas")


async def stopped_by_a_replica(registry: str) -> None:
    """Kill a replica, which ends its registry."""
    links: Any = await process.process_info(registry, "links")
    assert len(links) == process.schedulers()
    ref = await process.monitor(registry)
    await process.exit(links[0], "kill")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "killed"


async def nothing_known(where: str) -> bool:
    """Tell whether a lookup where a process lives finds no registry."""
    return isinstance(await by(where, Registry.lookup, "r", "key"), process.ProcessNotFoundError)


@on_a_node
async def test_pg02_who_is_registered_ends_with_the_registry_or_hears_of_it() -> None:
    registry = await Registry.start(name="r")
    named = await Plain.start(name=Via("r", "named"), on=elsewhere())
    trapping = await Scripted.start([me()], trap_exits=True, name=Via("r", "trapping"), on=elsewhere())
    ref = await process.monitor(named)
    await process.exit(registry, "kill")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "killed"
    assert await next_message() == ("info", ("EXIT", registry, "killed"))
    await Registry.start_link(name="r")
    assert await Via("r", "trapping").whereis() is None
    assert process.is_alive(trapping)


@on_a_node
async def test_pg02_a_supervised_registry_and_its_members_come_back_together() -> None:
    await Supervisor.start_link(
        [child(Registry, name="r"), child(Plain, [40], name=Via("r", "counter"))], strategy="rest_for_one", name="sup"
    )
    assert await Plain.call(Via("r", "counter"), "next") == 41
    first = await Via("r", "counter").whereis()
    await exit_and_wait("r", "kill")

    async def another() -> bool:
        return await Via("r", "counter").whereis() not in (None, first)

    await until(another, "a counter in the new registry")
    assert await Plain.call(Via("r", "counter"), "next") == 41


# -- bad use ------------------------------------------------------------------


@on_a_node
async def test_pg02_what_cannot_be_is_told_to_the_caller() -> None:
    with pytest.raises(TypeError, match="name"):
        await Registry.start_link()
    with pytest.raises(ValueError, match="keys"):
        await Registry.start_link(name="r", keys="some")  # type: ignore[arg-type]
    for read in (Registry.lookup, Registry.keys):
        with pytest.raises(process.ProcessNotFoundError):
            read("r", me())
    with pytest.raises(TypeError, match="plain function"):
        child(outside, name=Via("r", "key"))
    await Registry.start_link(name="r")
    with pytest.raises(otpnode.AlreadyStartedError):
        await Registry.start(name="r")
    with pytest.raises(TypeError):
        await Registry.register("r", [])  # type: ignore[arg-type]


@on_a_node(only=("loop", "pipe"), why="on one loop everything travels")
async def test_pg02_what_cannot_travel_is_not_registered() -> None:
    await Registry.start_link(name="r", keys="duplicate")
    with pytest.raises(otpnode.UnserializableError):
        await Registry.register("r", "key", lambda: None)
    assert Registry.count("r") == 0
    await Registry.register("r", "key", "value")
    assert Registry.lookup("r", "key") == [(me(), "value")]


def test_pg02_replicas_are_cleared_away_with_their_node() -> None:
    run(left_behind)
    assert not REPLICAS


async def left_behind() -> None:
    """Leave a registry to the end of the node."""
    await Registry.start(name="r")
    await Registry.register("r", "key")
    assert len(REPLICAS) == 1


async def outside() -> None:
    """Use a registry from outside any process."""
    async with otpnode.node():
        await Registry.start(name="r")
        with pytest.raises(otpnode.NotInProcessError):
            await Registry.register("r", "key")
        pid = await Plain.start([1], name=Via("r", "key"))
        assert Registry.lookup("r", "key") == [(pid, None)]
        assert await GenServer.call(Via("r", "key"), "next") == 2


def test_pg02_a_registry_is_of_use_outside_of_processes() -> None:
    asyncio.run(outside())
