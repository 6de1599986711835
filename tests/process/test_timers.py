"""The deadline heap, by the clock of the test."""

from __future__ import annotations

import asyncio

from otpnode import process
from otpnode.clock import ManualClock, MonotonicClock
from otpnode.process.timers import Deadlines
from tests.support import drive, settled, still_node, until


def heap() -> tuple[Deadlines, ManualClock, list[object]]:
    clock = ManualClock()
    return Deadlines(asyncio.get_running_loop(), clock), clock, []


def test_tm07_deadlines_fire_in_order_and_equals_in_order_of_making() -> None:
    async def main() -> None:
        deadlines, clock, fired = heap()
        for delay, name in ((3, "c"), (1, "a"), (2, "b1"), (2, "b2"), (0, "now")):
            deadlines.after(delay, lambda name=name: fired.append(name))  # type: ignore[misc]
        assert fired == []
        clock.advance(0)
        assert fired == ["now"]
        clock.advance(1.5)
        assert fired == ["now", "a"]
        clock.advance(10)
        assert fired == ["now", "a", "b1", "b2", "c"]
        assert len(deadlines) == 0

    drive(main)


def test_tm02_cancel_says_whether_it_came_in_time() -> None:
    async def main() -> None:
        deadlines, clock, fired = heap()
        first, second = deadlines.after(1, lambda: fired.append(1)), deadlines.after(1, lambda: fired.append(2))
        assert first.cancel() is True
        assert first.cancel() is False
        clock.advance(1)
        assert fired == [2]
        assert second.cancel() is False

    drive(main)


def test_a_deadline_made_by_a_deadline_waits_for_its_own_time() -> None:
    async def main() -> None:
        deadlines, clock, fired = heap()

        def first() -> None:
            fired.append("first")
            deadlines.after(1, lambda: fired.append("second"))

        deadlines.after(1, first)
        clock.advance(1)
        assert fired == ["first"]
        clock.advance(1)
        assert fired == ["first", "second"]

    drive(main)


def test_cancelled_entries_are_swept() -> None:
    async def main() -> None:
        deadlines, clock, fired = heap()
        kept = [deadlines.after(5, lambda: fired.append("kept")) for _ in range(10)]
        for deadline in [deadlines.after(1, lambda: fired.append("never")) for _ in range(1000)]:
            deadline.cancel()
        assert len(deadlines) == 10
        assert len(deadlines._heap) < 200
        clock.advance(5)
        assert fired == ["kept"] * 10
        assert kept

    drive(main)


def test_real_time_arms_for_the_earliest(loop: str) -> None:
    async def main() -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), MonotonicClock())
        fired: list[int] = []
        for delay in (0.02, 0.001, 0.01):
            deadlines.after(delay, lambda delay=delay: fired.append(int(delay * 1000)))  # type: ignore[misc]
        await until(lambda: len(fired) == 3)
        assert fired == [1, 10, 20]
        deadlines.after(0.001, lambda: fired.append(0))
        deadlines.close()
        assert len(deadlines) == 0

    drive(main, loop=loop)


def test_tm01_timers_by_the_clock() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):

            async def holds() -> None:
                await process.sleep(10_000)

            pid = await process.spawn(holds)
            ref = process.start_timer(5, pid, "message")
            other = process.send_after(3, pid, "sooner")
            assert await process.read_timer(ref) == 5
            clock.advance(2)
            assert await process.read_timer(ref) == 3
            assert await process.process_info(pid, "messages") == []
            clock.advance(1)
            assert await process.process_info(pid, "messages") == ["sooner"]
            assert await process.cancel_timer(other) is False
            clock.advance(2)
            assert await process.process_info(pid, "messages") == ["sooner", ("timeout", ref, "message")]
            assert shard.timers == {}

    drive(main)


def test_tm04_the_death_of_a_local_target_removes_its_timers() -> None:
    async def main() -> None:
        async with still_node() as (shard, _):

            async def holds() -> None:
                await process.sleep(10_000)

            pid = await process.spawn(holds)
            await settled(shard)
            ref = process.send_after(5, pid, "never")
            await process.exit(pid, "kill")
            assert await process.read_timer(ref) is None
            assert await process.cancel_timer(ref) is False
            assert shard.timers == {}

    drive(main)
