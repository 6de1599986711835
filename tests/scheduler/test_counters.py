"""What a shard publishes on the board: read by the others, so each word is moved here by what it counts."""

from __future__ import annotations

import asyncio

from otpnode import process
from otpnode.config import NodeConfig
from otpnode.process import Pid
from otpnode.scheduler.board import Counter
from otpnode.scheduler.loopback_node import LoopbackNode
from tests.support import until


async def takes(count: int) -> None:
    """Take so many messages, then end."""
    for _ in range(count):
        await process.receive()


async def sends(to: Pid, count: int) -> None:
    """Send so many messages, then end."""
    for number in range(count):
        await process.send(to, number)


def test_each_counter_is_moved_by_what_it_counts() -> None:
    async def body() -> None:
        async with LoopbackNode(NodeConfig(), shards=2) as node:
            here, there = (node.board.seat(shard, 1) for shard in (0, 1))
            receiver = await process.spawn(takes, [5], on=1)
            await process.spawn(sends, [receiver, 5], on="local")
            await until(lambda: not process.processes())
            await until(lambda: there.counter(Counter.EXITS) == 1)
            assert here.counter(Counter.MESSAGES_OUT) == there.counter(Counter.MESSAGES_IN) == 5
            assert (here.counter(Counter.SPAWNS), there.counter(Counter.SPAWNS)) == (1, 1)
            local: list[int] = []

            async def closure() -> None:
                local.append(process.shard_of(process.self() or ""))

            await process.spawn(closure)
            await until(lambda: local == [0])
            await until(lambda: here.counter(Counter.PLACED_LOCALLY) == 1)
            assert here.heartbeat > 0
            assert here.live == there.live == 0

    asyncio.run(body())
