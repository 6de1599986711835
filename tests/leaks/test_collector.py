"""The garbage collector has nothing to do with processes: seldom run, and never needed for the dead."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator

import pytest

import otpnode
from otpnode import process
from otpnode.collector import PYTHONS_OWN, THRESHOLDS
from otpnode.process import Pid, ProcessExit
from tests.support import until

MANY = 20


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*PYTHONS_OWN[0])
    try:
        yield
    finally:
        gc.enable()
        gc.set_threshold(*before)


async def thresholds() -> tuple[int, int, int]:
    """Return those in force while main runs."""
    return gc.get_threshold()


def test_run_raises_the_thresholds_and_puts_them_back() -> None:
    assert otpnode.run(thresholds) == THRESHOLDS
    assert gc.get_threshold() == PYTHONS_OWN[0]


def test_thresholds_of_the_programs_own_stay() -> None:
    async def main() -> None:
        gc.set_threshold(5_000, 5, 5)

    gc.set_threshold(1_000, 1, 1)
    assert otpnode.run(thresholds) == (1_000, 1, 1)
    gc.set_threshold(*PYTHONS_OWN[0])
    otpnode.run(main)
    assert gc.get_threshold() == (5_000, 5, 5)


def test_a_node_in_somebody_elses_loop_leaves_them_alone() -> None:
    async def main() -> tuple[int, int, int]:
        async with otpnode.node():
            return gc.get_threshold()

    assert asyncio.run(main()) == PYTHONS_OWN[0]


def test_a_shard_raises_them_too() -> None:
    assert otpnode.run(thresholds, schedulers=2) == THRESHOLDS


async def returns() -> None:
    """End as most do."""


async def waits() -> None:
    """Wait for what never comes."""
    await process.receive()


async def waits_in_a_child() -> None:
    """Have a child task wait instead."""
    async with asyncio.TaskGroup() as group:
        group.create_task(waits())


async def gives_up() -> None:
    """Be too late for a message."""
    try:
        await asyncio.wait_for(process.receive(), 0.001)
    except TimeoutError:
        pass


async def stays() -> None:
    """Read whatever comes."""
    while True:
        await process.receive()


async def is_tied(friend: Pid) -> None:
    """Have a link, a monitor, an alias, a timer, a label and a dictionary."""
    await process.link(friend)
    await process.monitor(friend)
    process.alias()
    process.send_after(3600, friend, "late")
    process.set_label("tied")
    process.put("key", "value")


async def links_to_the_dead() -> None:
    """Be ended by a verb of its own."""
    await process.link(await process.spawn(returns, on="local"))
    await process.link(Pid(f"{process.self()}0000"))


async def exits() -> None:
    """End itself by an exception that is no crash."""
    raise ProcessExit("normal")


async def is_cancelled() -> None:
    """Be cancelled by itself."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(3600)


async def end(body: Callable[..., object], args: list[object], reason: str | None) -> None:
    """Let many live and die."""
    pids = [await process.spawn(body, args, on="local") for _ in range(MANY)]
    await asyncio.sleep(0)
    for pid in pids if reason else ():
        await process.exit(pid, reason)
    await until(lambda: not any(map(process.is_alive, pids)))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *((body, None) for body in (returns, gives_up, is_tied, exits, is_cancelled, links_to_the_dead)),
        *((body, reason) for body in (waits, waits_in_a_child) for reason in ("shutdown", "kill", "boom")),
    ],
)
def test_the_dead_are_freed_without_the_collector(body: Callable[..., object], reason: str | None) -> None:
    async def main() -> int:
        friend = await process.spawn(stays, on="local", trap_exits=True)
        args: list[object] = [friend] if body is is_tied else []
        await end(body, args, reason)
        await asyncio.sleep(0.01)  # sleep: callbacks of what has ended may still stand in the loop
        gc.collect()
        gc.disable()
        await end(body, args, reason)
        await asyncio.sleep(0.01)  # sleep: as above
        garbage = gc.collect()
        await process.exit(friend, "kill")
        return garbage

    assert otpnode.run(main) in range(MANY)
