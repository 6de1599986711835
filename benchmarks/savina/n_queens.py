"""NQueens: a master hands out boards, workers place the next queen or, near the end, count solutions.

Stresses divide and conquer by one queue of work; `size` of the board, `workers`, boards split up to `depth` queens.
"""

from __future__ import annotations

from benchmarks.savina.program import Program
from otpnode import process

SOLUTIONS = {1: 1, 4: 2, 5: 10, 6: 4, 7: 40, 8: 92, 9: 352, 10: 724, 11: 2680}


def fits(board: list[int], column: int) -> bool:
    """Say whether a queen of the next row may stand in a column."""
    row = len(board)
    return all(other != column and abs(other - column) != row - place for place, other in enumerate(board))


def solutions(board: list[int], size: int) -> int:
    """Return in how many ways a board can be completed."""
    if len(board) == size:
        return 1
    return sum(solutions([*board, column], size) for column in range(size) if fits(board, column))


async def worker(boss: str, size: int, depth: int) -> None:
    """Split boards with few queens, complete the others."""
    me = process.self()
    while (board := await process.receive()) is not None:
        if len(board) < depth:
            await process.send(boss, (me, [[*board, column] for column in range(size) if fits(board, column)], 0))
        else:
            await process.send(boss, (me, [], solutions(board, size)))


async def main(size: int, workers: int, depth: int) -> object:
    """Be the master; return how many solutions there are."""
    idle = [await process.spawn_link(worker, [process.self(), size, depth]) for _ in range(workers)]
    boards: list[list[int]] = [[]]
    total = 0
    while boards or len(idle) < workers:
        while boards and idle:
            await process.send(idle.pop(), boards.pop())
        pid, more, found = await process.receive()
        idle.append(pid)
        boards += more
        total += found
    for pid in idle:
        await process.send(pid, None)
    return total


def answer(size: int, workers: int, depth: int) -> object:
    """These are known."""
    return SOLUTIONS[size]


PROGRAM = Program(
    "NQueens",
    main,
    answer,
    {"size": 10, "workers": 20, "depth": 3},
    {"size": 5, "workers": 3, "depth": 2},
    erlang="n_queens",
)
