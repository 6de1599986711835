"""A million idle processes on one shard: bytes each, seconds to spawn, the longest pause, seconds to tear down.

One run in one fresh interpreter, default options. The end is the orderly stop that every
node has: main returns, everybody gets ``'shutdown'``, and `otpnode.run` returns when the
last is gone. The time of it is taken from main's return to run's.

    python benchmarks/million.py [--processes 1000000] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import machine
from local import idle, resident

import otpnode
from otpnode import process


class Pauses:
    """Notices how long the loop did not come back to it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = perf_counter()
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        now = perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self._loop.call_soon(self._look)


async def fill(processes: int) -> dict[str, float]:
    """Spawn so many idle processes, let all of them wait, and say what it took."""
    await process.spawn(idle, on="local")
    await asyncio.sleep(0.1)
    pauses = Pauses()
    before, began = resident(), perf_counter()
    for number in range(processes):
        await process.spawn(idle, on="local")
        if number % 100 == 99:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    took = perf_counter() - began
    return {
        "bytes each": (resident() - before) / processes,
        "seconds to spawn": took,
        "longest pause, ms": pauses.longest * 1000,
        "main returned": perf_counter(),
    }


def measure(processes: int) -> dict[str, float]:
    """Run it, and add what the end took."""
    figures = otpnode.run(fill, processes)
    assert isinstance(figures, dict)
    figures["seconds to tear down"] = perf_counter() - figures.pop("main returned")
    return figures


def main() -> int:
    """Be the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=1_000_000, help="how many (--max-processes is 1048576)")
    parser.add_argument("--json", metavar="FILE", help="also write everything to FILE")
    options = parser.parse_args()
    figures = measure(options.processes)
    print(f"### {options.processes:,} idle processes on one shard\n\n| what | figure |\n|---|---:|")
    for name, figure in figures.items():
        print(f"| {name} | {figure:,.1f} |")
    if options.json:
        record = {"machine": machine(), "processes": options.processes, "figures": figures}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
