"""Process groups: known on every shard, and told to who wants to be."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import otpnode
from otpnode import pg, process
from otpnode.behaviours.naming.scope import VIEWS
from otpnode.process import Pid
from tests.behaviours.hands import Hand, by, elsewhere
from tests.behaviours.servers import exit_and_wait, next_message, no_message, on_a_node
from tests.support import until


def me() -> Pid:
    """Return the caller's pid."""
    pid = process.self()
    assert pid is not None
    return pid


async def all_see(group: object, wanted: list[Pid], hand: str) -> None:
    """Wait until `group` has these members here and where `hand` lives, in any order."""
    await until(lambda: Counter(pg.members(group)) == Counter(wanted), "the members here")

    async def there() -> bool:
        return Counter(await by(hand, pg.members, group)) == Counter(wanted)

    await until(there, "the members there")


# -- members ------------------------------------------------------------------


@on_a_node
async def test_pg01_before_anybody_joins_there_are_no_groups() -> None:
    assert (pg.members("g"), pg.local_members("g"), pg.groups()) == ([], [], [])


@on_a_node
async def test_pg01_after_join_the_shard_of_the_caller_knows_and_soon_all_do() -> None:
    hand = await Hand.start(on=elsewhere())
    await pg.join("g")
    assert pg.members("g") == pg.local_members("g") == [me()]
    await by(hand, pg.join, "g")
    assert hand in await by(hand, pg.local_members, "g")
    await all_see("g", [me(), hand], hand)
    assert pg.local_members("g") == [pid for pid in (me(), hand) if process.shard_of(pid) == 0]
    assert pg.groups() == ["g"]


@on_a_node
async def test_pg01_a_process_may_join_several_times_and_groups() -> None:
    hand = await Hand.start(on=elsewhere())
    for group in ("a", "a", ("b", 1)):
        await by(hand, pg.join, group)
    await all_see("a", [hand, hand], hand)
    await all_see(("b", 1), [hand], hand)
    assert sorted(map(str, pg.groups())) == ["('b', 1)", "a"]
    assert await by(hand, pg.leave, "a") is True
    await all_see("a", [hand], hand)
    assert await by(hand, pg.leave, "a") is True
    assert await by(hand, pg.leave, "a") is False
    await all_see("a", [], hand)
    assert pg.groups() == [("b", 1)]


@on_a_node
async def test_pg01_others_may_be_joined_and_dead_ones_are_no_error() -> None:
    hand = await Hand.start(on=elsewhere())
    await pg.join("g", hand)
    assert hand in await by(hand, pg.members, "g")
    await all_see("g", [hand], hand)
    assert await pg.leave("g", hand)
    await all_see("g", [], hand)
    await exit_and_wait(hand, "kill")
    await pg.join("g", hand)
    assert await pg.leave("g", hand) is False
    assert pg.members("g") == []


@on_a_node
async def test_pg01_membership_ends_with_the_process() -> None:
    hand, watcher = await Hand.start(on=elsewhere()), await Hand.start(on=elsewhere())
    for group in ("a", "a", "b"):
        await by(hand, pg.join, group)
    await by(watcher, pg.join, "a")
    await all_see("a", [hand, hand, watcher], watcher)
    await exit_and_wait(hand, "kill")
    await all_see("a", [watcher], watcher)
    await all_see("b", [], watcher)


@on_a_node
async def test_pg01_shards_that_begin_at_once_agree() -> None:
    hands = [await Hand.start(on=number % process.schedulers()) for number in range(8)]
    await asyncio.gather(*(by(hand, pg.join, "g") for hand in hands for _ in range(5)))
    await all_see("g", hands * 5, hands[1])
    await asyncio.gather(*(by(hand, pg.leave, "g") for hand in hands for _ in range(3)))
    await all_see("g", hands * 2, hands[1])


@pytest.mark.parametrize("where", ["here", "there"])
@on_a_node
async def test_pg01_a_scope_server_that_is_killed_is_started_again_and_told_of_the_others(where: str) -> None:
    hand = await Hand.start(on=elsewhere())
    await pg.join("g")
    await by(hand, pg.join, "g")
    await all_see("g", [me(), hand], hand)
    victim = 0 if where == "here" else elsewhere()
    await exit_and_wait(process.whereis(f"$pg.{victim}") or "", "kill")
    await pg.join("new")
    await by(hand, pg.join, "new")
    left = [pid for pid in (me(), hand) if process.shard_of(pid) != victim]
    await all_see("new", [me(), hand], hand)
    await all_see("g", left, hand)


# -- being told ---------------------------------------------------------------


@on_a_node
async def test_pg01_a_monitor_begins_with_the_members_and_misses_nothing() -> None:
    hand = await Hand.start(on=elsewhere())
    await by(hand, pg.join, "g")
    await until(lambda: pg.members("g") == [hand])
    ref, members = await pg.monitor("g")
    assert members == [hand]
    await by(hand, pg.join, "g")
    assert await next_message() == (ref, "join", "g", [hand])
    await by(hand, pg.join, "another")
    await by(hand, pg.leave, "g")
    assert await next_message() == (ref, "leave", "g", [hand])
    await pg.join("g")
    assert await next_message() == (ref, "join", "g", [me()])
    await pg.join("g", hand)
    assert await next_message() == (ref, "join", "g", [hand])
    await exit_and_wait(hand, "kill")
    assert await next_message() == (ref, "leave", "g", [hand, hand])


@on_a_node
async def test_pg01_members_and_what_follows_is_all_there_was() -> None:
    hands = [await Hand.start(on=number % process.schedulers()) for number in range(4)]
    joining = [asyncio.create_task(by(hand, pg.join, "g")) for hand in hands for _ in range(10)]
    seen: list[tuple[Any, Counter[Pid]]] = []
    for _ in range(5):
        ref, members = await pg.monitor("g")
        seen.append((ref, Counter(members)))
    await asyncio.gather(*joining)
    wanted = Counter(hands * 10)
    await until(lambda: Counter(pg.members("g")) == wanted)
    for ref, known in seen:
        while known != wanted:
            message: Any = await process.receive(5, ref=ref)
            known.update(message[3])
    assert await no_message()


@on_a_node
async def test_pg01_demonitor_ends_it_and_a_full_mailbox_loses_nothing() -> None:
    ref, members = await pg.monitor("g")
    assert members == []
    for _ in range(300):
        await pg.join("g")
    for _ in range(300):
        assert await next_message() == (ref, "join", "g", [me()])
    assert pg.demonitor(ref) is True
    assert pg.demonitor(ref) is False
    await pg.leave("g")
    assert await no_message()


@on_a_node
async def test_pg01_a_subscriber_that_dies_is_forgotten() -> None:
    await pg.join("g")
    scope = process.whereis("$pg.0") or ""
    hand = await Hand.start(on="local")
    before = await process.process_info(scope, "monitors")
    await by(hand, pg.monitor, "g")
    assert hand in str(await process.process_info(scope, "monitors"))
    await exit_and_wait(hand, "kill")

    async def forgotten() -> bool:
        return await process.process_info(scope, "monitors") == before

    await until(forgotten, "the end of the monitor")


# -- bad use ------------------------------------------------------------------


@on_a_node
async def test_pg01_what_cannot_be_is_told_to_the_caller() -> None:
    with pytest.raises(TypeError):
        await pg.join("g", "a name")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await pg.join([])  # type: ignore[arg-type]


@on_a_node(only=("loop", "pipe"), why="on one loop everything travels")
async def test_pg01_a_group_that_cannot_travel_is_not_joined() -> None:
    hand = await Hand.start(on=elsewhere())
    await pg.join("g")
    await all_see("g", [me()], hand)
    with pytest.raises(otpnode.UnserializableError):
        await pg.join(lambda: None)
    assert pg.groups() == ["g"]


async def outside() -> None:
    """Use groups from outside any process."""
    async with otpnode.node():
        for call in (pg.join("g"), pg.leave("g"), pg.monitor("g")):
            with pytest.raises(otpnode.NotInProcessError):
                await call
        hand = await Hand.start()
        await pg.join("g", hand)
        assert pg.members("g") == pg.local_members("g") == [hand]
    with pytest.raises(RuntimeError, match="no runtime"):
        pg.members("g")
    assert not VIEWS


def test_pg01_groups_are_of_use_outside_of_processes_and_end_with_the_node() -> None:
    asyncio.run(outside())
