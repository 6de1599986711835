"""A loop stays awake for answers while they come, and no longer."""

from __future__ import annotations

import asyncio
from time import perf_counter

from otpnode.transport.busywait import LONGEST_PAUSE, PAUSE, ROUND, BusyWait
from tests.contracts.link_tools import run, turn

LONG = 60.0
OVER = 1e-9


async def misses(wait: BusyWait) -> None:
    """Wait in vain."""
    wait.begin(perf_counter())
    while wait.awake:
        await turn()


def test_it_is_awake_until_its_time_is_over() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wait = BusyWait(loop, LONG)
        wait.begin(perf_counter())
        await turn()
        assert wait.awake
        wait.begin(perf_counter() - LONG)
        await turn()
        assert not wait.awake

    run("uvloop", main)


def test_none_is_none() -> None:
    async def main() -> None:
        wait = BusyWait(asyncio.get_running_loop(), 0.0)
        wait.begin(perf_counter())
        wait.arrived()
        assert not wait.awake

    run("uvloop", main)


def test_after_a_round_that_did_not_pay_there_is_a_pause_and_then_one_try_and_a_longer_pause() -> None:
    async def main() -> None:
        wait = BusyWait(asyncio.get_running_loop(), OVER)
        for _ in range(ROUND):
            await misses(wait)
        for pause in (*(PAUSE << times for times in range(5)), LONGEST_PAUSE):
            for _ in range(pause):
                wait.begin(perf_counter())
                assert not wait.awake
            wait.begin(perf_counter())
            assert wait.awake
            await turn()
            assert not wait.awake

    run("uvloop", main)


def test_answers_keep_it_going_and_one_answer_starts_it_again() -> None:
    async def main() -> None:
        wait = BusyWait(asyncio.get_running_loop(), LONG)
        for number in range(3 * ROUND):
            wait.begin(perf_counter())
            assert wait.awake
            if number % 2:
                wait.arrived()
            else:
                wait.begin(perf_counter() - LONG)
                wait.arrived()
        for _ in range(ROUND):
            wait.begin(perf_counter() - LONG)
            wait.arrived()
        await turn()
        assert not wait.awake
        for _ in range(PAUSE):
            wait.begin(perf_counter())
        assert not wait.awake
        wait.begin(perf_counter())
        wait.arrived()
        wait.begin(perf_counter() - LONG)
        await turn()
        wait.begin(perf_counter())
        assert wait.awake

    run("uvloop", main)


def test_a_try_that_pays_makes_the_next_pause_no_shorter_but_a_round_does() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wait = BusyWait(loop, LONG)

        async def fails(pause: int) -> None:
            """Wait a round in vain, then count the waits that are left out."""
            for _ in range(ROUND):
                wait.begin(perf_counter() - LONG)
                wait.arrived()
            await turn()
            for _ in range(pause):
                wait.begin(perf_counter())
                assert not wait.awake
            pays(1)

        def pays(times: int) -> None:
            for _ in range(times):
                wait.begin(perf_counter())
                assert wait.awake
                wait.arrived()

        await fails(PAUSE)
        await fails(2 * PAUSE)
        pays(ROUND)
        await fails(PAUSE)

    run("uvloop", main)
