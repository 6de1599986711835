"""After many processes have lived and died, everything is as it was, on every shard (I8)."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from typing import cast

import psutil
import pytest

from otpnode import process
from otpnode.config import NodeConfig
from otpnode.process import OtpnodeError, Pid, ProcessExit, Ref
from otpnode.scheduler.loopback_node import LoopbackNode
from tests.invariants.on_loopback import leftovers
from tests.support import drive, in_process, until

SHARDS = 3
AT_ONCE = 50
LIMIT = 5
SPARE_MEGABYTES = 24
"""What the allocator may keep of 10⁵ processes: a leak of one small object each would show."""


async def short_life(seed: int, friend: Pid | None, boss: Pid) -> None:
    """Tie oneself to others in every way, and die in one."""
    rng = random.Random(seed)
    me = process.self()
    assert me is not None
    if friend is not None:
        await befriend(rng, friend)
    alias = process.alias(reply=rng.random() < 0.5)
    await process.send(boss, ("here", me, alias))
    process.send_after(rng.choice((0.0, 0.001, 30.0)), me, "tick")
    if rng.random() < 0.3:
        try:
            await process.register(f"leak {rng.randrange(20)}")
        except OtpnodeError:
            pass
    if rng.random() < 0.3:
        await process.spawn_link(follow, [me], on=rng.randrange(SHARDS))
    await process.receive(timeout=0.05)
    if rng.random() < 0.5:
        process.unalias(alias)
    raise ProcessExit(rng.choice(("normal", "boom", "shutdown")))


async def befriend(rng: random.Random, friend: Pid) -> None:
    """Link, monitor and write to another."""
    try:
        if rng.random() < 0.5:
            await process.link(friend)
        ref = await process.monitor(friend)
        async with asyncio.timeout(0.02):
            for number in range(rng.randrange(2 * LIMIT)):
                await process.send(friend, number)
        if rng.random() < 0.5:
            await process.demonitor(ref)
        if rng.random() < 0.2:
            await process.exit(friend, "kill")
    except (OtpnodeError, TimeoutError):
        return


async def follow(of: Pid) -> None:
    """Live as long as another."""
    ref = await process.monitor(of)
    await process.receive(ref=ref)


async def boss(lives: int, seed: int) -> None:
    """Give birth to many, and answer those who ask."""
    rng = random.Random(seed)
    me = process.self()
    assert me is not None
    process.process_flag("trap_exits", True)
    friend: Pid | None = None
    for _ in range(lives // AT_ONCE):
        refs: set[str] = set()
        for _ in range(AT_ONCE):
            args: list[object] = [rng.randrange(1 << 30), friend, me]
            friend, ref = await process.spawn_monitor(
                short_life, args, on=rng.randrange(SHARDS), mailbox_limit=LIMIT, link=rng.random() < 0.5
            )
            refs.add(ref)
        while refs:
            match await process.receive():
                case ("DOWN", str(over), *_):
                    refs.discard(over)
                case ("here", _, str(alias)):
                    await process.send(alias, (alias, "go"))


def measured(node: LoopbackNode) -> dict[str, object]:
    """Say how much there is of everything that could be left."""
    found: dict[str, object] = {"left": sorted(leftovers(node))}
    for shard in node.shards:
        found[f"deadlines of shard {shard.number}"] = len(shard.deadlines)
        found[f"shortcuts of shard {shard.number}"] = len(shard.mailboxes)
        found[f"words of shard {shard.number}"] = len(node.world(shard.number).neighbours._condemned._waiting)
        found[f"death watchers of shard {shard.number}"] = len(shard._death_watchers)
    found["tasks"] = len(asyncio.all_tasks())
    return found


def live_and_die(lives: int, then: Callable[[LoopbackNode], Awaitable[None]] | None = None) -> None:
    async def main() -> None:
        settings = {"exit_grace": 0.5, "kill_grace": 0.1, "stop_grace": 0.5, "max_processes": 4096}
        async with LoopbackNode(NodeConfig(**settings), shards=SHARDS) as node:  # type: ignore[arg-type]
            before = measured(node)
            assert before["left"] == []
            await in_process(node.shard, boss, lives, 1)
            await until(lambda: measured(node) == before, f"{measured(node)} becomes {before}")
            if then is not None:
                await then(node)
                await until(lambda: measured(node) == before, f"{measured(node)} becomes {before}")

    drive(main, within=600)


def test_nothing_is_left_of_ten_thousand() -> None:
    live_and_die(10_000)


@pytest.mark.slow
def test_neither_tables_nor_memory_grow_with_a_hundred_thousand() -> None:
    async def many_more(node: LoopbackNode) -> None:
        gc.collect()
        before = psutil.Process().memory_info().rss
        await in_process(node.shard, boss, 100_000, 2)
        gc.collect()
        grown = (psutil.Process().memory_info().rss - before) / (1 << 20)
        assert grown < SPARE_MEGABYTES, f"{grown:.0f} MB more"

    live_and_die(20_000, many_more)


async def oracle() -> None:
    """Answer, have somebody else answer, or say nothing."""
    while True:
        _, (_, ref), how = cast("tuple[str, tuple[Pid, Ref], str]", await process.receive())
        if how == "answer":
            await process.send(ref, (ref, how))
        elif how == "have another answer":
            await process.spawn(process.send, [ref, (ref, how)], on="local")


async def ask(how: str) -> None:
    """Ask the oracle."""
    await process.request("oracle", "ask", how)


@pytest.mark.parametrize("how", ["answer", "have another answer", "say nothing"])
def test_a_server_keeps_nothing_of_who_has_asked_from_another_shard(how: str) -> None:
    servers: list[Pid] = []
    asking: list[Pid] = []

    async def starts() -> None:
        servers.append(await process.spawn(oracle, on=1, name="oracle"))
        await process.request("oracle", "ask", "answer")  # From now on requests take the short way.

    async def asks() -> None:
        asking.extend([await process.spawn(ask, [how], on="local") for _ in range(4)])
        for pid in asking:
            await process.receive(ref=await process.monitor(pid))

    async def main() -> None:
        async with LoopbackNode(NodeConfig(), shards=2) as node:
            await in_process(node.shard, starts)
            server = node.shards[1].table.live[servers[0]]
            assert not server.askers
            asked = asyncio.create_task(in_process(node.shard, asks))
            if how == "say nothing":
                await until(lambda: len(server.askers or ()) == 4, "the server knows who asks")
                for pid in asking:
                    await in_process(node.shard, process.exit, pid, "kill")
            await asked
            await until(lambda: not server.askers and not server.monitored_by, "nobody asks any more")
            assert node.shard.aliases == {}

    drive(main)
