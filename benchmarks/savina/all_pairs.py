"""AllPairsShortestPath: Floyd and Warshall by blocks; a process keeps a block and needs those of its row and column.

Stresses broadcasts among processes and selective receive; `nodes` of a graph, `block` the side of a block.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, numbers
from otpnode import process

Block = list[list[int]]


def weights(nodes: int) -> Block:
    """Return the graph, as a matrix of weights."""
    random = numbers(nodes)
    return [[0 if row == column else 1 + next(random) % 100 for column in range(nodes)] for row in range(nodes)]


def relax(mine: Block, left: Block, top: Block) -> None:
    """Make paths shorter that can go by way of the nodes of a block: left[i][k] + top[k][j]."""
    for k, onwards in enumerate(top):
        for row, to_k in zip(mine, left, strict=True):
            here = to_k[k]
            for j, onward in enumerate(onwards):
                if here + onward < row[j]:
                    row[j] = here + onward


async def keeper(boss: str, row: int, column: int, mine: Block) -> None:
    """Keep the block at (row, column), through all rounds."""
    everybody: dict[tuple[int, int], str] = await process.receive(match=lambda message: isinstance(message, dict))
    side = 1 + max(everybody)[0]

    async def block_of(turn: int, place: tuple[int, int]) -> Block:
        is_it = ("block", turn, place)
        _, _, _, block = await process.receive(match=lambda message: message[:3] == is_it)
        return block

    async def tell(turn: int, places: list[tuple[int, int]]) -> None:
        copy = [list(line) for line in mine]
        for place in places:
            if place != (row, column):
                await process.send(everybody[place], ("block", turn, (row, column), copy))

    for turn in range(side):
        if row == column == turn:
            relax(mine, mine, mine)
            await tell(turn, [(turn, n) for n in range(side)] + [(n, turn) for n in range(side)])
        elif row == turn:
            relax(mine, await block_of(turn, (turn, turn)), mine)
            await tell(turn, [(n, column) for n in range(side)])
        elif column == turn:
            relax(mine, mine, await block_of(turn, (turn, turn)))
            await tell(turn, [(row, n) for n in range(side)])
        else:
            left = await block_of(turn, (row, turn))
            relax(mine, left, await block_of(turn, (turn, column)))
    await process.send(boss, ((row, column), mine))


async def main(nodes: int, block: int) -> object:
    """Return the checksum of all distances."""
    matrix, side = weights(nodes), range(nodes // block)
    everybody = {}
    for row in side:
        for column in side:
            rows = matrix[row * block : (row + 1) * block]
            mine = [line[column * block : (column + 1) * block] for line in rows]
            everybody[row, column] = await process.spawn_link(keeper, [process.self(), row, column, mine])
    for pid in everybody.values():
        await process.send(pid, everybody)
    blocks = dict([await process.receive() for _ in everybody])
    return checksum(
        [value for row in side for line in range(block) for column in side for value in blocks[row, column][line]]
    )


def answer(nodes: int, block: int) -> object:
    """Floyd and Warshall, in one matrix."""
    matrix = weights(nodes)
    relax(matrix, matrix, matrix)
    return checksum([value for line in matrix for value in line])


PROGRAM = Program("AllPairsShortestPath", main, answer, {"nodes": 240, "block": 40}, {"nodes": 12, "block": 3})
