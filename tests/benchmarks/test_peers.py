"""Peers stand in the tables where they are installed, and are gaps where they are not; the guard needs few of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LISTS = """
import json, suite

def listed(questions):
    return {f"{name}.{key}": list(question.cases) for name, key, question in questions}

peers = [
    [case.peer, case.run[0]]
    for *_, question in suite.everything() for case in question.cases.values() if not callable(case.run)
]
print(json.dumps([listed(suite.everything()), listed(suite.quick()), listed(suite.guarded()), peers]))
"""

GAPS = """
import json
from dataclasses import asdict
from harness import Case, Question, ask

def never():
    raise AssertionError("ran without what it needs")

peer = "no_such_module"
cases = {"script": Case(["with_pykka.py", "ask"], peer=peer), "function": Case(never, peer=peer)}
print(json.dumps(asdict(ask("none.py", "none", Question("q", "s", cases, [("script", "function", 1.0)]), 2))))
"""


def test_the_quick_run_leaves_out_what_is_slow_and_the_guard_what_has_no_ratio() -> None:
    everything, quick, guarded, _ = output(LISTS)
    assert "Thespian" in everything["calls.across"]
    assert quick["calls.across"] == [case for case in everything["calls.across"] if case != "Thespian"]
    assert guarded["local.pingpong"] == ["otpnode", "otpnode, pure Python", "two tasks, deque + future"]
    assert guarded["calls.across"] == ["otpnode", "xoscar"]


def test_every_peer_has_a_program_and_is_in_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = {re.split(r"\W", requirement)[0] for requirement in project["optional-dependencies"]["peers"]}
    *_, peers = output(LISTS)
    for module, program in peers:
        assert module in extra | {"escript"}
        assert (ROOT / "benchmarks" / "peers" / program).is_file()


@pytest.mark.os_processes
def test_a_peer_that_is_missing_is_a_gap_and_no_failure() -> None:
    answer = output(GAPS)
    assert answer["figures"] == {}
    assert answer["ratios"] == []
    assert answer["gaps"] == {
        "script": "no_such_module is not installed (make bench-peers)",
        "function": "no_such_module is not installed (pip install 'otpnode[bench]')",
    }


def output(program: str) -> list[dict[str, list[str]]] | dict[str, object]:
    """Return what a program prints that runs beside the benchmarks, as a script of theirs would."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
