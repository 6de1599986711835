"""ThreadRing: processes in a ring hand on one token.

Stresses the switch from process to process; `processes` in the ring, `hops` of the token.
"""

from __future__ import annotations

from benchmarks.savina.program import Program
from otpnode import process


async def link(number: int, boss: str) -> None:
    """Hand on the token, less one; whoever gets 0 is reported."""
    neighbour = await process.receive(match=lambda message: isinstance(message, str))
    while True:
        token = await process.receive()
        if token == 0:
            await process.send(boss, number)
        elif token == "end":
            return
        else:
            await process.send(neighbour, token - 1)


async def main(processes: int, hops: int) -> object:
    """Return the number of the process that got 0."""
    ring = [await process.spawn_link(link, [number, process.self()]) for number in range(processes)]
    for pid, neighbour in zip(ring, ring[1:] + ring[:1], strict=True):
        await process.send(pid, neighbour)
    await process.send(ring[0], hops)
    last = await process.receive()
    for pid in ring:
        await process.send(pid, "end")
    return last


def answer(processes: int, hops: int) -> object:
    """The token goes round."""
    return hops % processes


PROGRAM = Program(
    "ThreadRing",
    main,
    answer,
    {"processes": 100, "hops": 100_000},
    {"processes": 7, "hops": 100},
    erlang="thread_ring",
)
