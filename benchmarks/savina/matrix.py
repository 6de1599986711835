"""RecursiveMatrixMultiplication: a product is eight products of quarters; workers split them or multiply.

Stresses matrices as messages; `size` of the matrices, `block` below which a worker multiplies, `workers`.
"""

from __future__ import annotations

from operator import mul

from benchmarks.savina.program import Program, checksum, numbers
from otpnode import process

Matrix = list[list[int]]


def matrix(seed: int, size: int) -> Matrix:
    """Return a matrix."""
    random = numbers(seed)
    return [[next(random) % 100 for _ in range(size)] for _ in range(size)]


def product(a: Matrix, b: Matrix) -> Matrix:
    """Return a·b."""
    columns = list(zip(*b, strict=True))
    return [[sum(map(mul, row, column)) for column in columns] for row in a]


def quarter(m: Matrix, top: int, left: int) -> Matrix:
    """Return one quarter of a matrix."""
    half = len(m) // 2
    return [row[left * half : (left + 1) * half] for row in m[top * half : (top + 1) * half]]


def split(row: int, column: int, a: Matrix, b: Matrix) -> list[tuple[int, int, Matrix, Matrix]]:
    """Return the eight products whose sum, by place, is the product of a and b at (row, column)."""
    half = len(a) // 2
    return [
        (row + i * half, column + j * half, quarter(a, i, k), quarter(b, k, j))
        for i in (0, 1)
        for j in (0, 1)
        for k in (0, 1)
    ]


async def worker(boss: str, block: int) -> None:
    """Split large products, compute small ones."""
    me = process.self()
    while (work := await process.receive()) is not None:
        row, column, a, b = work
        if len(a) > block:
            await process.send(boss, (me, "split", split(row, column, a, b)))
        else:
            await process.send(boss, (me, "product", (row, column, product(a, b))))


async def main(size: int, block: int, workers: int) -> object:
    """Be the master; return the checksum of the product."""
    idle = [await process.spawn_link(worker, [process.self(), block]) for _ in range(workers)]
    todo = [(0, 0, matrix(1, size), matrix(2, size))]
    result = [[0] * size for _ in range(size)]
    while todo or len(idle) < workers:
        while todo and idle:
            await process.send(idle.pop(), todo.pop())
        match await process.receive():
            case (pid, "split", parts):
                todo += parts
            case (pid, _, (top, left, part)):
                for target, row in zip(result[top : top + len(part)], part, strict=True):
                    for column, value in enumerate(row, left):
                        target[column] += value
        idle.append(pid)
    for pid in idle:
        await process.send(pid, None)
    return checksum([value for row in result for value in row])


def answer(size: int, block: int, workers: int) -> object:
    """The product, at once."""
    return checksum([value for row in product(matrix(1, size), matrix(2, size)) for value in row])


PROGRAM = Program(
    "RecursiveMatrixMultiplication",
    main,
    answer,
    {"size": 256, "block": 32, "workers": 20},
    {"size": 16, "block": 4, "workers": 3},
)
