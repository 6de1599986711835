"""TK-03: where the items of `Task.map` come from, and what cannot travel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import otpnode
from otpnode import Task, TaskExit, UnserializableError, process
from tests.behaviours.jobs import (
    Counted,
    CountedLater,
    Odd,
    Unreadable,
    a_lock,
    broken_at_five,
    broken_at_five_later,
    kind_of,
    messages,
    odd_at_sevens,
    odd_at_sevens_later,
    report,
    square,
    unreadable,
)
from tests.behaviours.maps import CHUNKS, FEW, Chunk, nothing_left, nothing_left_but_messages
from tests.behaviours.servers import SOON, next_message, no_message, on_a_node


@pytest.mark.parametrize("items", [Counted, CountedLater])
@on_a_node
async def test_tk03_items_are_pulled_as_results_leave(items: type[Counted]) -> None:
    me = process.self() or ""
    endless = items(me)
    async with Task.map(report, endless, max_concurrency=3) as results:
        first = asyncio.ensure_future(anext(results))
        running: list[Any] = [await next_message() for _ in range(3)]
        with pytest.raises(TimeoutError):
            await process.receive(0.05)
        assert endless.pulled <= 6
        await process.send(min(running, key=lambda message: message[1])[2], "done")
        assert await first == "done"
        assert endless.pulled <= 6
    await nothing_left_but_messages()
    assert endless.pulled <= 6


@CHUNKS
@on_a_node
async def test_tk03_an_endless_iterator_is_never_far_ahead(chunk: Chunk) -> None:
    endless = Counted()
    seen = 0
    async for n in Task.map(square, endless, chunk=chunk):
        assert n == seen * seen
        seen += 1
        assert endless.pulled <= seen + 2 * process.schedulers() * 2 * 8192
        if seen == 20_000:
            break
    pulled = endless.pulled
    await nothing_left()
    assert endless.pulled == pulled


@CHUNKS
@on_a_node
async def test_tk03_an_iterator_that_fails_does_so_behind_its_items(chunk: Chunk) -> None:
    for items in (broken_at_five, broken_at_five_later):
        seen = []
        with pytest.raises(OSError, match="too soon"):
            async for n in Task.map(square, items(), chunk=chunk):
                seen.append(n)
        assert seen == [0, 1, 4, 9, 16]
        with pytest.raises(OSError, match="too soon"):
            await Task.map(square, items(), chunk=chunk)
    await nothing_left()


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, process.ProcessExit])
@on_a_node
async def test_tk03_an_async_iterator_may_fail_with_anything(error: Any) -> None:
    seen = []

    async def items() -> AsyncIterator[int]:
        for n in range(5):
            yield n
        raise error("enough")

    with pytest.raises(error, match="enough"):
        async with asyncio.timeout(SOON):
            async for n in Task.map(square, items()):
                seen.append(n)
    assert seen == [0, 1, 4, 9, 16]
    await nothing_left()


class Closed:
    """Refuses to be iterated over."""

    def __iter__(self) -> Iterator[int]:
        raise OSError("the file is closed")


class ClosedLater:
    """The same, asynchronously."""

    def __aiter__(self) -> AsyncIterator[int]:
        raise OSError("the file is closed")


@pytest.mark.parametrize("items", [Closed, ClosedLater])
@on_a_node
async def test_tk03_what_refuses_to_be_iterated_over_leaves_nothing(items: Any) -> None:
    with pytest.raises(OSError, match="closed"):
        await Task.map(square, items())
    with pytest.raises(OSError, match="closed"):
        await anext(Task.map(square, items()))
    await nothing_left()


@on_a_node
async def test_tk03_items_are_pulled_in_the_callers_own_process() -> None:
    me = process.self() or ""
    for n in (1, 2, 3, None):
        await process.send(me, n)
    assert await Task.map(square, messages()) == [1, 4, 9]
    assert await no_message()


@CHUNKS
@on_a_node
async def test_tk03_a_result_that_cannot_travel_is_its_items_failure(chunk: Chunk) -> None:
    results: list[Any] = await Task.map(a_lock, range(7), chunk=chunk, on_error="return")
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5, 6]
    if isinstance(results[3], TaskExit):
        assert isinstance(results[3].reason, UnserializableError)


@CHUNKS
def test_tk03_where_messages_are_copied_a_result_that_cannot_travel_fails_alone(chunk: Chunk) -> None:
    ran: list[int] = []

    async def program() -> list[Any]:
        return await Task.map(lambda n: ran.append(n) or a_lock(n), range(7), chunk=chunk, on_error="return")

    results: Any = otpnode.run(program, copy_messages=True)
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5, 6]
    assert isinstance(results[3].reason, UnserializableError)
    assert sorted(ran) == list(range(7))


@CHUNKS
@on_a_node
async def test_tk03_a_result_that_cannot_be_rebuilt_is_its_items_failure(chunk: Chunk) -> None:
    far = process.schedulers() - 1
    results: list[Any] = await Task.map(unreadable, [*FEW, 3, *FEW], chunk=chunk, on_error="return", on=far)
    assert results[:200] + results[201:] == FEW + FEW
    assert isinstance(results[200], TaskExit if far else Unreadable)
    await nothing_left()


@pytest.mark.parametrize("timeout", [None, SOON])
@pytest.mark.parametrize("func", [odd_at_sevens, odd_at_sevens_later])
@pytest.mark.parametrize("chunk", [1, 3, 50, "auto"])
def test_tk03_where_messages_are_copied_a_result_that_cannot_be_rebuilt_fails_alone(
    chunk: Chunk, func: Callable[[list[int], int], Any], timeout: float | None
) -> None:
    ran: list[int] = []

    async def program() -> list[Any]:
        # A local function cannot travel, and so comes as it is.
        call = (lambda n: func(ran, n)) if func is odd_at_sevens else later
        return await Task.map(call, range(120), chunk=chunk, timeout=timeout, on_error="return")

    async def later(n: int) -> object:
        return await func(ran, n)

    results: Any = otpnode.run(program, copy_messages=True)
    assert [n for n, result in enumerate(results) if result != n] == list(range(7, 120, 10))
    assert {(type(result), result.reason[0]) for result in results[7::10]} == {(TaskExit, "undecodable")}
    assert [result.index for result in results[7::10]] == list(range(7, 120, 10))
    assert sorted(ran) == list(range(120))


@CHUNKS
def test_tk03_where_messages_are_copied_the_last_and_the_end_of_a_process_are_told_apart(chunk: Chunk) -> None:
    ran: list[int] = []

    def call(n: int) -> object:
        ran.append(n)
        if n % 4 == 2:
            raise process.ProcessExit("out of paper")
        return Odd(n, "odd") if n % 4 == 1 else n

    async def program() -> list[Any]:
        return await Task.map(call, range(10), chunk=chunk, on_error="return")

    results: Any = otpnode.run(program, copy_messages=True)
    told = [result.reason if isinstance(result, TaskExit) else result for result in results]
    assert told[0::4] == [0, 4, 8]
    assert [reason[0] for reason in told[1::4]] == ["undecodable"] * 3
    assert told[2::4] == ["out of paper"] * 2
    assert told[3::4] == [3, 7]
    assert sorted(ran) == list(range(10))


@CHUNKS
@on_a_node
async def test_tk03_an_item_that_cannot_be_rebuilt_fails_alone(chunk: Chunk) -> None:
    far = process.schedulers() - 1
    items = [*FEW, Unreadable(), *FEW, Unreadable()]
    results: list[Any] = await Task.map(kind_of, items, chunk=chunk, on_error="return", on=far)
    assert results[:200] + results[201:-1] == ["int"] * 400
    if far:
        assert [getattr(result, "index", None) for result in (results[200], results[-1])] == [200, 401]
    await nothing_left()


@CHUNKS
@on_a_node
async def test_tk03_an_item_that_cannot_travel_to_where_it_must_run_fails_alone(chunk: Chunk) -> None:
    far = process.schedulers() - 1
    results: list[Any] = await Task.map(
        kind_of, [*range(5), asyncio.Lock(), *range(5)], chunk=chunk, on_error="return", on=far
    )
    assert results[:5] + results[6:] == ["int"] * 10
    if far:
        assert isinstance(results[5].reason, UnserializableError)


@pytest.mark.parametrize("chunk", [1, 3, 50, "auto"])
def test_tk03_where_messages_are_copied_an_item_that_cannot_be_rebuilt_hides_no_other(chunk: Chunk) -> None:
    async def program() -> list[Any]:
        items = [*range(20), Unreadable(), *range(20)]
        async with asyncio.timeout(SOON):
            return await Task.map(kind_of, items, chunk=chunk, on_error="return")

    results = otpnode.run(program, copy_messages=True)
    assert isinstance(results, list)
    assert len(results) == 41
    assert isinstance(results[20], TaskExit)


def test_tk03_where_messages_are_copied_an_async_iterator_may_yield_what_cannot_be() -> None:
    seen: list[int] = []

    async def items() -> AsyncIterator[object]:
        yield 2
        yield asyncio.Lock()
        yield 3

    async def program() -> None:
        with pytest.raises(UnserializableError):
            async with asyncio.timeout(SOON):
                async for n in Task.map(square, items()):
                    seen.append(n)
        await nothing_left()

    otpnode.run(program, copy_messages=True)
    assert seen == [4]


@on_a_node
async def test_tk03_what_cannot_travel_is_mapped_beside_the_caller() -> None:
    seen: list[int] = []
    assert await Task.map(lambda n: seen.append(n), range(5)) == [None] * 5
    assert sorted(seen) == [0, 1, 2, 3, 4]
    lock = asyncio.Lock()
    for most in (None, 1):
        assert await Task.map(kind_of, [1, lock, "x", lock], max_concurrency=most) == ["int", "Lock", "str", "Lock"]
