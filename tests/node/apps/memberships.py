"""Registries and process groups while shards are SIGKILLed. Each function is a program that says ``passed``."""

from __future__ import annotations

from collections import Counter
from typing import cast

from otpnode import GenServer, Registry, Sender, Via, pg, process
from otpnode.process import Pid, Ref
from tests.node.apps.tools import get, get_tagged, kill_shard, me, passed, until, up_again

ROUNDS = 5


class Member(GenServer[None, object, object]):
    """Joins, registers, and reads where it lives."""

    async def handle_call(self, request: object, sender: Sender, /) -> object:
        match request:
            case ("join", group):
                await pg.join(cast(str, group))
            case ("register", key):
                await Registry.register("r", cast(str, key), "value")
            case ("members", group):
                return pg.members(cast(str, group))
            case ("lookup", key):
                return Registry.lookup("r", cast(str, key))
        return None


async def _all_read(readers: list[Pid], request: object, wanted: list[object]) -> None:
    for reader in readers:

        async def reads(reader: Pid = reader) -> bool:
            return Counter(cast("list[object]", await Member.call(reader, request))) == Counter(wanted)

        await until(reads, f"{wanted} from {request} at {reader}")


async def registry() -> None:
    """The keys of a dead shard are free when its death is known; the shard that comes back has all the others."""
    await process.subscribe_shards()
    await Registry.start_link(name="r", keys="unique")
    stays = await Member.start(name=Via("r", "stays"), on=2)
    await Registry.register("r", "main")
    for _ in range(ROUNDS):
        lost = await Member.start(name=Via("r", "lost"), on=1)
        ref = await process.monitor(lost)
        old = await kill_and_wait(1, ref)
        assert Registry.lookup("r", "lost") == []
        again = await Member.start(name=Via("r", "lost"), on=2)
        assert await Via("r", "lost").whereis() == again
        await up_again(1, old)
        back = await Member.start(on=1)
        await Member.call(back, ("register", "back"))
        assert await Member.call(back, ("lookup", "back")) == [(back, "value")]
        await _all_read([stays, back], ("lookup", "stays"), [(stays, None)])
        await _all_read([stays, back], ("lookup", "main"), [(me(), None)])
        await _all_read([stays, back], ("lookup", "lost"), [(again, None)])
        await GenServer.stop(again)
        await GenServer.stop(back)
        await until(lambda: Registry.count("r") == 2, "the end of the entries")
    assert process.is_alive("r")
    passed()


async def kill_and_wait(shard: int, ref: Ref) -> int:
    """Kill a shard and wait for a DOWN and the news; returns the dead incarnation."""
    await kill_shard(shard)
    down = await get(ref=ref)
    assert down[4] == "noconnection", down
    _, which, incarnation, _ = await get_tagged("shard_down")
    assert which == shard
    return cast(int, incarnation)


async def groups() -> None:
    """The members of a dead shard leave, told in one message; the shard that comes back knows all the others."""
    await process.subscribe_shards()
    stays = await Member.start(on=2)
    await Member.call(stays, ("join", "g"))
    await pg.join("g")
    await _all_read([stays], ("members", "g"), [me(), stays])
    await until(lambda: Counter(pg.members("g")) == Counter([me(), stays]), "both members on main's shard")
    told, members = await pg.monitor("g")
    for _ in range(ROUNDS):
        lost = [await Member.start(on=1) for _ in range(3)]
        for member in [*lost, lost[0]]:
            await Member.call(member, ("join", "g"))
            assert await get(ref=told) == (told, "join", "g", [member])
        ref = await process.monitor(lost[2])
        old = await kill_and_wait(1, ref)
        left = await get(ref=told)
        assert left[:3] == (told, "leave", "g"), left
        assert Counter(cast("list[Pid]", left[3])) == Counter([*lost, lost[0]])
        assert Counter(pg.members("g")) == Counter(members)
        await up_again(1, old)
        back = await Member.start(on=1)
        await _all_read([stays, back], ("members", "g"), [me(), stays])
    passed()


async def in_flight() -> None:
    """Joins go on while their shard dies and comes back: in the end everybody sees the living, once each."""
    await process.subscribe_shards()
    stays = await Member.start(on=2)
    for _ in range(ROUNDS):
        for _ in range(20):
            await process.spawn(joins_for_ever, ["g"], on=1)
        await until(lambda: len(pg.members("g")) >= 20, "members")
        old = await kill_and_wait(1, await process.monitor(pg.members("g")[0]))
        await up_again(1, old)
        joined = [await Member.start(on=1) for _ in range(5)]
        for member in joined:
            await Member.call(member, ("join", "g"))
        await until(lambda wanted=joined: Counter(pg.members("g")) == Counter(wanted), "the living")  # type: ignore[misc]
        await _all_read([stays, *joined], ("members", "g"), list(joined))
        for member in joined:
            await GenServer.stop(member)
    passed()


async def joins_for_ever(group: str) -> None:
    """Join and leave without end."""
    while True:
        await pg.join(group)
        await pg.join(group)
        await pg.leave(group)
