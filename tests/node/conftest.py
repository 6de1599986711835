"""Programs as OS processes: every test that launches one ends with nothing of it left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.node.support import ROOT, Run


class Launch(Protocol):
    """Start a program."""

    def __call__(self, command: list[str], *, cwd: Path = ROOT, **env: str) -> Run:
        """Start `command` with `env` added to the environment."""
        ...


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start programs; afterwards each is killed and reaped, and nothing may have outlived it."""
    runs: list[Run] = []

    def begin(command: list[str], *, cwd: Path = ROOT, **env: str) -> Run:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        # It would make two writes of each line, and hide that somebody forgot to flush.
        environment.pop("PYTHONUNBUFFERED", None)
        run = Run(command, tmp_path / f"run{len(runs)}", cwd, environment)
        runs.append(run)
        return run

    yield begin
    left = {run.pid: run.close() for run in runs}
    survivors = {pid: pids for pid, pids in left.items() if pids}
    assert not survivors, f"outlived their program: {survivors}"
