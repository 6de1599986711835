"""Fixtures of every test: the guard against leaks, the event loops, the topologies."""

from __future__ import annotations

import pytest

from tests.semantics.topologies import TOPOLOGIES, PipeRuns, Topology, make_topology
from tests.support import LOOPS, PLUGIN

pytest.register_assert_rewrite("tests.semantics.programs")
pytest_plugins = ["tests.conformance.plugin", "tests.beam.telling", "pytester"]
pytest_plugins += PLUGIN[1:]


@pytest.fixture(autouse=True)
def guarded(otpnode_guard: None) -> None:
    """Guard every test against leaks; `drive` looks after tasks."""


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
    return make_topology(str(request.param), pipe_runs)
