"""Is `Task.map` a fast enough pool?

The same items through `Task.map` and through the standard library's pools, on as many
shards as the pools have workers: 100 000 tiny items, where everything is overhead, and
64 coarse ones, where nothing should be. Pools and node are started, and have done one
small map, before the clock runs. Every case runs in a fresh interpreter and they take
turns, so that a slow minute of the machine meets all; the median of the rounds counts.

    python benchmarks/task_map.py [--rounds 5] [--workers 2] [--json FILE] [--check]

Read the ratios, not the seconds: these change with the machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import otpnode
from otpnode import Task

TINY = range(100_000)
COARSE = [2_000_000] * 64
WARM_UP = range(100)


def tiny(n: int) -> int:
    """Do next to nothing."""
    return n + 1


def coarse(n: int) -> int:
    """Compute for some 50 ms, in pure Python."""
    total = 0
    for k in range(n):
        total += k
    return total


# -- the cases, each the seconds of one map -------------------------------------------


def pool(func: Callable[[int], int], items: Any, workers: int) -> float:
    """`multiprocessing.Pool.map` with its own chunking."""
    with multiprocessing.Pool(workers) as made:
        made.map(tiny, WARM_UP)
        began = time.perf_counter()
        made.map(func, items)
        return time.perf_counter() - began


def executor(func: Callable[[int], int], items: Any, workers: int) -> float:
    """`ProcessPoolExecutor.map`, one item at a time."""
    with ProcessPoolExecutor(workers) as made:
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


def task_map(func: Callable[[int], int], items: Any, workers: int, chunk: Any) -> float:
    """`Task.map` on a node of its own."""
    return float(otpnode.run(in_node, func, items, chunk, schedulers=workers, log_level="error"))  # type: ignore[arg-type]


CASES: dict[str, Callable[[int], float]] = {
    "tiny, executor": lambda workers: executor(tiny, TINY, workers),
    "tiny, chunk=1": lambda workers: task_map(tiny, TINY, workers, 1),
    "tiny, pool": lambda workers: pool(tiny, TINY, workers),
    "tiny, chunk=auto": lambda workers: task_map(tiny, TINY, workers, "auto"),
    "coarse, pool": lambda workers: pool(coarse, COARSE, workers),
    "coarse, chunk=1": lambda workers: task_map(coarse, COARSE, workers, 1),
}


class Claim(NamedTuple):
    """How many times as fast as `other` `case` has to be."""

    case: str
    other: str
    at_least: float


CLAIMS = (
    Claim("tiny, chunk=1", "tiny, executor", 5.0),
    Claim("tiny, chunk=auto", "tiny, pool", 0.5),
    Claim("coarse, chunk=1", "coarse, pool", 0.97),
)


# -- taking turns ---------------------------------------------------------------------


def in_fresh_interpreter(case: str, workers: int) -> float:
    """Run one case in an interpreter of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--workers", str(workers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(rounds: int, workers: int, cases: list[str]) -> dict[str, list[float]]:
    """Let the cases take turns; returns the seconds of each round."""
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            seconds[case].append(in_fresh_interpreter(case, workers))
    return seconds


def main() -> int:
    """Measure and print; return 1 when a claim does not hold and `--check` was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all cases (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="workers, and shards (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--check", action="store_true", help="fail when a ratio is lower than claimed")
    parser.add_argument("--only", metavar="WORD", default="", help="only cases with this word")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(CASES[options.case](options.workers))
        return 0
    seconds = measure(options.rounds, options.workers, [case for case in CASES if options.only in case])
    medians = {case: statistics.median(values) for case, values in seconds.items()}
    for case, values in seconds.items():
        print(f"{case:<18}{medians[case]:>9.3f} s   ({min(values):.3f} … {max(values):.3f}, {len(values)} rounds)")
    ratios = {claim: medians[claim.other] / medians[claim.case] for claim in CLAIMS if claim.case in medians}
    print()
    for claim, ratio in ratios.items():
        print(f"{claim.case:<18}{ratio:>7.2f} × {claim.other:<16} (at least {claim.at_least})")
    if options.json:
        record = {"python": platform.python_version(), "machine": platform.platform(), "seconds": seconds}
        Path(options.json).write_text(json.dumps(record, indent=2), encoding="utf-8")
    return int(options.check and any(ratio < claim.at_least for claim, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
