"""Is `Task.map` a fast enough pool?

The same items through `Task.map` and through the standard library's pools, on as many
shards as the pools have workers: 100 000 tiny items, where everything is overhead, and
64 coarse ones, where nothing should be. Pools and node are started, and have done one
small map, before the clock runs.

    python benchmarks/task_map.py [--rounds 5] [--only tiny|auto|coarse] [--json FILE]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Case, Question, main

import otpnode
from otpnode import Task

TINY = range(100_000)
COARSE = [2_000_000] * 64
WARM_UP = range(100)
WORKERS = max(2, len(os.sched_getaffinity(0)))


def tiny(n: int) -> int:
    """Do next to nothing."""
    return n + 1


def coarse(n: int) -> int:
    """Compute for some 50 ms, in pure Python."""
    total = 0
    for k in range(n):
        total += k
    return total


def pool(func: Callable[[int], int], items: Any) -> float:
    """Return seconds of `multiprocessing.Pool.map` with its own chunking."""
    with multiprocessing.Pool(WORKERS) as made:
        made.map(tiny, WARM_UP)
        began = time.perf_counter()
        made.map(func, items)
        return time.perf_counter() - began


def executor(func: Callable[[int], int], items: Any) -> float:
    """Return seconds of `ProcessPoolExecutor.map`, one item at a time."""
    with ProcessPoolExecutor(WORKERS) as made:
        list(made.map(tiny, WARM_UP))
        began = time.perf_counter()
        list(made.map(func, items, chunksize=1))
        return time.perf_counter() - began


async def in_node(func: Callable[[int], int], items: Any, chunk: Any) -> float:
    """Be main: `Task.map` with defaults but for `chunk`."""
    await Task.map(tiny, WARM_UP)
    began = time.perf_counter()
    results = await Task.map(func, items, chunk=chunk)
    took = time.perf_counter() - began
    assert len(results) == len(items)
    return took


def task_map(func: Callable[[int], int], items: Any, chunk: Any) -> float:
    """Return seconds of `Task.map` on a node of its own."""
    return float(otpnode.run(in_node, func, items, chunk, schedulers=WORKERS))  # type: ignore[arg-type]


QUESTIONS = {
    "tiny": Question(
        "Task.map of 100,000 tiny items, one process an item",
        "s",
        {
            "Task.map": Case(lambda: task_map(tiny, TINY, 1)),
            "ProcessPoolExecutor.map": Case(lambda: executor(tiny, TINY), note="chunksize 1, its default"),
        },
        [("Task.map", "ProcessPoolExecutor.map", 5.0)],
        less=True,
    ),
    "auto": Question(
        "Task.map of 100,000 tiny items in chunks",
        "s",
        {
            "Task.map": Case(lambda: task_map(tiny, TINY, "auto"), note='chunk="auto"'),
            "Pool.map": Case(lambda: pool(tiny, TINY), note="its own chunks"),
        },
        [("Task.map", "Pool.map", 0.5)],
        less=True,
    ),
    "coarse": Question(
        "Task.map of 64 CPU-bound items",
        "s",
        {
            "Task.map": Case(lambda: task_map(coarse, COARSE, 1)),
            "Pool.map": Case(lambda: pool(coarse, COARSE)),
        },
        [("Task.map", "Pool.map", 0.97)],
        less=True,
    ),
}

if __name__ == "__main__":
    sys.exit(main(__file__, QUESTIONS))
