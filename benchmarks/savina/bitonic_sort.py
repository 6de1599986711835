"""BitonicSort: a network of comparisons as a pipeline; a process compares values a fixed distance apart.

Stresses a long pipeline in which values keep their order; `values`, a power of two.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, collect, numbers
from otpnode import process


async def comparator(span: int, distance: int, following: str, values: int) -> None:
    """Order pairs `distance` apart, upwards and downwards in turns of `span` values."""
    for first in range(0, values, 2 * distance):
        waiting = await collect(distance)
        upwards = not first & span
        later = []
        for early in waiting:
            late = await process.receive()
            if (early > late) == upwards:
                early, late = late, early
            await process.send(following, early)
            later.append(late)
        for late in later:
            await process.send(following, late)


def steps(values: int) -> list[tuple[int, int]]:
    """Return (span, distance) of all comparators, in the order of the pipeline."""
    found = []
    span = 2
    while span <= values:
        distance = span // 2
        while distance:
            found.append((span, distance))
            distance //= 2
        span *= 2
    return found


def unsorted(values: int) -> list[int]:
    """Return the values to sort."""
    random = numbers(values)
    return [next(random) for _ in range(values)]


async def source(following: str, values: int) -> None:
    """Send the values."""
    for value in unsorted(values):
        await process.send(following, value)


async def main(values: int) -> object:
    """Return the checksum of the sorted values."""
    following = process.self()
    for span, distance in reversed(steps(values)):
        following = await process.spawn_link(comparator, [span, distance, following, values])
    await process.spawn_link(source, [following, values])
    return checksum(await collect(values))


def answer(values: int) -> object:
    """Sort them."""
    return checksum(sorted(unsorted(values)))


PROGRAM = Program("BitonicSort", main, answer, {"values": 4_096}, {"values": 32})
