"""A node of stub workers in OS processes of its own, driven from a test by JSON over a Unix socket.

Nothing is forked inside pytest: a fresh interpreter runs `tests.scheduler.stub_node`, whose workers connect back here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
T = TypeVar("T")


def eventually(probe: Callable[[], T | None], within: float = PATIENCE, what: str = "") -> T:
    """Return the first true answer of `probe`; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within} s: {what or probe}"
        # Not a wait for something to have happened: only the pace of asking.
        os.sched_yield()


class Worker:
    """A stub worker that has connected."""

    def __init__(self, connection: socket.socket, hello: dict[str, int]) -> None:
        self._file = connection.makefile("rwb", buffering=0)
        self._connection = connection
        self.shard: int = hello["shard"]
        self.incarnation: int = hello["incarnation"]
        self.pid: int = hello["pid"]
        self.supervisor: int = hello["supervisor"]

    @property
    def key(self) -> tuple[int, int]:
        return (self.shard, self.incarnation)

    def post(self, verb: str, *args: object) -> None:
        self._file.write(json.dumps([verb, *args]).encode() + b"\n")

    def answer(self) -> object:
        line = self._file.readline()
        assert line, f"worker {self.key} is gone"
        return json.loads(line)

    def ask(self, verb: str, *args: object) -> object:
        self.post(verb, *args)
        return self.answer()

    def events(self, kind: str = "") -> list[list[object]]:
        found = self.ask("events")
        assert isinstance(found, list)
        return [event for event in found if not kind or event[0] == kind]

    def waits_for(self, *event: object) -> None:
        eventually(lambda: list(event) in self.events(), what=f"{event} at {self.key}, has {self.events()}")

    def kill(self, signum: int = signal.SIGKILL) -> None:
        os.kill(self.pid, signum)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._connection.close()


class Node:
    """A supervisor with stub workers, and the listener they connect to."""

    def __init__(self, tmp: Path, **options: object) -> None:
        self.path = tmp / "s"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._listener.settimeout(0)
        self.workers: dict[tuple[int, int], Worker] = {}
        self._out = (tmp / "out").open("w+b")
        self._err = (tmp / "err").open("w+b")
        self.caller, theirs = socket.socketpair()
        prefix: list[str] = list(options.pop("prefix", ()))  # type: ignore[call-overload]
        options = {"path": str(self.path), "caller_fd": theirs.fileno() if options.get("caller") else None, **options}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.scheduler.stub_node", json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()

    @property
    def stdout(self) -> str:
        return _text(self._out.name)

    @property
    def stderr(self) -> str:
        return _text(self._err.name)

    def accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(True)
                connection.settimeout(PATIENCE)
                self._greet(connection)

    def _greet(self, connection: socket.socket) -> None:
        with connection.makefile("rb", buffering=0) as file:
            line = file.readline()
        if not line:
            # It died between connecting and speaking.
            connection.close()
            return
        worker = Worker(connection, json.loads(line))
        self.workers[worker.key] = worker

    def worker(self, shard: int, incarnation: int = 1) -> Worker:
        def probe() -> Worker | None:
            self.accept()
            return self.workers.get((shard, incarnation))

        return eventually(probe, what=f"worker {shard}.{incarnation} connects; {self.stderr}")

    def ready(self) -> None:
        eventually(lambda: "ready in" in self.stderr, what=f"the ready line in {self.stderr!r}")

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def wait(self, within: float = PATIENCE) -> int:
        return self.process.wait(within)

    def family(self) -> list[int]:
        """OS pids of the workers that are not ended, zombies too."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for closing in (self._listener, self._out, self._err, self.caller):
            closing.close()


def alive(pid: int) -> bool:
    """Tell whether an OS process is there and no zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def running(tmp: Path, *, ready: bool = True, **options: object) -> Iterator[Node]:
    """Run a node for a block, and leave nothing of it behind."""
    node = Node(tmp, **options)
    try:
        if ready:
            node.ready()
        yield node
    finally:
        node.accept()
        # Within a PID namespace the workers know other pids than we do; `--kill-child` ends those.
        pids = [] if "prefix" in options else [worker.pid for worker in node.workers.values()]
        node.close()
        eventually(lambda: not any(map(alive, pids)), what="no worker outlives its supervisor")


def _text(name: object) -> str:
    return Path(str(name)).read_text(errors="replace")
