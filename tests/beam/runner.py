"""Run scenarios on otpnode and print their traces in the oracle's format.

    python -m tests.beam.runner [--single|--one-shard|--spread] [--loopback] [--repeat N] [--out DIR] FILE.json...

--single     one event loop (the default)
--one-shard  a node with two shards, every actor on shard 1, the driver on shard 0
--spread     a node with three shards or as many as `place` names, actors where `place` says; in a
             file that places nobody they take turns, so that the one-node corpus proves the
             identity rule too (unless it arms timers for pids, which Erlang has on one node only)
--loopback   the shards on one loop, joined by links in memory: quick, and a debugger sees all
--repeat N   run each scenario N times and print each distinct trace with its count
--out DIR    write DIR/<name>.trace instead of printing

How the end of a step is known, without waiting for a while, stands in `tests.beam.crew`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import otpnode
from otpnode.config import NodeConfig
from otpnode.process.hosting import run_main
from otpnode.scheduler.loopback_node import LoopbackNode
from tests.beam.crew import Loopback
from tests.beam.driver import main as drive_all
from tests.beam.scenario import SHARDS, Placement, load

MANY_RESTARTS = 1000
"""Scenarios kill shards as often as they like."""


def shards_for(placement: Placement, files: list[str]) -> int:
    """Return how many shards the node needs."""
    if placement == "single":
        return 1
    return 2 if placement == "one-shard" else max(SHARDS, *(load(file).shards for file in files))


async def on_one_loop(shards: int, files: list[str], placement: Placement, repeat: int, out: str) -> str:
    """Run everything on a loopback node."""
    async with LoopbackNode(NodeConfig(), shards=shards) as node:
        Loopback.node = node
        try:
            end = await run_main(node.shard, drive_all, (files, placement, repeat, out), lambda pid: None)
        finally:
            Loopback.node = None
    if end.error is not None:
        raise end.error
    return str(end.value)


def run(files: list[str], placement: Placement, *, loopback: bool, repeat: int, out: str) -> str:
    """Run the scenarios; returns what went wrong with the run itself."""
    shards = shards_for(placement, files)
    if loopback and shards > 1:
        return asyncio.run(on_one_loop(shards, files, placement, repeat, out))
    return str(otpnode.run(drive_all, files, placement, repeat, out, schedulers=shards, max_restarts=MANY_RESTARTS))


def main(argv: list[str]) -> int:
    """Parse the command line and run; the exit code says whether every scenario was run."""
    parser = argparse.ArgumentParser(prog="python -m tests.beam.runner")
    chosen = parser.add_mutually_exclusive_group()
    for name in ("single", "one-shard", "spread"):
        chosen.add_argument(f"--{name}", dest="placement", action="store_const", const=name)
    parser.add_argument("--loopback", action="store_true")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--out", default="")
    parser.add_argument("files", nargs="+")
    given = parser.parse_args(argv)
    if given.out:
        Path(given.out).mkdir(parents=True, exist_ok=True)
    wrong = run(given.files, given.placement or "single", loopback=given.loopback, repeat=given.repeat, out=given.out)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
