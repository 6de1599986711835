"""Fixtures of every test: the guard against leaks, the event loops, the topologies."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.semantics.topologies import TOPOLOGIES, PipeRuns, Topology, make_topology, missing
from tests.support import LOOPS, children, open_fds

pytest.register_assert_rewrite("tests.semantics.programs")
pytest_plugins = ["tests.conformance.plugin"]


@pytest.fixture(autouse=True, scope="session")
def primed() -> None:
    """Let each kind of loop open what it keeps for the whole OS process (libuv: the pipe of its signal lock)."""
    for make in LOOPS.values():
        make().close()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a file descriptor or an OS process behind; `drive` looks after tasks."""
    fds, offspring = open_fds(), children()
    yield
    if set(open_fds()) - set(fds):
        gc.collect()
    now = open_fds()
    leaked = {fd: now[fd] for fd in set(now) - set(fds)}
    assert not leaked, f"file descriptors left open: {leaked}"
    orphans = children() - offspring
    assert not orphans, f"OS processes left behind: {orphans}"


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> str:
    """Name each kind of event loop."""
    return str(request.param)


@pytest.fixture(scope="session")
def pipe_runs() -> PipeRuns:
    """Keep what the runs on OS processes have reported, one run for each module of programs."""
    return PipeRuns()


@pytest.fixture(params=TOPOLOGIES)
def topology(request: pytest.FixtureRequest, pipe_runs: PipeRuns) -> Topology:
    """Run semantic programs on one loop, on two shards in one loop, and on two OS processes."""
    name = str(request.param)
    why = missing(name)
    if why:
        pytest.skip(why)
    return make_topology(name, pipe_runs)
