"""CigaretteSmokers: an arbiter lets one smoker after another start; they smoke at the same time.

Stresses one process that addresses many at random; `smokers`, `rounds`, and a busy time of up to `cost` turns.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, collect, numbers
from otpnode import process


def smoke(turns: int) -> int:
    """Be busy for so many turns, and return them."""
    smoked = 0
    for _ in range(turns):
        smoked += 1
    return smoked


async def smoker(number: int, arbiter: str) -> None:
    """Smoke when told; report at the end how long in all."""
    smoked = 0
    while (turns := await process.receive()) is not None:
        await process.send(arbiter, "started")
        smoked += smoke(turns)
    await process.send(arbiter, (number, smoked))


def choices(smokers: int, rounds: int, cost: int) -> list[tuple[int, int]]:
    """Return who smokes how long, round by round."""
    random = numbers(smokers)
    return [(next(random) % smokers, next(random) % cost) for _ in range(rounds)]


async def main(smokers: int, rounds: int, cost: int) -> object:
    """Be the arbiter; return the checksum of how long each has smoked."""
    me = process.self()
    pids = [await process.spawn_link(smoker, [number, me]) for number in range(smokers)]
    for number, turns in choices(smokers, rounds, cost):
        await process.send(pids[number], turns)
        await process.receive()
    for pid in pids:
        await process.send(pid, None)
    return checksum([smoked for _, smoked in sorted(await collect(smokers))])


def answer(smokers: int, rounds: int, cost: int) -> object:
    """The choices say it."""
    smoked = [0] * smokers
    for number, turns in choices(smokers, rounds, cost):
        smoked[number] += turns
    return checksum(smoked)


PROGRAM = Program(
    "CigaretteSmokers",
    main,
    answer,
    {"smokers": 200, "rounds": 20_000, "cost": 1_000},
    {"smokers": 5, "rounds": 30, "cost": 10},
)
