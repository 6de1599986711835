"""Where programs run: on one loop, on two shards in one loop, on two OS processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Protocol, cast

from otpnode.testing.topologies import NAMES
from otpnode.testing.topologies import make_topology as nodes_of
from tests.semantics.performing import SETTINGS, perform
from tests.semantics.program import Program
from tests.support import ROOT

TOPOLOGIES = NAMES
PIPE_LIMIT = 300.0


class Topology(Protocol):
    """A way to run a program."""

    name: str

    def run(self, program: Program) -> None:
        """Run `program`; raises when it fails."""
        ...


class InThisLoop:
    """The topologies of `otpnode.testing` without OS processes: a node for each program."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes = nodes_of(name, leaks=True, **SETTINGS)

    def run(self, program: Program) -> None:
        """Run `program` on a node of its own; what it leaves behind is ended by the stop, which is its own affair."""
        self._nodes.run(perform, program.module, program.name)


class PipeRuns:
    """What the programs of each module have come to on real OS processes: one boot for a whole module."""

    def __init__(self) -> None:
        self._reports: dict[str, dict[str, str]] = {}

    def report(self, program: Program) -> str:
        """Return the failure of `program`, empty when there is none; runs its module when it has not run."""
        reports = self._reports.get(program.module)
        if reports is None:
            reports = self._reports[program.module] = self._run(program.module)
        return reports.get(program.name, reports[""])

    def _run(self, module: str) -> dict[str, str]:
        """Run all programs of `module` in a fresh interpreter; under ``''`` stands what became of the run itself."""
        command = [sys.executable, "-m", "tests.semantics.pipe_main", module]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PIPE_LIMIT, check=False
            )
            out, err, how = done.stdout, done.stderr, f"exit code {done.returncode}"
        except subprocess.TimeoutExpired as late:
            out = (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else (late.stdout or "")
            err = (late.stderr or b"").decode() if isinstance(late.stderr, bytes) else (late.stderr or "")
            how = f"still running after {PIPE_LIMIT:.0f} s"
        reports = {"": f"the run did not get to it: {how}\n{err[-4000:]}"}
        for line in out.splitlines():
            if line.startswith("{"):
                entry = cast("dict[str, str]", json.loads(line))
                reports[entry["name"]] = entry["failure"]
        return reports


class Pipe:
    """Two OS processes."""

    name = "pipe"

    def __init__(self, runs: PipeRuns) -> None:
        self._runs = runs

    def run(self, program: Program) -> None:
        """Look up what came of `program`."""
        failure = self._runs.report(program)
        assert not failure, failure


def make_topology(name: str, runs: PipeRuns) -> Topology:
    """Make the topology called `name`."""
    return Pipe(runs) if name == "pipe" else InThisLoop(name)
