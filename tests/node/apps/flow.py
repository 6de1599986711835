"""A flood towards a process that never receives: its senders stop at the bound, and nothing grows."""

from __future__ import annotations

import asyncio
import os
from typing import cast

import psutil

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import deaf, get_tagged, me, os_pid_of, passed, until

COUNTS: list[int] = [0]
GROWTH = 20 * 1024 * 1024


async def flood(to: Pid) -> None:
    """Count the sends that have returned."""
    while True:
        await process.send(to, ("block", b"x" * 10_000))
        COUNTS[0] += 1


async def flood_nowait(to: Pid) -> None:
    while process.send_nowait(to, ("block", b"x" * 10_000)):
        COUNTS[0] += 1
    await process.sleep(600)


async def tell_count(asker: Pid) -> None:
    await process.send(asker, ("count", COUNTS[0]))


async def count_on(shard: int) -> int:
    await process.spawn(tell_count, [me()], on=shard)
    return cast(int, (await get_tagged("count"))[1])


async def total(shards: tuple[int, ...]) -> int:
    return sum([await count_on(shard) for shard in shards])


async def stays(wanted: int, shards: tuple[int, ...], seconds: float) -> None:
    """Check that exactly `wanted` sends return, now and after `seconds`, and that memory is flat meanwhile."""
    os_pids = [os.getpid(), *[await os_pid_of(shard) for shard in (1,)]]
    await until(lambda: _reached(wanted, shards), f"{wanted} sends")
    before = [psutil.Process(pid).memory_info().rss for pid in os_pids]
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        counted = await total(shards)
        assert counted == wanted, f"{counted} sends have returned, not {wanted}"
        await asyncio.sleep(0.1)
    grown = [psutil.Process(pid).memory_info().rss - was for pid, was in zip(os_pids, before, strict=True)]
    assert max(grown) < GROWTH, f"memory grew by {grown} bytes"
    print(f"grown by {grown}", flush=True)


async def _reached(wanted: int, shards: tuple[int, ...]) -> bool:
    return await total(shards) >= wanted


async def bound(limit: str, wanted: str, seconds: str, source: str = "0", target: str = "1") -> None:
    """Flood from one shard to another, or within one."""
    limits = {} if limit == "default" else {"mailbox_limit": int(limit)}
    hole = await process.spawn(deaf, on=int(target), **limits)  # type: ignore[arg-type]
    await process.spawn(flood, [hole], on=int(source))
    await stays(int(wanted), (int(source),), float(seconds))
    assert await process.process_info(hole, "message_queue_len") == int(wanted)
    passed()


async def nowait() -> None:
    """`send_nowait` says False at the same bound."""
    hole = await process.spawn(deaf, on=1)
    await process.spawn(flood_nowait, [hole], on=0)
    await stays(100, (0,), 0.5)
    passed()


async def two_senders() -> None:
    """With two shards that send, each may have a window of its own, and no more."""
    hole = await process.spawn(deaf, on=1)
    for source in (0, 2):
        await process.spawn(flood, [hole], on=source)
    await until(lambda: _reached(100, (0, 2)), "the bound")
    for _ in range(10):
        counted = await total((0, 2))
        assert 100 <= counted <= 100 + 2 * 100, counted
        await asyncio.sleep(0.05)
    queued = cast(int, await process.process_info(hole, "message_queue_len"))
    assert queued <= 100 + 2 * 100, queued
    passed()


async def picky(asker: Pid) -> None:
    """Never take what the flood sends, yet be reached by what it waits for."""
    await process.receive(match=lambda one: one == "the key")
    await process.send(asker, ("found",))
    await deaf()


async def key() -> None:
    """A full mailbox lets in what its owner waits for, from another shard too."""
    lock = await process.spawn(picky, [me()], on=1)
    await process.spawn(flood, [lock], on=0)
    await until(lambda: _reached(100, (0,)), "a full mailbox")
    await process.send(lock, "the key")
    await get_tagged("found")
    passed()
