"""ForkJoinThroughput and ForkJoinCreate: one process deals work out to many and waits for all.

The first stresses messages to `workers` processes, `messages` each; the second the start and
the end of `processes` processes that get one message each. Every message costs one sine.
"""

from __future__ import annotations

from math import sin

from benchmarks.savina.program import Program, collect
from otpnode import process


def compute(number: int) -> int:
    """Return the number, at the price of a sine; the published computation."""
    theta = sin(37.2)
    return number if theta * theta > 0 else 0


async def worker(boss: str, messages: int) -> None:
    """Add up what comes."""
    total = 0
    for _ in range(messages):
        total += compute(await process.receive())
    await process.send(boss, total)


async def throughput(workers: int, messages: int) -> object:
    """Return the sum of all numbers dealt out, one to each worker in turn."""
    me = process.self()
    pool = [await process.spawn_link(worker, [me, messages]) for _ in range(workers)]
    for number in range(messages):
        for pid in pool:
            await process.send(pid, number)
    return sum(await collect(workers))


def throughput_answer(workers: int, messages: int) -> object:
    """Every worker adds up the same numbers."""
    return workers * messages * (messages - 1) // 2


async def create(processes: int) -> object:
    """Return the sum of what the processes computed."""
    me = process.self()
    for number in range(processes):
        pid = await process.spawn_link(worker, [me, 1])
        await process.send(pid, number)
    return sum(await collect(processes))


def create_answer(processes: int) -> object:
    """Each number is computed once."""
    return processes * (processes - 1) // 2


PROGRAMS = (
    Program(
        "ForkJoinThroughput",
        throughput,
        throughput_answer,
        {"workers": 60, "messages": 4_000},
        {"workers": 5, "messages": 50},
        erlang="fj_throughput",
    ),
    Program("ForkJoinCreate", create, create_answer, {"processes": 10_000}, {"processes": 150}, erlang="fj_create"),
)
