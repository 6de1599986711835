"""Programs under test as OS processes: started in a session of their own, watched, signalled, and surely ended.

The session is the net: whatever a program starts belongs to it, orphans too, so "nothing is left" can be asked of the
operating system and needs no bookkeeping. What a program prints goes to files, because a pipe would be held open by
whoever outlives it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).resolve().parent / "apps"
PATIENCE = 120.0
"""Seconds that anything may take on a noisy machine; nothing here is about speed."""
SOON = 10.0
"""Ten times the second within which no shard may be alive after its supervisor."""


def eventually(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> object:
    """Return the first true answer of `condition`; `what` names it in the failure."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.005)


def start(target: str, *options: str, schedulers: str | int = 2, args: tuple[str, ...] = ()) -> list[str]:
    """Return the command line that runs ``tests.node.apps.<target>`` on a node."""
    command = [sys.executable, "-m", "otpnode", "start", "--schedulers", str(schedulers), *options]
    return [*command, f"tests.node.apps.{target}", *(["--", *args] if args else [])]


def script(name: str, *args: str) -> list[str]:
    """Return the command line that runs a script of the apps, as its user would."""
    return [sys.executable, str(APPS / f"{name}.py"), *args]


class Member(NamedTuple):
    """One OS process of a session."""

    pid: int
    ppid: int
    state: str


def members(session: int) -> list[Member]:
    """List the OS processes of a session, zombies (state ``Z``) included."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            text = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, ppid, _, sid = text.rpartition(")")[2].split()[:4]
        if int(sid) == session:
            found.append(Member(int(name), int(ppid), state))
    return found


class Run:
    """A program under test."""

    def __init__(self, command: list[str], folder: Path, cwd: Path, env: dict[str, str]) -> None:
        self._folder = folder
        folder.mkdir()
        with open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
            self.popen = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        self.pid = self.popen.pid

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return (self._folder / "out").read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return (self._folder / "err").read_text(encoding="utf-8", errors="replace")

    def told(self) -> str:
        """Put everything it wrote into one text, for failures."""
        return f"\n--- stdout\n{self.out[-6000:]}\n--- stderr\n{self.err[-6000:]}"

    def line(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait until stdout holds `pattern`."""
        return self._find(lambda: self.out, pattern, timeout)

    def complaint(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait until stderr holds `pattern`."""
        return self._find(lambda: self.err, pattern, timeout)

    def _find(self, text: Callable[[], str], pattern: str, timeout: float) -> re.Match[str]:
        deadline = time.monotonic() + timeout
        while True:
            ended = self.popen.poll() is not None
            found = re.search(pattern, text(), re.MULTILINE)
            if found:
                return found
            assert not ended, f"ended with {self.popen.returncode} before it wrote {pattern!r}{self.told()}"
            assert time.monotonic() < deadline, f"did not write {pattern!r} within {timeout} s{self.told()}"
            time.sleep(0.005)

    def ready(self) -> None:
        """Wait for the ready line."""
        self.complaint(r"^otpnode: \d+ shards? ready")

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the program's own end; return its exit status as ``Popen.returncode``."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s{self.told()}") from None

    def ends_with(self, code: int, timeout: float = PATIENCE) -> None:
        """Wait for its end, which must be `code`, and find nothing of it left."""
        ended = self.wait(timeout)
        assert ended == code, f"exit status {ended}, not {code}{self.told()}"
        self.nothing_left()

    def passes(self, timeout: float = PATIENCE) -> None:
        """Wait for the end of a program that checks things itself; it must end well and say so."""
        self.ends_with(0, timeout)
        assert re.search(r"^passed$", self.out, re.MULTILINE), f"it did not get to its end{self.told()}"

    def kill(self, signum: int = signal.SIGTERM) -> None:
        """Send a signal to the program itself."""
        self.popen.send_signal(signum)

    def ctrl_c(self) -> None:
        """Send SIGINT to its whole process group, as a terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def children(self) -> list[int]:
        """Return the pids of its child processes, those of a node's shards for ``otpnode start``."""
        return [child.pid for child in psutil.Process(self.pid).children()]

    def alive(self) -> list[int]:
        """Return everything of its session that runs."""
        return [one.pid for one in members(self.pid) if one.state not in "ZX"]

    def zombies(self) -> list[int]:
        """Return the dead of its session that nobody has collected, itself excepted."""
        return [one.pid for one in members(self.pid) if one.state == "Z" and one.pid != self.pid]

    def nothing_left(self, timeout: float = SOON) -> None:
        """Wait until nothing of its session runs."""
        eventually(lambda: not self.alive(), f"the end of {self.alive()}{self.told()}", timeout)

    def close(self) -> list[int]:
        """End and reap what is left; return who outlived the program by itself."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        deadline = time.monotonic() + SOON
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in left:
            kill_quietly(pid)
        return left


def kill_quietly(pid: int) -> None:
    """SIGKILL one process that may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def count(pattern: str, text: str) -> int:
    """Count the lines that hold `pattern`."""
    return sum(1 for line in text.splitlines() if re.search(pattern, line))
