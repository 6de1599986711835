"""Run the word count three ways over the same files and compare the times.

What it shows: `wordcount.py` under ``otpnode start`` on every core, then on one, then
as a plain loop without otpnode; how much faster the cores make it, and what a program
pays for being made of processes when there is only one core. One broken file is added
to Python's standard library: the worker that gets it dies, and the count is right.

    make demo
    python examples/demo.py --rounds 3 [FOLDER …]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Run:
    """One way to do the job, done: `wall` includes starting and stopping Python."""

    name: str
    wall: float
    result: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long the job itself took: listing the files and counting them."""
        return float(self.result["seconds"])

    @property
    def speed(self) -> float:
        """Megabytes per second."""
        return float(self.result["bytes"]) / 1e6 / self.seconds


def ways(folders: list[str]) -> dict[str, list[str]]:
    """Return the command of each way to do the job, by name."""
    start = [sys.executable, "-m", "otpnode", "start", "--app-dir", str(HERE)]
    return {
        "--schedulers auto": [*start, "--schedulers", "auto", "wordcount:main", "--", *folders],
        "--schedulers 1": [*start, "--schedulers", "1", "wordcount:main", "--", *folders],
        "sequential": [sys.executable, str(HERE / "wordcount.py"), "--sequential", *folders],
    }


def do(name: str, command: list[str], scratch: Path, *, quiet: bool) -> Run:
    """Run one command; its report is shown unless `quiet`, its progress always."""
    answer = scratch / "result.json"
    answer.unlink(missing_ok=True)
    print(f"\n== {name}", flush=True)
    began = time.perf_counter()
    finished = subprocess.run([*command, "--json", str(answer)], stdout=subprocess.DEVNULL if quiet else None)
    wall = time.perf_counter() - began
    if finished.returncode != 0:
        sys.exit(f"{name}: ended with exit code {finished.returncode}")
    run = Run(name, wall, json.loads(answer.read_text(encoding="utf-8")))
    if quiet:
        print(f"{run.seconds:.2f} s", flush=True)
    return run


def compare(runs: list[Run]) -> None:
    """Print the table, the spread over shards, and the two ratios."""
    every, one, plain = runs
    print(f"\n{'':<20}{'schedulers':>11}{'job s':>9}{'whole s':>9}{'MB/s':>8}")
    for run in runs:
        schedulers = run.result["schedulers"] or "-"
        print(f"{run.name:<20}{schedulers:>11}{run.seconds:>9.2f}{run.wall:>9.2f}{run.speed:>8.2f}")
    print("\nbytes done per shard, --schedulers auto:")
    for shard, done in every.result["bytes_per_shard"].items():
        print(f"  shard {shard}: {done:>12,} ({100 * done / every.result['bytes']:.0f} %)")
    print(f"broken files, left out by all three: {len(every.result['broken'])}")
    print(f"--schedulers 1 against sequential: {100 * (one.seconds / plain.seconds - 1):+.1f} % time")
    print(f"speedup {one.seconds / every.seconds:.2f}")


def check(runs: list[Run]) -> None:
    """End with an error unless every run counted the same."""
    for run in runs[1:]:
        for what in ("digest", "files", "bytes", "broken"):
            if run.result[what] != runs[0].result[what]:
                sys.exit(f"{run.name} and {runs[0].name} differ in {what}: this is a bug")


def main() -> None:
    """Run all three ways, as often as asked; the median of each counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_paths()["stdlib"]])
    parser.add_argument("--rounds", type=int, default=1, help="the median of so many (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpnode-demo-") as folder:
        scratch = Path(folder)
        broken = scratch / "broken"
        broken.mkdir()
        (broken / "broken.py").write_bytes(b"# -*- coding: no-such-encoding -*-\nanswer = 42\n")
        commands = ways([*options.folders, str(broken)])
        by_name: dict[str, list[Run]] = {name: [] for name in commands}
        for turn in range(max(options.rounds, 1)):
            for name, command in commands.items():
                quiet = turn > 0 or name != "--schedulers auto"
                by_name[name].append(do(name, command, scratch, quiet=quiet))
        check([run for runs in by_name.values() for run in runs])
    compare([sorted(runs, key=lambda run: run.seconds)[len(runs) // 2] for runs in by_name.values()])


if __name__ == "__main__":
    main()
