"""Quicksort: a process splits its list by a pivot, starts two for the parts, and joins what they return.

Stresses lists as messages, in a tree of processes; `values`, sorted without processes up to `threshold` of them.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, numbers
from otpnode import process


def split(values: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Return the values below the pivot, those equal to it, and those above."""
    pivot = values[len(values) // 2]
    return (
        [value for value in values if value < pivot],
        [value for value in values if value == pivot],
        [value for value in values if value > pivot],
    )


def sort(values: list[int]) -> list[int]:
    """Return the values sorted, in this process."""
    if len(values) < 2:
        return values
    below, equal, above = split(values)
    return sort(below) + equal + sort(above)


async def sorter(parent: str, side: str, values: list[int], threshold: int) -> None:
    """Send the values, sorted, to the parent."""
    if len(values) <= threshold:
        await process.send(parent, (side, sort(values)))
        return
    below, equal, above = split(values)
    me = process.self()
    await process.spawn_link(sorter, [me, "below", below, threshold])
    await process.spawn_link(sorter, [me, "above", above, threshold])
    parts = dict([await process.receive(), await process.receive()])
    await process.send(parent, (side, parts["below"] + equal + parts["above"]))


def unsorted(values: int) -> list[int]:
    """Return the values to sort."""
    random = numbers(values)
    return [next(random) for _ in range(values)]


async def main(values: int, threshold: int) -> object:
    """Return the checksum of the sorted values."""
    await process.spawn_link(sorter, [process.self(), "all", unsorted(values), threshold])
    _, values_sorted = await process.receive()
    return checksum(values_sorted)


def answer(values: int, threshold: int) -> object:
    """Sort them."""
    return checksum(sorted(unsorted(values)))


PROGRAM = Program(
    "Quicksort",
    main,
    answer,
    {"values": 200_000, "threshold": 4_096},
    {"values": 500, "threshold": 32},
    erlang="quicksort",
)
