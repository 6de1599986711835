"""How does cost grow: with processes, mailbox depth, shards, message size, links, names?

Each point is measured in a fresh interpreter. What should not grow with the size is
given per item: a curve that is level is what is wanted, a knee has a reason.

    python benchmarks/growth.py [--quick] [--only processes|memory|…] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import machine
from local import idle, resident
from task_map import coarse, tiny

import otpnode
from otpnode import Task, process

BIG = 64 << 20


async def spawning(count: int) -> float:
    """Return microseconds a spawn, with as many alive in the end."""
    began = perf_counter()
    for _ in range(count):
        await process.spawn(idle, on="local")
    return (perf_counter() - began) / count * 1e6


async def memory(count: int) -> float:
    """Return bytes a live idle process."""
    for _ in range(100):
        await process.spawn(idle, on="local")
    before = resident()
    for _ in range(count):
        await process.spawn(idle, on="local")
    return (resident() - before) / count


async def fill(depth: int) -> None:
    """Put so many messages into the caller's mailbox."""
    me = process.self() or ""
    for number in range(depth):
        await process.send(me, number)


async def taking(depth: int) -> float:
    """Return microseconds a receive, from a mailbox so deep to empty."""
    await fill(depth)
    began = perf_counter()
    for _ in range(depth):
        await process.receive()
    return (perf_counter() - began) / depth * 1e6


async def by_ref(depth: int) -> float:
    """Return microseconds of a message to an alias and its receive by ref, behind so many others."""
    await fill(depth)
    began = perf_counter()
    for _ in range(1000):
        ref = process.alias(reply=True)
        await process.send(ref, (ref, 1))
        await process.receive(ref=ref)
    return (perf_counter() - began) / 1000 * 1e6


async def speed_up(shards: int) -> float:
    """Return how many times as fast 64 coarse items are as one after the other."""
    await Task.map(tiny, range(100))
    began = perf_counter()
    coarse(2_000_000)
    alone = 64 * (perf_counter() - began)
    began = perf_counter()
    await Task.map(coarse, [2_000_000] * 64)
    return alone / (perf_counter() - began)


async def swallow() -> None:
    """Say of every message that it was taken."""
    while True:
        sender, _ = await process.receive()  # type: ignore[misc]
        await process.send(sender, "taken")


async def throughput(size: int) -> float:
    """Return MB a second to the other shard, in messages of so many bytes, ten under way."""
    me = process.self() or ""
    other = await process.spawn(swallow, on=1 - process.shard_of(me))
    body = b"x" * size
    count = max(20, min(5000, BIG // size))
    began = perf_counter()
    for number in range(count):
        await process.send(other, (me, body))
        if number >= 10:
            await process.receive()
    for _ in range(10):
        await process.receive()
    return count * size / (perf_counter() - began) / 1e6


async def linking(count: int) -> float:
    """Return microseconds from a link to the EXIT of the other side, with so many links on one process."""
    process.process_flag("trap_exits", True)
    others = [await process.spawn(idle, on="local") for _ in range(count)]
    began = perf_counter()
    for other in others:
        await process.link(other)
    for other in others:
        await process.exit(other, "kill")
    for _ in others:
        await process.receive()
    return (perf_counter() - began) / count * 1e6


async def naming(count: int) -> float:
    """Return microseconds to register a name and look it up, on two shards, with so many registered in the end."""
    others = [await process.spawn(idle, on="local") for _ in range(count)]
    began = perf_counter()
    for number, other in enumerate(others):
        await process.register(f"name {number}", other)
        assert process.whereis(f"name {number}") == other
    return (perf_counter() - began) / count * 1e6


class Curve(NamedTuple):
    """One plot.

    Attributes:
        x, y: what stands at the axes.
        sizes: the points.
        program: run as main with the size.
        settings: of the node, made from the size.
        wanted: what the curve should look like, and what its knees are.
    """

    x: str
    y: str
    sizes: list[int]
    program: Callable[[int], Awaitable[float]]
    settings: Callable[[int], dict[str, Any]]
    wanted: str


def one_loop(size: int) -> dict[str, Any]:
    """Run on one loop with room for everything."""
    return {"max_processes": 1 << 21, "mailbox_limit": None}


def two_shards(size: int) -> dict[str, Any]:
    """Run on two shards."""
    return {"schedulers": 2}


DECADES = [100, 1_000, 10_000, 100_000, 1_000_000]
CURVES = {
    "processes": Curve("processes alive", "µs a spawn", DECADES, spawning, one_loop, "level"),
    "memory": Curve("processes alive", "bytes a process", DECADES[1:], memory, one_loop, "level"),
    "mailbox": Curve("messages queued", "µs a receive", DECADES, taking, one_loop, "level"),
    "by_ref": Curve("messages queued", "µs a receive by ref", DECADES, by_ref, one_loop, "level"),
    "shards": Curve(
        "shards",
        "speed-up of 64 CPU-bound items",
        [1, 2, 4, 8],
        speed_up,
        lambda size: {"schedulers": size},
        "grows to the number of cores",
    ),
    "size": Curve(
        "bytes a message",
        "MB/s to the other shard",
        [16, 256, 4_096, 65_536, 1 << 20, 16 << 20],
        throughput,
        two_shards,
        "grows until copying is all there is",
    ),
    "links": Curve("links of one process", "µs a link and its EXIT", DECADES[:4], linking, one_loop, "level"),
    "names": Curve("names registered", "µs a registration", DECADES[:4], naming, two_shards, "level"),
}


def in_fresh_interpreter(key: str, size: int) -> float:
    """Measure one point."""
    command = [sys.executable, str(Path(__file__).resolve()), "--point", key, str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def measure(keys: list[str], quick: bool) -> dict[str, list[tuple[int, float]]]:
    """Measure curves, the quick way without their last points."""
    found: dict[str, list[tuple[int, float]]] = {}
    for key in keys:
        curve = CURVES[key]
        sizes = [size for size in curve.sizes if not quick or size <= 65_536][: 3 if quick else None]
        found[key] = [(size, in_fresh_interpreter(key, size)) for size in sizes]
        points = ", ".join(f"{size:,}: {value:,.2f}" for size, value in found[key])
        print(f"{key} ({curve.y} by {curve.x}; wanted: {curve.wanted}): {points}", flush=True)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the first points")
    parser.add_argument("--only", choices=CURVES, help="one curve")
    parser.add_argument("--json", metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        curve, size = CURVES[options.point[0]], int(options.point[1])
        print(otpnode.run(curve.program, size, **curve.settings(size)))
        return 0
    found = measure([options.only] if options.only else list(CURVES), options.quick)
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine(), "curves": found}, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
