"""Sieve: numbers run through a pipeline; each process knows some primes and drops their multiples.

Stresses a pipeline that grows while it is used; primes below `limit`, `primes` of them a process.
"""

from __future__ import annotations

from benchmarks.savina.program import Program
from otpnode import process


async def sieve(number: int | tuple[str, int], boss: str, room: int) -> None:
    """Keep the first primes that come, hand on what none of them divides; the last one reports the count."""
    primes: list[int] = []
    following = None
    while isinstance(number, int):
        for prime in primes:
            if number % prime == 0:
                break
        else:
            if len(primes) < room:
                primes.append(number)
            elif following is None:
                following = await process.spawn_link(sieve, [number, boss, room])
            else:
                await process.send(following, number)
        number = await process.receive()
    _, counted = number
    if following is None:
        await process.send(boss, counted + len(primes))
    else:
        await process.send(following, ("end", counted + len(primes)))


async def main(limit: int, primes: int) -> object:
    """Return how many primes there are."""
    first = await process.spawn_link(sieve, [2, process.self(), primes])
    for number in range(3, limit, 2):
        await process.send(first, number)
    await process.send(first, ("end", 0))
    return await process.receive()


def answer(limit: int, primes: int) -> object:
    """Eratosthenes, in one list."""
    is_prime = [False, False] + [True] * (limit - 2)
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            for multiple in range(number * number, limit, number):
                is_prime[multiple] = False
    return sum(is_prime)


PROGRAM = Program("Sieve", main, answer, {"limit": 40_000, "primes": 150}, {"limit": 500, "primes": 12}, erlang="sieve")
