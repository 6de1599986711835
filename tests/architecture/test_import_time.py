"""``import otpnode`` is light: what it needs comes on first use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

HEAVY = ["uvloop", "msgspec", "psutil"]

PROGRAM = """
import asyncio, json, sys, time
began = time.perf_counter()
import otpnode
print(json.dumps({"ms": (time.perf_counter() - began) * 1e3, "loaded": sorted(sys.modules)}))
"""


def test_importing_otpnode_loads_no_dependency(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(done.stdout)
    # The time depends on the machine and on what else it does, so it is told, not asserted.
    with capsys.disabled():
        print(f" import otpnode: {seen['ms']:.1f} ms more than import asyncio ", end="")
    assert [name for name in HEAVY if name in seen["loaded"]] == []
