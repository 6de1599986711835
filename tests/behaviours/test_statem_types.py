"""The types of GenStatem: a right program passes the type checker, each mistake of a wrong one is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

RIGHT = """
from __future__ import annotations

from typing import Any, Literal, assert_type

from otpnode import (
    IGNORE, Called, EventKind, EventTimeout, GenStatem, Keep, NamedTimeout, Next, NextEvent, Postpone, Repeat, ReplyTo,
    StateTimeout, Status, Stop, TimedOut,
)
from otpnode.behaviours.common.control import Ignore

State = Literal["locked", "open"]


class Door(GenStatem[State, int]):
    enter = True

    async def init(self, code: int) -> tuple[State, int, StateTimeout] | Ignore:
        return IGNORE if code == 0 else ("locked", code, StateTimeout(None))

    async def state_locked(self, kind: EventKind, content: object) -> Next[State] | None:
        assert_type(self.state, State)
        match kind, content:
            case Called(sender), self.data:
                return Next("open", [ReplyTo(sender, "welcome"), EventTimeout(1, "idle")])
            case TimedOut(name), _:
                self.data = 7
        return None

    def handle_event(self, kind: EventKind, content: Any, /) -> Next[State] | Keep | Repeat | Stop[Any] | None:
        if kind == "enter":
            return Keep([StateTimeout(1.5), NamedTimeout("n", 2)])
        if kind == "info":
            return Stop("over")
        return Repeat() if content else Keep([Postpone(), NextEvent("internal", 1)])

    def terminate(self, reason: object, /) -> None: ...

    def format_status(self, status: Status, /) -> Status:
        return status


class Untyped(GenStatem):
    def init(self, *args: Any) -> tuple[Any, Any]:
        return "a", None

    def handle_event(self, kind: Any, content: Any, /) -> Any:
        return Next(1)


async def main() -> None:
    pid = await Door.start_link([1], name="door", on=1, trap_exits=True)
    await Door.cast(pid, "x")
    await Door.stop("door", "normal", 1)
    print(await Door.call(pid, 1, timeout=None), Door.whereis("door"))
"""

WRONG = """
from __future__ import annotations

from typing import Literal

from otpnode import EventKind, GenStatem, Keep, NamedTimeout, Next, NextEvent, Reply, ReplyTo, StateTimeout

State = Literal["locked", "open"]


class Door(GenStatem[State, int]):
    def init(self) -> tuple[State, str]:  # wrong: override
        return "locked", "code"

    def state_locked(self, kind: EventKind, content: object) -> Next[State] | Keep:
        self.state = "open"  # wrong: misc
        self.data = "text"  # wrong: assignment
        if kind == "csat":  # wrong: comparison-overlap
            return Keep()
        if kind == "info":
            return Next("opne")  # wrong: arg-type
        if kind == "cast":
            return Keep(StateTimeout(1))  # wrong: arg-type
        return Keep([StateTimeout])  # wrong: list-item

    def handle_event(self, kind: EventKind, content: object, /) -> Reply[int]:  # wrong: override
        NextEvent("interanl")  # wrong: arg-type
        NamedTimeout("n", "1")  # wrong: arg-type
        ReplyTo("me", 1)  # wrong: arg-type
        return Reply(1)


async def main() -> None:
    await Door.start_link(1)  # wrong: arg-type
    await Door.call(7, "x")  # wrong: arg-type
"""


def complaints(source: str, folder: Path) -> list[tuple[int, str]]:
    """Return the lines the type checker complains about, and what of."""
    file = folder / "program.py"
    file.write_text(source, encoding="utf-8")
    options = ["--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"), "--config-file", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--follow-imports", "silent", str(file)],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.findall(r"^.*program\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert found or done.returncode == 0, done.stdout + done.stderr
    return [(int(line), code) for line, code in found]


def expected(source: str) -> list[tuple[int, str]]:
    """Return the lines that are marked as wrong."""
    marks = ((number, re.search(r"# wrong: ([\w-]+)$", line)) for number, line in enumerate(source.splitlines(), 1))
    return [(number, mark[1]) for number, mark in marks if mark]


@pytest.mark.parametrize("source", [RIGHT, WRONG], ids=["right", "wrong"])
def test_the_type_checker_finds_what_is_wrong_and_nothing_else(source: str, tmp_path: Path) -> None:
    assert complaints(source, tmp_path) == expected(source)
