"""DiningPhilosophers: an arbitrator gives forks, two at a time or none.

Stresses requests that are refused and repeated; `philosophers` who each eat `rounds` times.
"""

from __future__ import annotations

from benchmarks.savina.program import Program
from otpnode import process


async def philosopher(seat: int, arbitrator: str, rounds: int) -> None:
    """Eat so often; a refusal means asking again."""
    me = process.self()
    for _ in range(rounds):
        await process.send(arbitrator, ("hungry", seat, me))
        while await process.receive() != "eat":
            await process.send(arbitrator, ("hungry", seat, me))
        await process.send(arbitrator, ("done", seat))
    await process.send(arbitrator, ("leave",))


async def main(philosophers: int, rounds: int) -> object:
    """Be the arbitrator; return how many meals there were, and how many forks are taken at the end."""
    for seat in range(philosophers):
        await process.spawn_link(philosopher, [seat, process.self(), rounds])
    taken = [False] * philosophers
    meals = 0
    seated = philosophers
    while seated:
        match await process.receive():
            case ("hungry", seat, pid):
                right = (seat + 1) % philosophers
                if taken[seat] or taken[right]:
                    await process.send(pid, "denied")
                else:
                    taken[seat] = taken[right] = True
                    meals += 1
                    await process.send(pid, "eat")
            case ("done", seat):
                taken[seat] = taken[(seat + 1) % philosophers] = False
            case _:
                seated -= 1
    return [meals, sum(taken)]


def answer(philosophers: int, rounds: int) -> object:
    """Everybody eats, and gives the forks back."""
    return [philosophers * rounds, 0]


PROGRAM = Program(
    "DiningPhilosophers",
    main,
    answer,
    {"philosophers": 20, "rounds": 1_000},
    {"philosophers": 5, "rounds": 10},
    erlang="philosophers",
)
