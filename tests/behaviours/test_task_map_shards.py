"""TK-03 where only shards can show it: items spread, a shard lost, a loop ended on another shard."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

import otpnode
from otpnode import Task, process
from tests.behaviours.jobs import Counted, report, square, three_kills_its_shard, where
from tests.behaviours.servers import next_message, no_message, on_a_node
from tests.support import until

pytestmark = pytest.mark.os_processes


def run(program: Any, *args: object, schedulers: int = 2) -> Any:
    """Run a program of this file on a node of its own."""
    return otpnode.run(program, *args, schedulers=schedulers, log_level="critical", kill_grace=0.2)


async def spread() -> list[int]:
    """Let items wait for each other; return on which shards they run meanwhile."""
    me = process.self() or ""
    async with Task.map(report, [(me, n) for n in range(8)]) as results:
        first = asyncio.ensure_future(anext(results))
        running: list[Any] = [await next_message() for _ in range(6)]
        first.cancel()
        await asyncio.wait([first])
    return sorted(process.shard_of(pid) for _, _, pid in running)


def test_tk03_items_run_on_every_shard() -> None:
    assert run(spread, schedulers=3) == [0, 0, 1, 1, 2, 2]


@on_a_node(only=("loop", "pipe"), why="one loop has one shard")
async def test_tk03_one_at_a_time_leaves_the_callers_shard_alone() -> None:
    assert set(await Task.map(where, range(10), max_concurrency=1)) == {1}


@on_a_node(only=("loop", "pipe"), why="one loop has one shard")
async def test_tk03_what_stays_on_a_shard_without_a_place_runs_while_the_others_rest() -> None:
    me = process.self() or ""
    jobs: list[Any] = [(me, asyncio.Lock() if n % 3 == 0 else n) for n in range(9)]
    async with Task.map(report, jobs, max_concurrency=1, ordered=False) as results:
        waiting = asyncio.ensure_future(anext(results))
        seen = set()
        for n in range(9):
            started: Any = await next_message()
            seen.add((type(started[1]).__name__, process.shard_of(started[2])))
            assert await no_message()
            await process.send(started[2], n)
            assert await waiting == n
            waiting = asyncio.ensure_future(anext(results, None))
        assert await waiting is None
    assert seen == {("Lock", 0), ("int", 1)}


async def foreman_on(shard: int) -> str | None:
    """Return the foreman on a shard."""
    for pid in process.processes():
        if process.shard_of(pid) == shard and await process.process_info(pid, "label") == "Task.map foreman":
            return pid
    return None


@on_a_node(only=("loop", "pipe"), why="one loop has one shard")
async def test_tk03_what_stays_on_its_shard_outlives_a_foreman_there_that_has_not_got_it_yet() -> None:
    me = process.self() or ""
    jobs: list[Any] = [(me, asyncio.Lock()), (me, 1), (me, asyncio.Lock())]
    async with Task.map(report, jobs, max_concurrency=1, ordered=False) as results:
        waiting = asyncio.ensure_future(anext(results))
        foreman: Any = await until(lambda: foreman_on(0), "a foreman for what stays")
        started: Any = await next_message()
        assert started[1] == 1
        await process.exit(foreman, "kill")
        await process.send(started[2], 0)
        assert await waiting == 0
        for n in (1, 2):
            waiting = asyncio.ensure_future(anext(results))
            started = await next_message()
            await process.send(started[2], n)
            assert await waiting == n


@on_a_node(only=("loop", "pipe"), why="one loop has one shard")
async def test_tk03_where_the_only_foreman_is_killed_its_item_fails_and_the_others_run_elsewhere() -> None:
    me = process.self() or ""
    jobs: list[Any] = [(me, n) for n in range(3)]
    async with Task.map(report, jobs, max_concurrency=1, chunk=1, on_error="return") as results:
        waiting: Any = asyncio.ensure_future(anext(results))
        started: Any = await next_message()
        await process.exit((await foreman_on(1)) or "", "kill")  # type: ignore[arg-type]
        failed = 0
        while isinstance(outcome := await waiting, otpnode.TaskExit):
            failed += 1
            waiting = asyncio.ensure_future(anext(results, None))
            if failed == 2:
                break
        if failed == 2:
            started = await next_message()
            assert (started[1], process.shard_of(started[2])) == (2, 0)
            await process.send(started[2], "done")
            outcome = await waiting
        assert outcome == "done"


async def lose_the_shard_of_three(chunk: Any) -> tuple[object, ...]:
    """Map where an item takes its shard down; returns what came of it."""
    results: list[Any] = await Task.map(three_kills_its_shard, range(400), chunk=chunk, on=1, on_error="return")
    failed = {n: result for n, result in enumerate(results) if isinstance(result, otpnode.TaskExit)}
    right = all(result == n or n in failed for n, result in enumerate(results))
    return 3 in failed, {result.reason for result in failed.values()}, right, len(failed) < 250, await no_message()


@pytest.mark.parametrize("chunk", [1, 3, "auto"])
def test_tk03_a_shard_that_dies_fails_what_it_had_and_nothing_else(chunk: Any) -> None:
    assert run(lose_the_shard_of_three, chunk) == (True, {"noconnection"}, True, True, True)


async def lose_a_shard_in_the_middle() -> tuple[object, ...]:
    """Kill shard 1 while two long items run there; count what fails, and see the shard used again."""
    me = process.self() or ""
    victim = await (await Task.run(os.getpid, on=1))
    ups = await process.subscribe_shards()
    endless = Counted(me)
    failed = 0
    async with Task.map(report, endless, ordered=False, on_error="return", max_concurrency=4) as results:
        first = asyncio.ensure_future(anext(results))
        running: list[Any] = [await next_message() for _ in range(4)]
        there = [pid for _, _, pid in running if process.shard_of(pid) == 1]
        os.kill(victim, signal.SIGKILL)
        outcome: Any = await first
        while isinstance(outcome, otpnode.TaskExit):
            assert outcome.reason == "noconnection"
            failed += 1
            outcome = await anext(results) if failed < len(there) else None
        again: Any = ("", "", "")
        while again[0] != "started" or process.shard_of(again[2]) != 1:
            again = await process.receive(20)
    return len(ups), len(there), failed


def test_tk03_running_items_fail_alone_and_the_restarted_shard_works_again() -> None:
    assert run(lose_a_shard_in_the_middle) == (2, 2, 2)


def compute_for_ever(job: tuple[str, int]) -> None:
    """Never end."""
    process.send_nowait(job[0], ("computing", process.self()))
    while True:
        pass


async def leave_a_loop_behind() -> bool:
    """Leave a map whose item computes on another shard."""
    me = process.self() or ""
    waiting = asyncio.ensure_future(anext(Task.map(compute_for_ever, [(me, 0)], on=1)))
    _, pid = await next_message()  # type: ignore[misc]
    waiting.cancel()
    await asyncio.wait([waiting])
    await process.receive(ref=await process.monitor(pid))
    return await Task.map(square, [3], on=1) == [9]


def test_tk03_leaving_ends_a_loop_on_another_shard() -> None:
    assert run(leave_a_loop_behind) is True
