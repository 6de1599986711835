"""The specification's examples run word for word, and print the same on one loop as on two OS processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spec.examples import EXAMPLES

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


def run(source: str, schedulers: int, folder: Path) -> str:
    """Run a program on so many schedulers and return what it printed; it must end well."""
    file = folder / f"example_{schedulers}.py"
    file.write_text(source, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(file), str(schedulers)],
        cwd=folder,
        # Two OS processes print into one pipe: line by line, or the order would be that of their buffers.
        env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{source}\n{done.stdout}\n{done.stderr}"
    return without_pids(done.stdout)


def without_pids(text: str) -> str:
    """Replace each pid by its number in order of appearance: node and shard are in it, and differ."""
    seen: dict[str, str] = {}
    return re.sub(r"pid_[\w-]+\.\d+\.\d+\.\d+", lambda found: seen.setdefault(found[0], f"<pid {len(seen) + 1}>"), text)


@pytest.mark.os_processes
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_the_same_in_both_modes(name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    one, two = run(example.source, 1, tmp_path), run(example.source, 2, tmp_path)
    assert one == two
    assert one == example.prints


def test_the_masking_of_pids_keeps_apart_who_is_who() -> None:
    text = "pid_n1.0.1.2 and pid_n1.1.1.2 and pid_n1.0.1.2 again"
    assert without_pids(text) == "<pid 1> and <pid 2> and <pid 1> again"
