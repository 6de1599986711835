"""AStar: a master keeps the open nodes by priority, workers expand some at a time and hand back what is left open.

Stresses work of unequal size from one queue; a cube of side `side`, `workers`, up to `threshold` nodes at a time.
"""

from __future__ import annotations

from heapq import heappop, heappush

from benchmarks.savina.program import Program
from otpnode import process

BATCH = 32
Node = tuple[int, int, int]
Open = tuple[int, int, Node]
"""The least cost by way of a node, the cost to it, the node."""


def toll(node: Node) -> int:
    """Return the cost of entering a node."""
    x, y, z = node
    return 1 + (x * 73_856_093 ^ y * 19_349_663 ^ z * 83_492_791) % 7


def expand(entry: Open, side: int, best: dict[Node, int], heap: list[Open]) -> None:
    """Open the neighbours of a node that are reached for less than before."""
    _, cost, (x, y, z) = entry
    for node in ((x - 1, y, z), (x + 1, y, z), (x, y - 1, z), (x, y + 1, z), (x, y, z - 1), (x, y, z + 1)):
        if min(node) >= 0 and max(node) < side:
            reached = cost + toll(node)
            if reached < best.get(node, reached + 1):
                best[node] = reached
                heappush(heap, (reached + 3 * (side - 1) - sum(node), reached, node))


async def worker(boss: str, side: int, threshold: int) -> None:
    """Expand what comes, cheapest first; give back the rest and the cost to the goal where it was reached."""
    goal = (side - 1,) * 3
    me = process.self()
    best: dict[Node, int] = {}
    while (work := await process.receive()) is not None:
        heap, bound = work
        heap = sorted(heap)
        for _ in range(threshold):
            if not heap or heap[0][0] >= bound:
                break
            entry = heappop(heap)
            if entry[2] == goal:
                bound = entry[1]
            elif entry[1] <= best.get(entry[2], entry[1]):
                expand(entry, side, best, heap)
        await process.send(boss, (me, [entry for entry in heap if entry[0] < bound], bound))


async def main(side: int, workers: int, threshold: int) -> object:
    """Be the master; return the cost of the cheapest way from corner to corner."""
    idle = [await process.spawn_link(worker, [process.self(), side, threshold]) for _ in range(workers)]
    start = (0, 0, 0)
    bound = 1_000_000_000
    heap: list[Open] = [(3 * (side - 1), 0, start)]
    best: dict[Node, int] = {start: 0}
    while heap or len(idle) < workers:
        while heap and idle:
            batch = [heappop(heap) for _ in range(min(BATCH, len(heap)))]
            current = [entry for entry in batch if entry[1] <= best[entry[2]] and entry[0] < bound]
            if current:
                await process.send(idle.pop(), (current, bound))
        if len(idle) < workers:
            pid, left, found = await process.receive()
            idle.append(pid)
            bound = min(bound, found)
            for entry in left:
                if entry[1] < best.get(entry[2], entry[1] + 1):
                    best[entry[2]] = entry[1]
                    heappush(heap, entry)
    for pid in idle:
        await process.send(pid, None)
    return bound


def answer(side: int, workers: int, threshold: int) -> object:
    """The same search with one queue."""
    heap: list[Open] = [(3 * (side - 1), 0, (0, 0, 0))]
    best: dict[Node, int] = {(0, 0, 0): 0}
    while heap[0][2] != (side - 1,) * 3:
        expand(heappop(heap), side, best, heap)
    return heap[0][1]


PROGRAM = Program(
    "AStar",
    main,
    answer,
    {"side": 20, "workers": 20, "threshold": 256},
    {"side": 6, "workers": 3, "threshold": 16},
)
