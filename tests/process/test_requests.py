"""`process.request` by the clock of the test: when its time limit is armed, and that nothing of it stays."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from tests.support import drive, settled, still_node, until


async def silent() -> None:
    """Take requests and answer none."""
    while True:
        await process.receive()


async def echo() -> None:
    """Answer each request with what it asks."""
    while True:
        _, (_, ref), what = cast("tuple[str, tuple[str, process.Ref], object]", await process.receive())
        process.send_nowait(ref, (ref, what))


@pytest.mark.parametrize("busy", [False, True], ids=["to one that waits", "to one that does not"])
def test_gs04_a_request_is_over_when_its_time_is(busy: bool) -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            over: list[str] = []

            async def asks(server: process.Pid) -> None:
                with pytest.raises(TimeoutError, match=f"no answer from {server} within 5 s"):
                    await process.request(server, "ask", timeout=5)
                over.append("over")

            async def sleeps() -> None:
                await process.receive()
                await process.sleep(10_000)

            server = await process.spawn(sleeps if busy else silent)
            await settled(shard)
            if busy:
                await process.send(server, "sleep")
                await settled(shard)
            await process.spawn(asks, [server])
            await settled(shard)
            clock.advance(4.9)
            await settled(shard)
            assert over == []
            clock.advance(0.2)
            await settled(shard)
            assert over == ["over"]
            assert shard.aliases == {}
            assert len(shard.deadlines) == (1 if busy else 0)
            assert await process.process_info(server, "monitored_by") == []

    drive(main)


def test_gs04_the_time_of_a_request_made_after_a_future_is_armed_too() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            over: list[str] = []

            async def asks(server: process.Pid) -> None:
                await asyncio.get_running_loop().run_in_executor(None, int)
                try:
                    await process.request(server, "ask", timeout=5)
                except TimeoutError:
                    over.append("over")

            server = await process.spawn(process.sleep, [10_000])
            asking = await process.spawn(asks, [server])
            await until(lambda: len(shard.deadlines) > 1)
            clock.advance(5)
            await settled(shard)
            assert over == ["over"]
            assert not process.is_alive(asking)

    drive(main)


def test_requests_that_are_answered_leave_no_deadline() -> None:
    async def main() -> None:
        async with still_node() as (shard, _):

            async def asks(server: process.Pid) -> None:
                for number in range(500):
                    assert (await process.request(server, "ask", number, timeout=60))[1] == number

            server = await process.spawn(echo)
            ended = await process.spawn(asks, [server])
            await until(lambda: not process.is_alive(ended))
            await settled(shard)
            assert len(shard.deadlines) == 0
            assert shard.aliases == {}

    drive(main)


def test_gs14_a_process_killed_in_a_request_leaves_nothing() -> None:
    async def main() -> None:
        async with still_node() as (shard, _):
            server = await process.spawn(silent)
            await settled(shard)
            asking = await process.spawn(lambda: process.request(server, "ask", timeout=5))
            await settled(shard)
            assert await process.process_info(server, "monitored_by") == [asking]
            await process.exit(asking, "kill")
            await settled(shard)
            assert await process.process_info(server, "monitored_by") == []
            assert shard.aliases == {}
            assert len(shard.deadlines) == 0

    drive(main)
