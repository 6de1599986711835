"""Many recorded scenarios in one placement: run them on one node, compare, count."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.beam.compare import difference, outcomes, steps
from tests.beam.mappings import left_out
from tests.beam.scenario import PLACEMENTS, Placement, load

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "data"
PATIENCE = 600.0


@dataclass
class Tally:
    """What came of one placement."""

    placement: Placement
    files: int = 0
    steps: int = 0
    by_invariants: int = 0
    """Concurrent scenarios that came to an outcome Erlang was not seen to reach, and passed the invariants."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Why → which."""
    differences: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the tally as text."""
        head = f"{self.placement}: {self.steps} steps of {self.files} traces compared, {len(self.differences)} differ"
        if self.by_invariants:
            head += f"; {self.by_invariants} concurrent by invariants"
        reasons = self.left_out.items()
        return [head, *(f"  left out, {why}: {len(names)} ({_some(names)})" for why, names in reasons)]


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def recorded() -> list[Path]:
    """List the scenarios that were recorded on real Erlang, each with its trace beside it."""
    return sorted(DATA.glob("*/*.json"))


def run(files: Iterable[Path], placement: Placement, out: Path) -> str:
    """Run scenarios in a fresh interpreter, traces into `out`; returns what it said, empty when all went well."""
    command = [sys.executable, "-m", "tests.beam.runner", f"--{placement}", "--out", str(out)]
    try:
        done = subprocess.run(
            [*command, *map(str, files)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"still running after {PATIENCE:.0f} s"
    return "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stderr[-4000:]}"


def why_left_out(file: Path, placement: Placement) -> str:
    """Say why a recorded scenario is not compared in `placement`; empty when it is."""
    return left_out(load(file), file.with_suffix(".trace").read_text("utf-8"), placement)


def compare_all(files: Iterable[Path], placement: Placement, traces: Path, said: str = "") -> Tally:
    """Compare what a run has written with what is recorded beside the scenarios.

    Args:
        files: the scenarios.
        placement: where they ran.
        traces: the folder of the run's traces.
        said: what the run has said, shown for the traces it did not come to.
    """
    tally = Tally(placement)
    for file in files:
        scenario = load(file)
        oracle = file.with_suffix(".trace").read_text("utf-8")
        why = left_out(scenario, oracle, placement)
        if why:
            tally.left_out.setdefault(why, []).append(file.stem)
            continue
        tally.files += 1
        tally.steps += steps(oracle, scenario)
        trace = traces / f"{file.stem}.trace"
        if not trace.exists():
            tally.differences[file.stem] = f"the run did not come to it: {said}"
            continue
        candidate = trace.read_text("utf-8")
        found = difference(oracle, candidate, scenario)
        if found:
            tally.differences[file.stem] = found
        elif not set(outcomes(candidate, scenario)) <= set(outcomes(oracle, scenario)):
            tally.by_invariants += 1
    return tally


def run_and_compare(files: list[Path], placement: Placement, out: Path) -> Tally:
    """Run what is not left out, and compare."""
    said = run([file for file in files if not why_left_out(file, placement)], placement, out)
    return compare_all(files, placement, out, said)


def run_everywhere(files: list[Path], out: Path) -> list[Tally]:
    """Run and compare in every placement."""
    return [run_and_compare(files, placement, out / placement) for placement in PLACEMENTS]
