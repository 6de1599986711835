"""The pytest plugin: the fixtures `node` and `topology`, the mark and the options ``otpnode…``, the leak guard.

pytest finds it by the entry point of the package. It is the one module of otpnode that imports pytest, and
it loads the rest when a test asks for it: other projects' suites meet this plugin as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, cast

import pytest

from otpnode.clock import ManualClock
from otpnode.loops import loop_factory
from otpnode.testing.topology import NAMES, Topology

MARK: Final = "otpnode"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("otpnode_topologies", "where tests with the fixture `topology` run", type="args", default=list(NAMES))
    parser.addini("otpnode_leak_guard", "guard every test against leaks", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and look at the ini option before any test is collected."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(topologies=(…), schedulers=N, clock='manual', leaks=False, **settings): the node of a test that uses "
        "the fixture `node` or `topology`; leaks=True lets it leave processes behind",
    )
    _checked(config.getini("otpnode_topologies"), "the ini option otpnode_topologies")


def _checked(names: list[str] | tuple[str, ...], where: str) -> list[str]:
    wrong = [name for name in names if name not in NAMES]
    if wrong or not names or isinstance(names, str):
        raise pytest.UsageError(f"{where} takes some of {', '.join(NAMES)}, not {names!r}")
    return list(names)


@dataclass
class _Wish:
    """What the marks of a test ask for, the nearest first."""

    topologies: list[str]
    schedulers: int = 0
    manual: bool = False
    leaks: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self, name: str) -> Topology:
        """Make the topology called `name` as the marks want it."""
        clock = ManualClock() if self.manual else None
        make = cast("Callable[..., Topology]", import_module("otpnode.testing.topologies").make_topology)
        return make(name, schedulers=self.schedulers, clock=clock, leaks=self.leaks, **self.settings)


def _wish(item: Any) -> _Wish:
    """Read the marks of a test, or of a function that is about to become tests."""
    asked: dict[str, Any] = {}
    for mark in item.iter_markers(MARK):
        if mark.args:
            raise pytest.UsageError(f"{item.nodeid}: the mark {MARK} takes keywords only, not {mark.args!r}")
        asked = dict(mark.kwargs) | asked
    topologies = asked.pop("topologies", item.config.getini("otpnode_topologies"))
    clock = asked.pop("clock", "real")
    if clock not in ("real", "manual"):
        raise pytest.UsageError(f"{item.nodeid}: clock is 'real' or 'manual', not {clock!r}")
    return _Wish(
        topologies=_checked(topologies, f"{item.nodeid}: topologies"),
        schedulers=asked.pop("schedulers", 0),
        manual=clock == "manual",
        leaks=asked.pop("leaks", False),
        settings=asked,
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each topology."""
    if "otpnode_topology" in metafunc.fixturenames:
        metafunc.parametrize("otpnode_topology", _wish(metafunc.definition).topologies, indirect=True)


@pytest.fixture
def otpnode_topology(request: pytest.FixtureRequest, otpnode_guard: None) -> Topology:
    """Be the topology that this test was made for."""
    return _wish(request.node).make(str(request.param))


@pytest.fixture
def topology(otpnode_topology: Topology) -> Topology:
    """Run programs on one loop, on two shards in one loop, and on two OS processes: a test of each.

    ``topology.run(program, *args)`` runs an importable coroutine function as a process of shard 0 of
    a fresh node; see `otpnode.testing.Topology.run`.
    """
    return otpnode_topology


@pytest.fixture
def node(request: pytest.FixtureRequest, otpnode_guard: None) -> Topology:
    """Run programs on one loop, or on as many OS processes as ``@pytest.mark.otpnode(schedulers=N)`` says.

    ``node.run(program, *args)`` is that of `topology`; ``node.clock`` is the clock that
    ``@pytest.mark.otpnode(clock="manual")`` asks for.
    """
    wish = _wish(request.node)
    return wish.make("pipe" if wish.schedulers > 1 else "one")


@pytest.fixture(scope="session")
def otpnode_primed() -> None:
    """Let each kind of loop open what it keeps for the whole OS process (libuv: the pipe of its signal lock)."""
    for name in ("uvloop", "asyncio"):
        try:
            make = loop_factory(name)
        except ImportError:
            continue  # No uvloop here, so no test has one.
        make().close()


@pytest.fixture
def otpnode_guard(otpnode_primed: None) -> Iterator[None]:
    """Fail a test that leaves descriptors, OS processes or a node behind."""
    guard = import_module("otpnode.testing.leaks").nothing_left_behind
    with cast("AbstractContextManager[None]", guard()):
        yield


@pytest.fixture(autouse=True)
def _otpnode_guard_for_all(request: pytest.FixtureRequest) -> None:
    """Guard every test, where the ini option says so."""
    if request.config.getini("otpnode_leak_guard"):
        request.getfixturevalue("otpnode_guard")
