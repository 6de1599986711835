"""FS-03: random interruptions break no invariant and harm no neighbour; the command does the thousand."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support import ROOT


@pytest.mark.slow
@pytest.mark.os_processes
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_fs03_random_interruptions_keep_the_invariants_and_spare_the_neighbours(loop: str) -> None:
    command = [sys.executable, "-m", "tests.invariants.interruptions", "--count", "150", "--loop", loop]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search(r"^1[5-9]\d interruptions in .* 0 violations in", done.stdout, re.MULTILINE), done.stdout
