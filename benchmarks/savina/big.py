"""Big: every process pings random others and answers their pings.

Stresses many mailboxes, many-to-many; `processes` that send `pings` each, one at a time.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, collect, numbers
from otpnode import process


async def pinger(number: int, boss: str, pings: int) -> None:
    """Ping random others, answer pings; report the first when done, the second at the end."""
    everybody = await process.receive(match=lambda message: isinstance(message, list))
    me = process.self()
    random = numbers(number)
    answered = 0

    async def ping() -> None:
        await process.send(everybody[next(random) % len(everybody)], ("ping", me))

    await ping()
    while True:
        match await process.receive():
            case ("ping", sender):
                answered += 1
                await process.send(sender, "pong")
            case "pong":
                pings -= 1
                await (ping() if pings else process.send(boss, "done"))
            case "end":
                await process.send(boss, answered)
                return


async def main(processes: int, pings: int) -> object:
    """Return how many pings were answered."""
    me = process.self()
    everybody = [await process.spawn_link(pinger, [number, me, pings]) for number in range(processes)]
    for pid in everybody:
        await process.send(pid, everybody)
    await collect(processes)
    for pid in everybody:
        await process.send(pid, "end")
    return sum(await collect(processes))


def answer(processes: int, pings: int) -> object:
    """Every ping is answered."""
    return processes * pings


PROGRAM = Program("Big", main, answer, {"processes": 120, "pings": 700}, {"processes": 8, "pings": 20}, erlang="big")
