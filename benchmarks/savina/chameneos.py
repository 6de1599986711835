"""Chameneos: creatures meet in pairs in a mall and change their colours.

Stresses contention for one mailbox; `creatures` of three colours, `meetings` in all.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, collect
from otpnode import process

BLUE, RED, YELLOW = range(3)


def complement(one: int, other: int) -> int:
    """Return the colour after a meeting: the third of two different ones."""
    return one if one == other else BLUE + RED + YELLOW - one - other


async def creature(mall: str, colour: int) -> None:
    """Ask for meetings until the mall closes, then say how many there were."""
    me = process.self()
    met = 0
    await process.send(mall, ("meet", me, colour))
    while True:
        match await process.receive():
            case ("meet", other, its_colour):
                colour = complement(colour, its_colour)
                await process.send(other, ("change", colour))
            case ("change", new):
                colour = new
            case "closed":
                await process.send(mall, met)
                return
        met += 1
        await process.send(mall, ("meet", me, colour))


async def main(creatures: int, meetings: int) -> object:
    """Be the mall; return how many meetings the creatures had, each counted by both."""
    for number in range(creatures):
        await process.spawn_link(creature, [process.self(), number % 3])
    waiting, left = None, meetings
    while left:
        _, pid, colour = await process.receive()
        if waiting is None:
            waiting = pid
        else:
            await process.send(waiting, ("meet", pid, colour))
            waiting, left = None, left - 1
    for _ in range(creatures):
        _, pid, _ = await process.receive(match=lambda message: isinstance(message, tuple))
        await process.send(pid, "closed")
    return sum(await collect(creatures))


def answer(creatures: int, meetings: int) -> object:
    """Two are in each meeting."""
    return 2 * meetings


PROGRAM = Program(
    "Chameneos",
    main,
    answer,
    {"creatures": 100, "meetings": 80_000},
    {"creatures": 10, "meetings": 60},
    erlang="chameneos",
)
