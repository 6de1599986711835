"""OnlineFacilityLocation: points come one by one; a square that has become too expensive opens a facility and splits.

Stresses a tree of processes that grows where the points are; `points` in a square of side `grid`.
A square knows the facilities of the squares around it, so the outcome does not depend on timing.
"""

from __future__ import annotations

from math import isqrt

from benchmarks.savina.program import Program, numbers
from otpnode import process

Point = tuple[int, int]


class Square:
    """What one square knows: its bounds, facilities, customers, and what these have cost."""

    def __init__(self, left: int, bottom: int, side: int, threshold: int, facilities: list[Point]) -> None:
        self.left, self.bottom, self.half, self.threshold = left, bottom, side // 2, threshold
        self.facilities = facilities
        self.customers: list[Point] = []
        self.cost = 0

    def add(self, point: Point) -> bool:
        """Take a customer; says whether the square must split."""
        x, y = point
        self.customers.append(point)
        self.cost += min(isqrt((x - a) ** 2 + (y - b) ** 2) for a, b in self.facilities)
        return self.cost > self.threshold and self.half > 1

    def split(self) -> list[tuple[int, int, int, int, list[Point]]]:
        """Open a facility in the middle; return the arguments of the four squares inside."""
        middle = (self.left + self.half, self.bottom + self.half)
        facilities = [*self.facilities, middle]
        return [
            (self.left + right * self.half, self.bottom + top * self.half, self.half, self.threshold, facilities)
            for top in (0, 1)
            for right in (0, 1)
        ]

    def quadrant(self, point: Point) -> int:
        """Return which of the four a point belongs to."""
        return 2 * (point[1] >= self.bottom + self.half) + (point[0] >= self.left + self.half)


async def square(parent: str, *bounds: object) -> None:
    """Take points, or hand them on to the four inside; report (facilities, customers, cost) at the end."""
    mine = Square(*bounds)
    inside: list[str] = []
    while (point := await process.receive()) is not None:
        if inside:
            await process.send(inside[mine.quadrant(point)], point)
        elif mine.add(point):
            me = process.self()
            inside = [await process.spawn_link(square, [me, *arguments]) for arguments in mine.split()]
    for pid in inside:
        await process.send(pid, None)
    report = [int(bool(inside)), len(mine.customers), mine.cost]
    for _ in inside:
        report = [one + other for one, other in zip(report, await process.receive(), strict=True)]
    await process.send(parent, report)


def customers(points: int, grid: int) -> list[Point]:
    """Return the points, more of them near the origin."""
    random = numbers(points)
    return [(next(random) % grid * (next(random) % grid) // grid, next(random) % grid) for _ in range(points)]


async def main(points: int, grid: int) -> object:
    """Return how many facilities were opened, how many customers there are, and their cost."""
    root = await process.spawn_link(square, [process.self(), 0, 0, grid, 4 * grid, [(grid // 2, grid // 2)]])
    for point in customers(points, grid):
        await process.send(root, point)
    await process.send(root, None)
    return await process.receive()


def answer(points: int, grid: int) -> object:
    """The same squares without processes."""
    root = Square(0, 0, grid, 4 * grid, [(grid // 2, grid // 2)])
    inside: dict[Square, list[Square]] = {}
    squares = [root]
    for point in customers(points, grid):
        here = root
        while here in inside:
            here = inside[here][here.quadrant(point)]
        if here.add(point):
            inside[here] = [Square(*arguments) for arguments in here.split()]
            squares += inside[here]
    return [len(inside), points, sum(one.cost for one in squares)]


PROGRAM = Program("OnlineFacilityLocation", main, answer, {"points": 40_000, "grid": 512}, {"points": 300, "grid": 64})
