"""UnbalancedCobwebbedTree: a process a node; the tree grows at random, then a request runs down and sums come up.

Stresses the start of processes by processes, and trees of them; `nodes` at most, `cost` turns of work a node.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, numbers
from otpnode import process

CHILDREN = 4


def shares(seed: int, nodes: int) -> list[int]:
    """Return how many nodes each child of a node gets that has `nodes` in its subtree, itself included."""
    random = numbers(seed)
    left = nodes - 1
    parts = []
    while left and len(parts) < CHILDREN - 1:
        parts.append(1 + next(random) % left)
        left -= parts[-1]
    return [*parts, left] if left else parts


def seed_of(seed: int, child: int) -> int:
    """Return the seed of a child."""
    return (seed * CHILDREN + child + 1) % 1_000_003


def work(seed: int, cost: int) -> int:
    """Use some time; return a number that depends on all of it."""
    value = seed
    for n in range(cost):
        value = (value * 31 + n) % 65_521
    return value


async def node(parent: str, seed: int, nodes: int, cost: int) -> None:
    """Grow the subtree and report its size; when asked, report the sum of its work."""
    me = process.self()
    children = []
    for child, share in enumerate(shares(seed, nodes)):
        children.append(await process.spawn_link(node, [me, seed_of(seed, child), share, cost]))
    grown = 1
    for _ in children:
        grown += (await process.receive())[1]
    await process.send(parent, ("grown", grown))
    await process.receive()
    for child in children:
        await process.send(child, ("compute",))
    total = work(seed, cost)
    for _ in children:
        total += (await process.receive())[1]
    await process.send(parent, ("computed", total))


async def main(nodes: int, cost: int) -> object:
    """Return the size of the tree and the sum of its work."""
    root = await process.spawn_link(node, [process.self(), 1, nodes, cost])
    _, grown = await process.receive()
    await process.send(root, ("compute",))
    _, total = await process.receive()
    return [grown, total]


def answer(nodes: int, cost: int) -> object:
    """Walk over the same tree."""
    total, todo = 0, [(1, nodes)]
    while todo:
        seed, size = todo.pop()
        total += work(seed, cost)
        todo += [(seed_of(seed, child), share) for child, share in enumerate(shares(seed, size))]
    return [nodes, total]


PROGRAM = Program("UnbalancedCobwebbedTree", main, answer, {"nodes": 6_000, "cost": 200}, {"nodes": 60, "cost": 10})
