"""Fresh random programs, recorded on real Erlang and compared with otpnode.

    python -m tests.beam.fresh [--count N] [--seed SEED] [--keep DIR]

Six of ten programs are lockstep on one node, half of them wide (`tests.beam.wide`); one and
a half have concurrent steps; two and a half are spread over three nodes and lose some. What
differs is recorded once more, with time, before it counts. Exit code 0 when nothing differs,
1 when something does (it is printed, and kept with ``--keep``), 2 when there is no Erlang.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import SystemRandom
from time import perf_counter

from tests.beam.campaign import Tally, run_everywhere
from tests.beam.gen import scenario, write
from tests.beam.wide import wide_scenario

ORACLE = Path(__file__).resolve().parent / "beam_runner.escript"
PACKAGE = "erlang-base"

REPEAT = 12
"""How often Erlang runs a scenario with concurrent steps: its outcomes are a sample anyway."""

BATCH = 25
"""Scenarios of one call of the oracle."""

PATIENT_SETTLE = 500
"""Milliseconds Erlang waits after each step when a difference is looked into. At its usual 40 a busy machine may take
a spawn on another node for one that blocks, and records a story that Erlang would not tell again."""

SLACK = 30.0
"""Seconds that one scenario may take on Erlang."""


def record(files: list[Path], *options: str) -> Iterator[str]:
    """Record traces beside the scenarios; yields what went wrong."""
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        command = ["escript", str(ORACLE), *options, "--out", str(batch[0].parent), *map(str, batch)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SLACK * len(batch), check=False)
        if done.returncode:
            yield f"the oracle failed with exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def usable(files: list[Path]) -> list[Path]:
    """Return those that Erlang ran to their end."""
    traces = [(file, file.with_suffix(".trace")) for file in files]
    return [file for file, trace in traces if trace.exists() and "RUNNER CRASH" not in trace.read_text("utf-8")]


def generate(seed: str, count: int, folder: Path) -> tuple[list[Path], list[str]]:
    """Write and record `count` scenarios; returns the usable ones, and what went wrong."""
    at_once, spread, spread_wide, local = (round(count * share) for share in (0.15, 0.15, 0.1, 0.3))
    wide = count - at_once - spread - spread_wide - local
    here = write(f"{seed}L", local, folder) + write(f"{seed}W", wide, folder, wide_scenario)
    par = write(f"{seed}P", at_once, folder, partial(scenario, par=True))
    nodes = write(f"{seed}S", spread, folder, partial(scenario, shards=3))
    nodes += write(f"{seed}V", spread_wide, folder, partial(wide_scenario, shards=3))
    wrong = [*record(here), *record(par, "--repeat", str(REPEAT)), *record(nodes, "--nodes")]
    return usable([*here, *par, *nodes]), wrong


def recorded_anew(tallies: list[Tally], files: list[Path]) -> list[Path]:
    """Record what differs once more, with time; returns the scenarios, their traces are the new ones."""
    names = {name for tally in tallies for name in tally.differences}
    again = [file for file in files if file.stem in names]
    for file in again:
        kind = file.stem.split("_")[1][-1]
        options = ["--nodes"] if kind in "SV" else ["--repeat", str(REPEAT)] if kind == "P" else []
        print("\n".join(record([file], "--settle", str(PATIENT_SETTLE), *options)), end="", file=sys.stderr)
    return again


def report(tallies: list[Tally]) -> bool:
    """Print the counts and the differences; True when there are none."""
    for tally in tallies:
        print("\n".join(tally.lines()))
    for tally in tallies:
        for name, text in tally.differences.items():
            print(f"\n== {name}, {tally.placement}\n{text}")
    return not any(tally.differences for tally in tallies)


def main(argv: list[str]) -> int:
    """Parse the command line, record, compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.beam.fresh")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", default=str(SystemRandom().randrange(10**6)))
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args(argv)
    if shutil.which("escript") is None:
        print(f"escript: not found; it comes with Erlang, on Debian: apt-get install {PACKAGE}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        begun = perf_counter()
        files, wrong = generate(given.seed, given.count, folder)
        print(f"seed {given.seed}: {len(files)} programs recorded in {perf_counter() - begun:.0f} s", flush=True)
        print("\n".join(wrong), file=sys.stderr)
        tallies = run_everywhere(files, folder)
        equal = report(tallies)
        if not equal:
            again = recorded_anew(tallies, files)
            print(f"\n{len(again)} recorded anew, with {PATIENT_SETTLE} ms after each step:")
            equal = report(run_everywhere(again, folder))
    return 0 if equal and len(files) == given.count else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
