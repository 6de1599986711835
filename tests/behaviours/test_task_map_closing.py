"""TK-03: a map that is closed while a child task waits for its results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from otpnode import Task, process
from tests.behaviours.jobs import report
from tests.behaviours.maps import nothing_left
from tests.behaviours.servers import SOON, next_message, on_a_node

CLOSED = "was closed while a child task waited"


async def two_started() -> list[str]:
    """Wait until two items run; return their pids."""
    running: list[Any] = [await next_message() for _ in range(2)]
    return [pid for _, _, pid in running]


def jobs(count: int = 2) -> list[tuple[str, int]]:
    return [(process.self() or "", n) for n in range(count)]


async def none_waits(wait: asyncio.Task[Any], pids: list[str]) -> None:
    """The wait has ended with a clear error, the items with their map."""
    async with asyncio.timeout(SOON):
        with pytest.raises(RuntimeError, match=CLOSED):
            await wait
    assert not any(process.is_alive(pid) for pid in pids)
    await nothing_left()


@on_a_node
async def test_leaving_the_block_ends_the_map_and_lets_its_exception_through() -> None:
    with pytest.raises(KeyError, match="the block's own"):
        async with asyncio.timeout(SOON), Task.map(report, jobs(), max_concurrency=2) as results:
            wait = asyncio.ensure_future(anext(results))
            pids = await two_started()
            raise KeyError("the block's own")
    await none_waits(wait, pids)
    with pytest.raises(RuntimeError, match="has ended with RuntimeError"):
        await anext(results)


@on_a_node
async def test_a_child_task_closes_what_its_owner_waits_for() -> None:
    results = Task.map(report, jobs(), max_concurrency=2)

    async def closes() -> None:
        await results.aclose()

    closing = asyncio.ensure_future(closes())
    async with asyncio.timeout(SOON):
        with pytest.raises(RuntimeError, match=CLOSED):
            await anext(results)
        await closing
    await nothing_left()


@on_a_node
async def test_a_map_that_is_awaited_as_a_list_is_closed_as_well() -> None:
    async with asyncio.timeout(SOON), Task.map(report, jobs(), max_concurrency=2) as results:
        wait = asyncio.ensure_future(results._all())
        pids = await two_started()
    await none_waits(wait, pids)


@on_a_node
async def test_a_map_that_has_only_begun_is_closed_as_well() -> None:
    async with asyncio.timeout(SOON), Task.map(report, jobs(), max_concurrency=2) as results:
        wait = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0)
    await none_waits(wait, [])


@on_a_node
async def test_two_may_close_a_map_at_once_and_one_that_is_over() -> None:
    async with asyncio.timeout(SOON), Task.map(report, jobs(), max_concurrency=2) as results:
        wait = asyncio.ensure_future(anext(results))
        pids = await two_started()
        await asyncio.gather(results.aclose(), results.aclose())
        await none_waits(wait, pids)
        await results.aclose()
    async with Task.map(report, jobs(3), max_concurrency=3) as results:
        wait = asyncio.ensure_future(anext(results))
        for _ in range(3):
            message: Any = await next_message()
            await process.send(message[2], message[1])
        assert await wait == 0
        await asyncio.gather(results.aclose(), results.aclose())
    await nothing_left()


@on_a_node
async def test_items_that_never_come_keep_no_map_open() -> None:
    pulled = asyncio.Event()
    ended = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        try:
            pulled.set()
            await asyncio.Event().wait()
            yield 0
        finally:
            ended.set()

    async with asyncio.timeout(SOON), Task.map(abs, items()) as results:
        wait = asyncio.ensure_future(anext(results))
        await pulled.wait()
    await none_waits(wait, [])
    await asyncio.wait_for(ended.wait(), SOON)


@pytest.mark.parametrize("how", ["map of items", "map itself"])
@on_a_node
async def test_the_iterator_of_the_items_may_close_its_own_map(how: str) -> None:
    async def items() -> AsyncIterator[int]:
        if how == "map itself":
            await results.aclose()
        async with Task.map(abs, [1]) as others:
            yield await anext(others)
        await results.aclose()

    results = Task.map(abs, items(), max_concurrency=1, ordered=False)
    async with asyncio.timeout(SOON):
        with pytest.raises(RuntimeError, match=CLOSED):
            while True:
                await anext(results)
    await nothing_left()
