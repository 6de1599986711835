"""A clock that the test moves: an hour is exact and free."""

from __future__ import annotations

import pytest

from otpnode.testing import ManualClock, Topology
from otpnode.testing.topologies import make_topology
from tests.testing import programs


@pytest.mark.otpnode(clock="manual", topologies=["one", "loop"])
def test_timers_run_by_the_clock(topology: Topology) -> None:
    assert topology.run(programs.time_flies, topology.clock) == [True, False, [], "an hour"]


@pytest.mark.otpnode(clock="manual", topologies=["one", "loop"])
@pytest.mark.parametrize(("seconds", "survived"), [(2.6, [True] * 5), (2.5, [True, True, False])])
def test_the_window_of_a_supervisor_goes_by_the_clock(topology: Topology, seconds: float, survived: list[bool]) -> None:
    assert topology.run(programs.crash_every, seconds, topology.clock) == survived


@pytest.mark.otpnode(clock="manual")
def test_a_node_has_the_clock_too(node: Topology) -> None:
    assert isinstance(node.clock, ManualClock)
    assert node.run(programs.time_flies, node.clock) == [True, False, [], "an hour"]


@pytest.mark.otpnode(clock="manual")
def test_a_node_whose_clock_stands_still_can_be_stopped(node: Topology) -> None:
    with pytest.raises(AssertionError, match="label 'stubborn'"):
        node.run(programs.leave_a_stubborn_one, node.clock)


def test_os_processes_cannot_share_a_clock() -> None:
    with pytest.raises(ValueError, match="cannot be shared by OS processes"):
        make_topology("pipe", clock=ManualClock())
