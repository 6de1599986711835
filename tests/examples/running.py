"""Run the examples as their users do: as real programs, in every mode."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

MODES = ("one loop", "one scheduler", "two schedulers", "script on two schedulers")
"""The same program, four times: `otpnode.run` and `otpnode start`, on one shard and on two."""


def command(name: str, mode: str, *argv: str) -> list[str]:
    """Return the command that runs an example in a mode."""
    if mode in ("one loop", "script on two schedulers"):
        schedulers = "1" if mode == "one loop" else "2"
        return [sys.executable, str(EXAMPLES / f"{name}.py"), "--schedulers", schedulers, *argv]
    schedulers = "1" if mode == "one scheduler" else "2"
    start = [sys.executable, "-m", "otpnode", "start", "--schedulers", schedulers]
    return [*start, "--app-dir", str(EXAMPLES), f"{name}:main", *(["--", *argv] if argv else [])]


def environment() -> dict[str, str]:
    """Return an environment in which this checkout's package is found, installed or not."""
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{path}" if path else str(ROOT)}


def run(arguments: list[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; it must end well."""
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def eventually(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    """Wait until `condition` holds; `what` names it in the failure."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)
