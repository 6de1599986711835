"""RadixSort: a pipeline with a process for each bit; a process holds back what has its bit set.

Stresses a pipeline that waits for all values at each stage; `values` of `bits` bits.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, collect, numbers
from otpnode import process


async def stage(bit: int, following: str, values: int) -> None:
    """Forward at once what has not the bit, at the end what has it, both in order."""
    held_back = []
    for _ in range(values):
        value = await process.receive()
        if value & bit:
            held_back.append(value)
        else:
            await process.send(following, value)
    for value in held_back:
        await process.send(following, value)


def unsorted(values: int, bits: int) -> list[int]:
    """Return the values to sort."""
    random = numbers(values)
    return [next(random) % (1 << bits) for _ in range(values)]


async def source(following: str, values: int, bits: int) -> None:
    """Send the values."""
    for value in unsorted(values, bits):
        await process.send(following, value)


async def main(values: int, bits: int) -> object:
    """Return the checksum of the sorted values."""
    following = process.self()
    for bit in reversed(range(bits)):
        following = await process.spawn_link(stage, [1 << bit, following, values])
    await process.spawn_link(source, [following, values, bits])
    return checksum(await collect(values))


def answer(values: int, bits: int) -> object:
    """Sort them."""
    return checksum(sorted(unsorted(values, bits)))


PROGRAM = Program(
    "RadixSort", main, answer, {"values": 8_000, "bits": 30}, {"values": 60, "bits": 8}, erlang="radix_sort"
)
