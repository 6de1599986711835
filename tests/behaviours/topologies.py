"""Where the programs of behaviours run: on one loop, on two shards in one loop, on two OS processes.

A program is a module-level ``async def test_…``, marked by `on_a_node`, that may take parameters. Where
there are two shards it runs on shard 0, and every server whose start does not say where lives on shard 1,
so that each call crosses over. On OS processes one node serves all programs of a file, one after another,
and nothing may be left of one when the next begins.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, ParamSpec, Protocol, overload

import pytest

from otpnode.behaviours.server.gen_server import GenServer
from otpnode.testing.topologies import NAMES as TOPOLOGIES
from otpnode.testing.topologies import make_topology
from tests.support import ROOT

P = ParamSpec("P")

GRACES: dict[str, Any] = {"exit_grace": 0.5, "kill_grace": 0.2}
BOOT_SECONDS = 30.0
LIMIT_SECONDS = 60.0
"""Seconds a program may take on OS processes before its node is given up."""

Given = Mapping[str, object]


class Topology(Protocol):
    """A way to run a program."""

    name: str

    def run(self, module: str, program: str, given: Given) -> None:
        """Run a program with its parameters; raises what it raises."""
        ...


def body_of(module: str, program: str) -> Callable[..., Awaitable[None]]:
    """Find the coroutine function of a test."""
    body: Callable[..., Awaitable[None]] = getattr(import_module(module), program).__wrapped__
    return body


async def perform(module: str, program: str, given: Given) -> None:
    """Be the process that runs a program."""
    await body_of(module, program)(**given)


@contextmanager
def servers_elsewhere() -> Iterator[None]:
    """Let every server start on shard 1 whose class and caller do not say where."""
    base: Any = next(cls for cls in GenServer.__mro__ if "on" in vars(cls))
    before, base.on = base.on, 1
    try:
        yield
    finally:
        base.on = before


class InThisLoop:
    """The topologies without OS processes: one shard, or two joined by links in memory; a node for each program."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes = make_topology(name, leaks=True, **GRACES)

    def run(self, module: str, program: str, given: Given) -> None:
        """Run a program on a node of its own; the node's stop ends what it leaves behind."""
        with servers_elsewhere() if self.name == "loop" else nullcontext():
            self._nodes.run(perform, module, program, given)


class Pipe:
    """Two OS processes, that run one program after another."""

    name = "pipe"

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
            door.settimeout(BOOT_SECONDS)
            door.bind(f"{folder}/door")
            door.listen()
            command = [sys.executable, "-m", "tests.behaviours.pipe_main", f"{folder}/door"]
            self._node = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
            try:
                self._line, _ = door.accept()
            except BaseException:
                self._node.kill()
                self._node.wait()
                raise
        self._line.settimeout(LIMIT_SECONDS)
        self._answers = self._line.makefile("r", encoding="utf-8")

    def run(self, module: str, program: str, given: Given) -> None:
        """Have the node run a program; one that does not come clean is replaced for those that follow."""
        request = [module, program, base64.b64encode(pickle.dumps(dict(given))).decode()]
        try:
            self._line.sendall(json.dumps(request).encode() + b"\n")
            failure, left = json.loads(self._answers.readline() or '["", "the node ended in the middle of it"]')
        except OSError as error:
            failure, left = "", f"no answer: {error!r}"
        if left:
            self.close(patience=0)
            self._begin()
        assert not failure, failure
        assert not left, left

    def close(self, patience: float = 20.0) -> None:
        """End the node: it leaves by itself when its line is cut; one that has failed is not waited for."""
        self._answers.close()
        self._line.close()
        try:
            self._node.wait(patience)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait()
            assert not patience, "the node did not end by itself"


def params() -> list[Any]:
    """Return the topologies as parameters of a fixture."""
    return [pytest.param(name, marks=[pytest.mark.os_processes] if name == "pipe" else []) for name in TOPOLOGIES]


def opened(name: str) -> Iterator[Topology]:
    """Hold a topology open for the programs of one file."""
    if name != "pipe":
        yield InThisLoop(name)
        return
    pipe = Pipe()
    yield pipe
    pipe.close()


@overload
def on_a_node(program: Callable[P, Awaitable[None]], /) -> Callable[P, None]: ...
@overload
def on_a_node(*, only: Sequence[str], why: str) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, None]]: ...
def on_a_node(program: Any = None, /, *, only: Sequence[str] = TOPOLOGIES, why: str = "") -> Any:
    """Make a test of a module-level ``async def``: it runs as a process of a node, found by its name.

    Args:
        program: the function; its parameters are those of ``pytest.mark.parametrize``.
        only: the topologies it is for, when not for all.
        why: what keeps it from the others.
    """
    if program is None:
        assert why, "a program that cannot run everywhere must say why"
        return lambda body: _test_of(body, tuple(only))
    return _test_of(program, TOPOLOGIES)


def _test_of(program: Callable[..., Awaitable[None]], only: tuple[str, ...]) -> Callable[..., None]:
    @wraps(program)
    def test(topology: Topology, **given: object) -> None:
        topology.run(program.__module__, program.__qualname__, given)

    own = signature(program)
    shown = [*own.parameters.values(), Parameter("topology", Parameter.KEYWORD_ONLY)]
    setattr(test, "__signature__", own.replace(parameters=shown))  # noqa: B010
    if only == TOPOLOGIES:
        return test
    chosen = [one for one in params() if one.values[0] in only]
    limited: Callable[..., None] = pytest.mark.parametrize("topology", chosen, indirect=True)(test)
    return limited
