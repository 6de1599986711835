"""TK-03: `Task.map`, each item's failure its own."""

from __future__ import annotations

import asyncio
import gc
from itertools import count
from typing import Any

import pytest

import otpnode
from otpnode import RemoteError, Task, TaskExit, TaskTimeoutError, process
from tests.behaviours.jobs import (
    compute_and_tell,
    report,
    square,
    square_later,
    stops_at_sevens,
    tell,
    three_exits,
    three_fails,
    three_is_odd,
    three_never_ends,
    three_waits_for_ever,
    where,
)
from tests.behaviours.maps import CHUNKS, FEW, Chunk, nothing_left
from tests.behaviours.servers import SOON, cut_short, ending_of, next_message, no_message, on_a_node


@CHUNKS
@on_a_node
async def test_tk03_awaited_it_is_the_list_in_order(chunk: Chunk) -> None:
    for func in (square, square_later):
        assert await Task.map(func, range(50), chunk=chunk) == [n * n for n in range(50)]
    assert await Task.map(square, [], chunk=chunk) == []
    assert sorted(await Task.map(square, range(50), chunk=chunk, ordered=False)) == [n * n for n in range(50)]
    await nothing_left()


@CHUNKS
@on_a_node
async def test_tk03_iterated_it_streams_in_order(chunk: Chunk) -> None:
    assert [n async for n in Task.map(square, range(50), chunk=chunk)] == [n * n for n in range(50)]
    await nothing_left()


@on_a_node
async def test_tk03_unordered_the_first_done_comes_first() -> None:
    me = process.self() or ""
    async with Task.map(report, [(me, n) for n in range(2)], ordered=False, max_concurrency=2) as results:
        started: dict[int, str] = {}
        first = asyncio.ensure_future(anext(results))
        for _ in range(2):
            _, item, pid = await next_message()  # type: ignore[misc]
            started[item] = pid
        await process.send(started[1], "second")
        assert await first == "second"
        await process.send(started[0], "first")
        assert [result async for result in results] == ["first"]
    await nothing_left()


@pytest.mark.parametrize("ordered", [True, False])
@on_a_node
async def test_tk03_what_is_done_does_not_wait_for_what_runs(ordered: bool) -> None:
    far = process.schedulers() - 1
    done = []
    async with Task.map(three_waits_for_ever, [*FEW, 3], max_concurrency=1, ordered=ordered, on=far) as results:
        async with asyncio.timeout(SOON):
            while len(done) < len(FEW):
                done.append(await anext(results))
    assert done == FEW


@CHUNKS
@on_a_node
async def test_tk03_a_failure_is_its_items_own(chunk: Chunk) -> None:
    results = await Task.map(three_fails, range(7), chunk=chunk, on_error="return")
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5, 6]
    error: Any = results[3]
    assert (type(error), error.index, type(error.reason), type(error.__cause__)) == (TaskExit, 3, KeyError, KeyError)
    assert any("in three_fails" in note for note in error.__cause__.__notes__)
    await nothing_left()


@pytest.mark.parametrize("chunk", [1, 3, 200])
@on_a_node
async def test_tk03_what_would_end_an_iteration_is_an_error_like_any_other(chunk: Chunk) -> None:
    results: list[Any] = await Task.map(stops_at_sevens, range(200), chunk=chunk, on_error="return")
    assert [n for n, result in enumerate(results) if result != n] == list(range(7, 200, 10))
    assert {type(result.reason) for result in results[7::10]} == {StopIteration}


@CHUNKS
@on_a_node
async def test_tk03_raised_it_ends_the_rest(chunk: Chunk) -> None:
    with pytest.raises(TaskExit) as caught:
        await Task.map(three_fails, count(), chunk=chunk)
    assert caught.value.index == 3
    assert isinstance(caught.value.__cause__, KeyError)
    seen = []
    with pytest.raises(TaskExit):
        async for n in Task.map(three_fails, range(7), chunk=chunk):
            seen.append(n)
    assert seen == [0, 1, 2]
    await nothing_left()


@CHUNKS
@on_a_node
async def test_tk03_an_exit_in_an_item_is_its_reason(chunk: Chunk) -> None:
    results: list[Any] = await Task.map(three_exits, range(7), chunk=chunk, on_error="return")
    assert results[3].reason == "out of paper"
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5, 6]


@CHUNKS
@on_a_node
async def test_tk03_an_exception_that_cannot_be_rebuilt_has_a_stand_in(chunk: Chunk) -> None:
    results: list[Any] = await Task.map(three_is_odd, range(7), chunk=chunk, on_error="return")
    assert isinstance(results[3].reason, RemoteError)
    assert "Odd" in results[3].reason.type_name
    assert results[4:] == [4, 5, 6]


@pytest.mark.parametrize("func", [three_never_ends, three_waits_for_ever])
@CHUNKS
@on_a_node
async def test_tk03_an_item_that_takes_too_long_is_ended_alone(func: Any, chunk: Chunk) -> None:
    results: list[Any] = await Task.map(func, range(7), chunk=chunk, timeout=0.3, on_error="return")
    assert isinstance(results[3], TaskTimeoutError)
    assert results[3].index == 3
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5, 6]
    with pytest.raises(TimeoutError):
        await Task.map(func, range(7), chunk=chunk, timeout=0.3)
    await nothing_left()


@pytest.mark.parametrize("timeout", [None, SOON])
@on_a_node
async def test_tk03_between_the_items_of_a_chunk_others_have_a_turn(timeout: float | None) -> None:
    me = process.self() or ""
    jobs = [(me, n) for n in range(6)]
    await Task.map(compute_and_tell, jobs, chunk=3, timeout=timeout, max_concurrency=2, on="local")
    assert [await next_message() for _ in jobs] == [0, 3, 1, 4, 2, 5]


@CHUNKS
@on_a_node
async def test_tk03_no_item_runs_twice(chunk: Chunk) -> None:
    me = process.self() or ""
    assert await Task.map(tell, [(me, n) for n in range(20)], chunk=chunk) == list(range(20))
    ran: list[Any] = [await next_message() for _ in range(20)]
    assert sorted(item for _, item, _ in ran) == list(range(20))
    if chunk == 1:
        assert len({pid for _, _, pid in ran}) == 20
    assert await no_message()


@on_a_node
async def test_tk03_no_more_run_at_once_than_allowed() -> None:
    me = process.self() or ""
    async with Task.map(report, [(me, n) for n in range(6)], max_concurrency=3) as results:
        first = asyncio.ensure_future(anext(results))
        running: list[Any] = [await next_message() for _ in range(3)]
        with pytest.raises(TimeoutError):
            await process.receive(0.05)
        for _, item, pid in sorted(running, key=lambda message: message[1]):
            await process.send(pid, item)
            await next_message()
        assert await first == 0
    await nothing_left()


@on_a_node
async def test_tk03_dropped_it_ends_what_runs() -> None:
    me = process.self() or ""
    results = Task.map(report_or_return, [(me, 0), (me, 1)], max_concurrency=2)
    async for result in results:
        assert result == 0
        break
    _, _, pid = await next_message()  # type: ignore[misc]
    ref = await process.monitor(pid)
    del results
    gc.collect()
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] in ("killed", "shutdown")
    await nothing_left()


async def report_or_return(job: tuple[str, int]) -> int:
    """Return for 0, report and wait for any other."""
    if job[1]:
        await report(job)
    return job[1]


@on_a_node
async def test_tk03_leaving_the_block_ends_what_runs() -> None:
    me = process.self() or ""
    async with Task.map(report_or_return, [(me, 0), (me, 1)], max_concurrency=2) as results:
        assert await anext(results) == 0
        _, _, pid = await next_message()  # type: ignore[misc]
    assert not process.is_alive(pid)
    await nothing_left()


async def map_for_ever(boss: str) -> None:
    """Wait for a map that does not end."""
    await Task.map(report, [(boss, n) for n in range(2)], max_concurrency=2)


@on_a_node
async def test_tk03_it_ends_with_its_caller() -> None:
    caller = await process.spawn(map_for_ever, [process.self()], on="local")
    running: list[Any] = [await next_message() for _ in range(2)]
    await process.exit(caller, "kill")
    for _, _, pid in running:
        assert await ending_of(pid) in ("killed", "noproc", "shutdown")
    await nothing_left()


@on_a_node
async def test_tk03_a_cancelled_wait_ends_the_map_and_leaves_nothing() -> None:
    with pytest.raises(TimeoutError):
        async with cut_short() as watcher:
            await Task.map(report, [(watcher, 0)])
    await next_message()
    with pytest.raises(TimeoutError):
        async with cut_short() as watcher:
            results = Task.map(report, [(watcher, 0)])
            await anext(results)
    await next_message()
    with pytest.raises(RuntimeError, match="has ended with CancelledError"):
        await anext(results)
    await nothing_left()


@on_a_node
async def test_rc10_maps_run_in_child_tasks_beside_the_owners_own_receive() -> None:
    me = process.self() or ""

    async def in_a_child(start: int) -> list[int]:
        return [n async for n in Task.map(square, range(start, start + 30))]

    waits = [asyncio.create_task(in_a_child(start)) for start in (0, 100)]
    for wait in waits:
        wait.add_done_callback(lambda _: process.send_nowait(me, "done"))
    assert [await next_message() for _ in waits] == ["done", "done"]
    assert [len(wait.result()) for wait in waits] == [30, 30]
    await nothing_left()


@on_a_node
async def test_tk03_it_runs_where_it_is_told() -> None:
    total = process.schedulers()
    assert set(await Task.map(where, range(4), on="local")) == {process.shard_of(process.self() or "")}
    assert set(await Task.map(where, range(4), on=total - 1)) == {total - 1}
    with pytest.raises(ValueError, match="names no shard"):
        await Task.map(where, range(4), on=total)


def test_tk03_bad_arguments_are_refused_at_once() -> None:
    for wrong in (
        {"chunk": 0},
        {"chunk": "many"},
        {"max_concurrency": 0},
        {"timeout": -1},
        {"on_error": "ignore"},
        {"on": "there"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Task.map(square, [], **wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="iterable"):
        Task.map(square, 5)  # type: ignore[call-overload]


@on_a_node
async def test_a_map_is_used_once() -> None:
    squares = Task.map(square, range(3))
    assert await squares == [0, 1, 4]
    with pytest.raises(RuntimeError, match="begun already"):
        await squares
    assert await asyncio.wait_for(Task.map(square, range(3)).__aiter__().__anext__(), SOON) == 0


def test_ct05_a_map_works_from_outside_a_process_and_leaves_nothing() -> None:
    async def main() -> None:
        async with otpnode.node():
            assert await Task.map(square, range(5)) == [0, 1, 4, 9, 16]
            async for n in Task.map(square, range(5)):
                assert n == 0
                break
            gc.collect()
            while process.processes():  # noqa: ASYNC110 - nobody outside a process hears of a death
                await asyncio.sleep(0.01)  # sleep: as above

    asyncio.run(main())
