"""Who runs next, and that nobody is forgotten."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid
from otpnode.process.current import CURRENT
from otpnode.process.entry import BUDGET_OPERATIONS
from tests.support import drive, in_process, settled, still_node, turns


def me() -> Pid:
    return cast(Pid, process.self())


def test_processes_run_in_the_order_they_were_made(loop: str) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):
            order: list[int] = []

            async def child(number: int) -> None:
                order.append(number)

            for number in range(50):
                await process.spawn(child, [number])
            await settled(shard)
            assert order == list(range(50))

    drive(main, loop=loop)


def test_a_receiver_woken_from_a_callback_step_runs(loop: str) -> None:
    """A process that goes on after a future is not in a slice: what it wakes must not wait for one to happen."""

    async def main() -> None:
        async with still_node() as (shard, _):

            async def answers() -> None:
                while True:
                    ref, number = cast("tuple[process.Ref, int]", await process.receive())
                    await process.send(ref, (ref, number))

            async def asks() -> list[object]:
                server = await process.spawn(answers)
                got: list[object] = []
                for number in range(20):
                    future = asyncio.get_running_loop().create_future()
                    asyncio.get_running_loop().call_soon(future.set_result, None)
                    await future
                    ref = process.alias(reply=True)
                    await process.send(server, (ref, number))
                    got.append(cast("tuple[object, int]", await process.receive(ref=ref))[1])
                return got

            assert await in_process(shard, asks) == list(range(20))

    drive(main, loop=loop)


def test_fs01_a_loop_that_never_waits_yields_within_its_budget(loop: str) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):
            count = 0

            async def greedy() -> None:
                nonlocal count
                while True:
                    await process.send(me(), "again")
                    await process.receive()
                    count += 2

            pid = await process.spawn(greedy)
            seen: list[int] = []
            for _ in range(20):
                before = count
                await asyncio.sleep(0)
                seen.append(count - before)
            assert 0 < max(seen) <= 3 * BUDGET_OPERATIONS
            await process.exit(pid, "kill")
            await settled(shard)

    drive(main, loop=loop)


def test_fs01_two_milliseconds_are_a_budget_too(loop: str) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):

            async def slow() -> None:
                while True:
                    end = time.perf_counter() + 0.0005
                    while time.perf_counter() < end:
                        pass
                    process.send_nowait(me(), "again")
                    await process.receive()

            pid = await process.spawn(slow)
            await asyncio.sleep(0)
            slowest = 0.0
            for _ in range(20):
                begun = time.thread_time()  # The time of the wall counts other programs, too.
                await asyncio.sleep(0)
                slowest = max(slowest, time.thread_time() - begun)
            assert slowest < 0.05
            await process.exit(pid, "kill")
            await settled(shard)

    drive(main, loop=loop)


def test_fs02_timers_and_callbacks_get_a_turn_beside_busy_processes(loop: str) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):

            async def volley() -> None:
                while True:
                    other = cast(Pid, await process.receive())
                    await process.send(other, me())

            first = await process.spawn(volley)
            second = await process.spawn(volley)
            await process.send(first, second)
            turns_taken = 0
            end = time.thread_time() + 0.1
            while time.thread_time() < end:
                await asyncio.sleep(0)
                turns_taken += 1
            assert turns_taken > 10
            for pid in (first, second):
                await process.exit(pid, "kill")
            await settled(shard)

    drive(main, loop=loop)


def test_a_bare_yield_lets_the_loop_do_what_it_was_given(loop: str) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):

            async def body() -> list[str]:
                seen: list[str] = []
                for _ in range(5):
                    task = asyncio.create_task(process.send(me(), "from the task"))
                    await asyncio.sleep(0)
                    seen.append(cast(str, await process.receive(timeout=0)))
                    assert task.done()
                return seen

            assert await in_process(shard, body) == ["from the task"] * 5

    drive(main, loop=loop)


def test_slices_and_timers_belong_to_no_process(loop: str) -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            seen: list[object] = []

            async def arms() -> None:
                shard.deadlines.after(1, lambda: seen.append(CURRENT.get()))
                shard.queue.pulse = lambda _: seen.append(CURRENT.get())
                await process.spawn(turns)
                await asyncio.get_running_loop().run_in_executor(None, int)

            await in_process(shard, arms)
            shard.queue.pulse = None
            clock.advance(1)
            assert seen
            assert set(seen) == {None}

    drive(main, loop=loop)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, ValueError])
def test_ac09_whatever_a_process_raises_the_slice_goes_on(loop: str, kind: type[BaseException]) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):
            ran: list[int] = []

            async def raises() -> None:
                raise kind("why")

            async def raises_later() -> None:
                future = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(future.set_result, None)
                await future
                raise kind("why")

            async def runs() -> None:
                ran.append(1)

            for _ in range(3):
                await process.spawn(raises)
                await process.spawn(raises_later)
                await process.spawn(runs)
            await turns()
            await settled(shard)
            assert ran == [1, 1, 1]
            assert not process.processes()

    drive(main, loop=loop)
