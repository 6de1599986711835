"""Trapezoid: an integral, cut into pieces; each worker sums up its range of them.

Stresses computing on every core with hardly a message; `pieces` for `workers`.
"""

from __future__ import annotations

from math import exp, sin, sqrt

from benchmarks.savina.program import Program, collect
from otpnode import process

LEFT, RIGHT = 1.0, 5.0


def f(x: float) -> float:
    """Return the function to integrate; the published one."""
    return 1 / (x + 1) * sqrt(1 + exp(sqrt(2 * x))) * sin(x * x * x - 1)


def area(first: int, last: int, width: float) -> float:
    """Return the area of pieces `first` to `last`, without it."""
    total = 0.0
    for piece in range(first, last):
        x = LEFT + piece * width
        total += (f(x) + f(x + width)) / 2
    return total * width


async def worker(boss: str, number: int, first: int, last: int, width: float) -> None:
    """Report the area of a range."""
    await process.send(boss, (number, area(first, last, width)))


async def main(pieces: int, workers: int) -> object:
    """Return the integral."""
    width, share = (RIGHT - LEFT) / pieces, pieces // workers
    for number in range(workers):
        await process.spawn_link(worker, [process.self(), number, number * share, (number + 1) * share, width])
    return sum(part for _, part in sorted(await collect(workers)))


def answer(pieces: int, workers: int) -> object:
    """All in one sum; what rounding does to it is far below what is compared."""
    return area(0, pieces, (RIGHT - LEFT) / pieces)


PROGRAM = Program(
    "Trapezoid",
    main,
    answer,
    {"pieces": 2_000_000, "workers": 100},
    {"pieces": 500, "workers": 10},
    erlang="trapezoid",
)
