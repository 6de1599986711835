"""`settle`: return when nothing goes on in the node any more.

On one loop, and with two shards on one loop, one still look is the truth (`stillness`). With OS
processes there is no moment at which all can be looked at. So two looks at each shard are taken,
the second round begun after the first was over. If every look was still, and between its two looks
no shard's links moved a frame but those of the looking itself, then whatever was in flight between
the rounds would have been received, and counted, before the second look, or have lain unread in
front of it: so nothing was. That is Mattern's argument with frames for messages. (A user's message
alone would not do as the thing to count: exit signals set things going too.)

Rejected: a barrier message between every two shards. Big frames travel in pieces and are overtaken.
"""

from __future__ import annotations

import asyncio
from typing import cast

from otpnode.errors import ShardDownError
from otpnode.process.current import here
from otpnode.testing.asking import FRAMES, ask
from otpnode.testing.stillness import frames_moved, neighbours_of, shards_here, stillness

REPLY_SECONDS = 1.0
"""How much later than `within` a shard may answer before it is said not to."""

Look = tuple[int, list[str]]
"""The frames a shard has moved, and what goes on there."""


async def settle(within: float = 5.0) -> None:
    """Return when no process or task of the node, other than the caller, can go on by itself.

    Every message sent has been received or lies in a mailbox that nobody reads, every signal was
    applied, every name was given. What waits for something from outside the node counts as still:
    timers, threads, files, sockets of the program's own.

    Args:
        within: seconds of real time, whatever clock the node has.

    Raises:
        TimeoutError: something still went on after `within` seconds; the text names it.
        RuntimeError: no node runs here.
        NotInProcessError: called outside any process where the node has OS processes.

    Guarantees:
        There was a moment during the call at which nothing went on. Exact on one loop and on two
        shards in one loop: there it still holds on return.
    """
    neighbours = neighbours_of(here())
    own = {shard.number for shard in shards_here()}
    end = asyncio.get_running_loop().time() + within
    before: dict[int, int] = {}
    while True:
        others = [] if neighbours is None else [shard for shard, _ in neighbours.shards_up() if shard not in own]
        looks = await _round(here().number, others, end)
        busy = [each for _, found in looks.values() for each in found]
        if busy:
            raise TimeoutError(f"not settled within {within:g} s: {'; '.join(busy)}")
        now = {shard: frames for shard, (frames, _) in looks.items()}
        cost = {shard: FRAMES for shard in others} | {here().number: FRAMES * len(others)}
        if not others or now == {shard: before.get(shard, -1) + cost[shard] for shard in now}:
            return
        if asyncio.get_running_loop().time() >= end:
            raise TimeoutError(f"not settled within {within:g} s: frames still move between the shards")
        before = now


async def _round(own: int, others: list[int], end: float) -> dict[int, Look]:
    """Look at every shard once, this one first."""
    looks = {own: await look(end)}
    for shard in others:
        left = end - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, left) + REPLY_SECONDS):
                looks[shard] = cast(Look, await ask(shard, look_for, left))
        except TimeoutError:
            looks[shard] = 0, [f"shard {shard} does not answer: something computes there without awaiting"]
        except ShardDownError:
            looks[shard] = -1, []
    return looks


async def look(end: float) -> Look:
    """Wait for stillness here; return the frames moved until then, and at `end` what goes on."""
    busy = await stillness(end)
    return frames_moved(), busy


async def look_for(seconds: float) -> Look:
    """Take that look on another shard, whose loop has a clock of its own."""
    return await look(asyncio.get_running_loop().time() + seconds)
