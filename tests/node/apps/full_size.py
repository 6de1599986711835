"""What the rules say in numbers, at the size they say: SH-14, SH-10, FS-02."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from functools import partial
from typing import cast

import psutil

from otpnode import process
from otpnode.process import Pid, ProcessNotFoundError, Ref
from tests.node.apps.tools import get, get_tagged, me, os_pid_of, passed, until

# -- SH-14: all to all, with kills ---------------------------------------------

SINKS_EACH = 4
LIMIT = 100
WIDEST = 1024
"""Messages that a shard may have on their way to a receiver that was found idle (MB-02)."""
FLOOD = 150.0
"""Seconds that all of it may take on a busy machine: no rule bounds them, and who is done first waits for the last."""
GROWTH = 64 * 1024 * 1024


async def all_to_all(messages: str, seed: str) -> None:
    """Every shard floods every other while half of the receivers are killed; then all is counted."""
    dice = random.Random(int(seed))
    shards = range(process.schedulers())
    await process.subscribe_shards()
    sinks = [await process.spawn(sink, on=shard) for shard in shards for _ in range(SINKS_EACH)]
    os_processes = [psutil.Process(await os_pid_of(shard)) for shard in shards]
    before = [one.memory_info().rss for one in os_processes]
    each = int(messages) // len(shards)
    senders = [await process.spawn(sender, [sinks, each, me()], on=shard) for shard in shards]
    for _ in senders:
        await get_tagged("watching")
    victims = dice.sample(sinks, len(sinks) // 2)
    for victim in victims:
        await process.sleep(dice.random() * 0.4)
        await process.exit(victim, "kill")
    sent: Counter[Pid] = Counter()
    for _ in senders:
        sent += cast("Counter[Pid]", (await get_tagged("sent", FLOOD))[1])
    for pid in [pid for pid in sinks if pid not in victims]:
        # What has been sent may be on its way still: nothing orders it before what another process asks (SO-03).
        await until(partial(_took, pid, sent[pid]), f"the last of {sent[pid]} messages to {pid}")
        await process.send(pid, ("tell", me()))
        _, taken, longest = await get_tagged("taken")
        assert taken == sent[pid], f"{pid} took {taken} of {sent[pid]} messages"
        # Every other shard has a window of its own, as wide as the receiver was quick.
        assert cast(int, longest) <= LIMIT + WIDEST * (len(shards) - 1), f"{longest} messages waited at {pid}"
        await process.exit(pid, "kill")
    for _ in senders:
        assert await get_tagged("downs") == ("downs", len(sinks)), "a DOWN is missing"
    grown = max(one.memory_info().rss - was for one, was in zip(os_processes, before, strict=True))
    assert grown < GROWTH, f"memory grew by {grown} bytes"
    print(f"{sent.total()} messages sent; memory of a shard grew by {grown / (1 << 20):.1f} MiB at most", flush=True)
    passed()


async def _took(pid: Pid, count: int) -> bool:
    await process.send(pid, ("tell", me()))
    return cast(int, (await get_tagged("taken"))[1]) >= count


async def sender(sinks: list[Pid], count: int, main: Pid) -> None:
    """Number the messages to each sink; at the end, collect one DOWN for each."""
    watched = {await process.monitor(pid): pid for pid in sinks}
    await process.send(main, ("watching",))
    sent: Counter[Pid] = Counter()
    sinks = list(sinks)
    left = count
    while left:
        for pid in sinks:
            number = sent[pid]
            try:
                await process.send(pid, (me(), number))
            except ProcessNotFoundError:
                sinks = [one for one in sinks if one != pid]
            else:
                sent[pid] = number + 1
                left -= 1
                if not left:
                    break
    await process.send(main, ("sent", sent))
    downs = len(watched)
    for _ in range(downs):
        _, ref, _, target, reason = await get(FLOOD)
        assert (watched.pop(cast(Ref, ref)), reason) == (target, "killed")
    await process.send(main, ("downs", downs))


async def sink() -> None:
    """Take whatever comes, each sender's in order and without a gap."""
    taken: Counter[object] = Counter()
    longest = total = 0
    while True:
        source, number = await get(FLOOD)
        if source == "tell":
            await process.send(cast(Pid, number), ("taken", total, longest))
            continue
        assert number == taken[source], f"message {number} of {source}, not {taken[source]}"
        taken[source] += 1
        total += 1
        if not total % 256:
            longest = max(longest, cast(int, await process.process_info(me(), "message_queue_len")))


# -- SH-10: a large message holds nobody up -----------------------------------

LARGE = 100 * 1024 * 1024
DEATHS = 200
DELAY = 1.0
"""Ten times the delay that the exit signal of another pair may have."""


async def large() -> None:
    """Send 100 MB to another shard while processes beside the sender die; their DOWNs come in between."""
    doomed = [await process.spawn(lives_until_told, on="local") for _ in range(DEATHS)]
    watcher = await process.spawn(watch, [doomed, me()], on=1)
    await get_tagged("watching")
    taker, taken = await process.spawn_monitor(take, on=1)
    await process.spawn(give, [taker], on="local")
    during = 0
    for pid in doomed:
        await process.send(pid, "die")
        during += process.is_alive(taker)
        # sleep: the deaths are spread over the time of the transfer
        await process.sleep(0.01)
    assert await get(ref=taken) == ("DOWN", taken, "process", taker, "normal")
    await process.send(watcher, "tell")
    longest = cast(float, (await get_tagged("longest"))[1])
    print(f"{during} deaths while 100 MB were on the way, each told within {longest * 1000:.1f} ms", flush=True)
    assert during > 1, "the message was through before anybody died"
    assert longest < DELAY
    passed()


async def give(taker: Pid) -> None:
    await process.send(taker, bytes(LARGE))


async def take() -> None:
    message = await process.receive(60)
    assert isinstance(message, bytes)
    assert len(message) == LARGE


async def lives_until_told() -> None:
    await process.receive(60)
    await process.exit(me(), ("died at", time.monotonic()))


async def watch(doomed: list[Pid], main: Pid) -> None:
    """Measure how long the DOWN of each was on its way."""
    longest = 0.0
    refs = [await process.monitor(pid) for pid in doomed]
    await process.send(main, ("watching",))
    for ref in refs:
        reason = (await get(ref=ref))[4]
        assert isinstance(reason, tuple)
        longest = max(longest, time.monotonic() - cast(float, reason[1]))
    assert await process.receive(60) == "tell"
    await process.send(main, ("longest", longest))


# -- FS-02: a burst is taken in slices ------------------------------------------

FRAMES = 100_000
SLICE = 0.020
"""Ten times the two milliseconds after which others have their turn."""


async def burst() -> None:
    """Nothing is received while 10⁵ messages arrive; whoever else lives here goes on."""
    gaps: list[float] = []
    ticker = asyncio.create_task(tick(gaps))
    await process.spawn(sends, [me(), FRAMES], on=1)
    await until(lambda: _arrived(FRAMES), "the burst")
    ticker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ticker
    print(f"{len(gaps)} turns, the longest without one {max(gaps) * 1000:.1f} ms", flush=True)
    assert max(gaps) < SLICE
    for number in range(FRAMES):
        assert await process.receive(20) == number
    passed()


async def _arrived(count: int) -> bool:
    return await process.process_info(me(), "message_queue_len") == count


async def tick(gaps: list[float]) -> None:
    """Note how much this thread computed between two turns; the time of the wall counts other programs, too."""
    last = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        gaps.append(now - last)
        last = now


async def sends(to: Pid, count: int) -> None:
    for number in range(count):
        await process.send(to, number)
