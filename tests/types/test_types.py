"""What type checkers say of programs that use otpnode: nothing of right ones, and each mistake of wrong ones.

The programs end a line with ``# error`` where both checkers must complain, in their strict modes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import ROOT

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "programs").glob("*.py"))
LIMIT_SECONDS = 300

Complaints = dict[str, set[int]]
"""File name → the lines a checker complains of."""


def run(*command: str, cwd: Path) -> str:
    """Run a checker; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    return done.stdout or done.stderr


def by_mypy() -> Complaints:
    """Ask mypy."""
    text = run("mypy", "--strict", "--no-error-summary", *map(str, PROGRAMS), cwd=ROOT)
    found: Complaints = {}
    for line in text.splitlines():
        match = re.match(r"(?P<file>[^:]+):(?P<line>\d+): (error|note)", line)
        assert match, text
        if match[3] == "error":
            found.setdefault(Path(match["file"]).name, set()).add(int(match["line"]))
    return found


def by_pyright() -> Complaints:
    """Ask pyright; skips where its Node cannot be had."""
    text = run("pyright", "--outputjson", "--pythonpath", sys.executable, cwd=HERE)
    try:
        diagnostics = json.loads(text[text.index("{") :])["generalDiagnostics"]
    except ValueError:
        pytest.skip(f"pyright does not run here, it needs Node: {text.strip()[-300:]}")
    found: Complaints = {}
    for each in diagnostics:
        found.setdefault(Path(each["file"]).name, set()).add(each["range"]["start"]["line"] + 1)
    return found


def wanted() -> Complaints:
    """Read the marks."""
    marked = {
        path.name: {
            number
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if line.endswith("# error")
        }
        for path in PROGRAMS
    }
    return {name: lines for name, lines in marked.items() if lines}


@pytest.mark.parametrize(("checker", "ask"), [("mypy", by_mypy), ("pyright", by_pyright)])
def test_checkers_find_the_mistakes_and_nothing_else(checker: str, ask: Callable[[], Complaints]) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed; `pip install -e '.[dev]'` does it")
    assert ask() == wanted()


def test_the_programs_have_mistakes_of_every_kind() -> None:
    assert sum(map(len, wanted().values())) > 20
    assert "right.py" not in wanted()
