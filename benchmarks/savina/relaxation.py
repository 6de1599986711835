"""SuccessiveOverRelaxation: a process a cell of a grid, red and black in turns, each asking its four neighbours.

Stresses many small exchanges between fixed neighbours; `side` of the grid, `iterations`.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, collect, numbers
from otpnode import process

OMEGA = 1.25


def grid_of(side: int) -> list[list[float]]:
    """Return the values at the start; the cells of the border keep them."""
    random = numbers(side)
    return [[next(random) / 0x7FFFFFFF * 1e-6 for _ in range(side)] for _ in range(side)]


def around(row: int, column: int) -> list[tuple[int, int]]:
    """Return the places of the four neighbours, in the order of their slots."""
    return [(row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)]


def relaxed(value: float, near: list[float]) -> float:
    """Return the next value of a cell."""
    return OMEGA / 4 * (near[0] + near[1] + near[2] + near[3]) + (1 - OMEGA) * value


async def cell(boss: str, place: tuple[int, int], value: float, near: list[float], iterations: int) -> None:
    """Be one cell. Red ones begin; a cell hears from each neighbour exactly once between two values of its own."""
    neighbours = await process.receive(match=lambda message: isinstance(message, list))
    red = sum(place) % 2 == 0
    for iteration in range(iterations):
        if iteration or not red:
            for _ in neighbours:
                slot, heard = await process.receive()
                near[slot] = heard
        value = relaxed(value, near)
        for pid, slot in neighbours:
            await process.send(pid, (slot, value))
    if red:
        for _ in neighbours:
            await process.receive()
    await process.send(boss, (place, value))


async def main(side: int, iterations: int) -> object:
    """Return the sum of all values, row by row."""
    grid = grid_of(side)
    cells = {}
    for row in range(1, side - 1):
        for column in range(1, side - 1):
            near = [grid[r][c] for r, c in around(row, column)]
            arguments = [process.self(), (row, column), grid[row][column], near, iterations]
            cells[row, column] = await process.spawn_link(cell, arguments)
    for place, pid in cells.items():
        neighbours = [(cells[one], 3 - slot) for slot, one in enumerate(around(*place)) if one in cells]
        await process.send(pid, neighbours)
    for (row, column), value in await collect(len(cells)):
        grid[row][column] = value
    return sum(map(sum, grid))


def answer(side: int, iterations: int) -> object:
    """The same in one loop."""
    grid = grid_of(side)
    inner = range(1, side - 1)
    for _ in range(iterations):
        for colour in (0, 1):
            for row, column in ((row, column) for row in inner for column in inner if (row + column) % 2 == colour):
                near = [grid[r][c] for r, c in around(row, column)]
                grid[row][column] = relaxed(grid[row][column], near)
    return sum(map(sum, grid))


PROGRAM = Program(
    "SuccessiveOverRelaxation", main, answer, {"side": 26, "iterations": 40}, {"side": 6, "iterations": 5}
)
