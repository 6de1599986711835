"""The soak commands work, and find nothing in the little time they have here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support import ROOT


@pytest.mark.os_processes
@pytest.mark.parametrize(("options", "programs"), [((), 30), (("--os",), 10)])
def test_soak(options: tuple[str, ...], programs: int) -> None:
    command = [sys.executable, "-m", "tests.invariants.soak", "--seconds", "60", "--programs", str(programs), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search(rf"^{programs} programs, \d+ signals, .* 0 violations in", done.stdout, re.MULTILINE), done.stdout
