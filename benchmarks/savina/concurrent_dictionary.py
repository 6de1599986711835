"""ConcurrentDictionary: workers read and write one dictionary, which a server keeps.

Stresses calls of many to one server; `workers`, `requests` of each, `writes` of them per hundred.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, collect, numbers
from otpnode import GenServer, Sender, process

KEYS = 5_000


class Dictionary(GenServer):
    """Keeps the dictionary."""

    def init(self) -> dict[int, int]:
        return {}

    def handle_call(self, request: tuple, sender: Sender, /) -> object:
        match request:
            case ("read", key):
                return self.state.get(key)
            case ("write", key, value):
                self.state[key] = value
                return "written"
            case _:
                return sorted(self.state.items())


def requests_of(number: int, requests: int, writes: int) -> list[tuple]:
    """Return what a worker will ask for."""
    random = numbers(number)
    made = []
    for _ in range(requests):
        key = next(random) % KEYS
        made.append(("write", key, key * key) if next(random) % 100 < writes else ("read", key))
    return made


async def worker(number: int, boss: str, server: str, requests: int, writes: int) -> None:
    """Make the requests; count the reads that found what was written, and those that found nothing."""
    right = 0
    for request in requests_of(number, requests, writes):
        reply = await Dictionary.call(server, request)
        match request:
            case ("read", key):
                right += reply in (None, key * key)
            case _:
                right += reply == "written"
    await process.send(boss, right)


async def main(workers: int, requests: int, writes: int) -> object:
    """Return how many replies were right, how many keys there are at the end, and their checksum."""
    server = await Dictionary.start_link()
    for number in range(workers):
        await process.spawn_link(worker, [number, process.self(), server, requests, writes])
    right = sum(await collect(workers))
    items = await Dictionary.call(server, "items")
    await Dictionary.stop(server)
    return [right, len(items), checksum([value for _, value in items])]


def answer(workers: int, requests: int, writes: int) -> object:
    """All that was written is there, whatever the order."""
    made = [request for number in range(workers) for request in requests_of(number, requests, writes)]
    written = sorted({request[1:] for request in made if request[0] == "write"})
    return [workers * requests, len(written), checksum([value for _, value in written])]


PROGRAM = Program(
    "ConcurrentDictionary",
    main,
    answer,
    {"workers": 20, "requests": 1_500, "writes": 10},
    {"workers": 4, "requests": 25, "writes": 10},
    erlang="dictionary",
)
