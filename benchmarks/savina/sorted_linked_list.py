"""ConcurrentSortedLinkedList: workers insert into one sorted linked list, look things up, ask its size.

Stresses a server that computes; `workers`, `requests` of each, `writes` and `sizes` of them per hundred.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, collect, numbers
from otpnode import GenServer, Sender, process

VALUES = 100_000


class SortedList(GenServer):
    """Keeps the list: nested pairs (value, rest), in lists because they change."""

    def init(self) -> list:
        return [None, None]

    def handle_call(self, request: tuple, sender: Sender, /) -> object:
        match request:
            case ("insert", value):
                before = self.before(value)
                before[1] = [value, before[1]]
                return "inserted"
            case ("contains", value):
                after = self.before(value)[1]
                return after is not None and after[0] == value
            case ("size",):
                return len(self.values())
            case _:
                return self.values()

    def before(self, value: int) -> list:
        """Return the last node with a smaller value."""
        node = self.state
        while node[1] is not None and node[1][0] < value:
            node = node[1]
        return node

    def values(self) -> list[int]:
        """Return all values."""
        found, node = [], self.state[1]
        while node is not None:
            found.append(node[0])
            node = node[1]
        return found


def requests_of(number: int, requests: int, writes: int, sizes: int) -> list[tuple]:
    """Return what a worker will ask for."""
    random = numbers(number)
    made = []
    for _ in range(requests):
        value, chance = next(random) % VALUES, next(random) % 100
        made.append(("size",) if chance < sizes else ("insert" if chance < sizes + writes else "contains", value))
    return made


async def worker(boss: str, server: str, requests: list[tuple]) -> None:
    """Make the requests; what one has inserted must be there."""
    mine: set[int] = set()
    right = 0
    for request in requests:
        reply = await SortedList.call(server, request)
        match request:
            case ("insert", value):
                mine.add(value)
                right += reply == "inserted"
            case ("contains", value):
                right += reply or value not in mine
            case _:
                right += reply >= len(mine)
    await process.send(boss, right)


async def main(workers: int, requests: int, writes: int, sizes: int) -> object:
    """Return how many replies were right, and the length and the checksum of the list."""
    server = await SortedList.start_link()
    for number in range(workers):
        mine = requests_of(number, requests, writes, sizes)
        await process.spawn_link(worker, [process.self(), server, mine])
    right = sum(await collect(workers))
    values = await SortedList.call(server, ("values",))
    await SortedList.stop(server)
    return [right, len(values), checksum(values)]


def answer(workers: int, requests: int, writes: int, sizes: int) -> object:
    """All that was inserted is there, in order."""
    made = [request for number in range(workers) for request in requests_of(number, requests, writes, sizes)]
    values = sorted(request[1] for request in made if request[0] == "insert")
    return [workers * requests, len(values), checksum(values)]


PROGRAM = Program(
    "ConcurrentSortedLinkedList",
    main,
    answer,
    {"workers": 20, "requests": 800, "writes": 10, "sizes": 1},
    {"workers": 4, "requests": 25, "writes": 10, "sizes": 4},
)
