"""`topology.run` and `node.run`: what comes of a program, and what it may not leave behind."""

from __future__ import annotations

import os
import signal

import pytest

from otpnode.testing import Topology
from tests.testing import programs


def test_a_program_returns_its_value(topology: Topology) -> None:
    assert topology.run(programs.add, 1, 2) == 3


def test_a_program_raises_its_error(topology: Topology) -> None:
    with pytest.raises(programs.Boom, match="on purpose"):
        topology.run(programs.fail)


def test_a_crash_that_comes_by_a_link_is_raised(topology: Topology) -> None:
    with pytest.raises(programs.Boom, match="on purpose"):
        topology.run(programs.crash_by_link)


def test_a_program_that_is_ended_half_way_fails(topology: Topology) -> None:
    with pytest.raises(AssertionError, match="end_half_way was ended half-way by 'normal'"):
        topology.run(programs.end_half_way)


def test_the_topologies_are_what_they_say(topology: Topology) -> None:
    here, there = topology.run(programs.os_pids)  # type: ignore[misc]
    assert (here == os.getpid()) == (topology.name != "pipe")
    assert (here == there) == (topology.name != "pipe")


def test_a_program_that_does_not_end_is_ended(topology: Topology) -> None:
    with pytest.raises(TimeoutError, match=r"never_end did not end within 0\.2 s"):
        topology.run(programs.never_end, within=0.2)


def test_a_program_that_never_awaits_is_ended(topology: Topology) -> None:
    with pytest.raises(TimeoutError, match=r"compute did not end within 0\.2 s.* computed without awaiting"):
        topology.run(programs.compute, within=0.2)


@pytest.mark.otpnode(leaks=True)
def test_whoever_holds_the_loop_of_a_program_is_ended(topology: Topology) -> None:
    with pytest.raises(TimeoutError, match="did not end within"):
        topology.run(programs.wait_beside_one_that_computes, within=0.2)


def test_what_is_linked_to_a_program_ends_with_it(topology: Topology) -> None:
    topology.run(programs.leave_linked_ones)


def test_a_process_left_behind_is_named(topology: Topology) -> None:
    with pytest.raises(AssertionError, match="leave_a_process left behind") as caught:
        topology.run(programs.leave_a_process)
    told = str(caught.value)
    assert "label 'forgotten'" in told
    assert "name 'lost'" in told
    assert "started by" in told


@pytest.mark.otpnode(leaks=True)
def test_a_test_may_be_excused(topology: Topology) -> None:
    topology.run(programs.leave_a_process)


@pytest.mark.otpnode(topologies=["pipe"])
def test_an_os_process_left_behind_is_named(topology: Topology) -> None:
    with pytest.raises(AssertionError, match=r"OS process \d+ .*input\(\)"):
        topology.run(programs.leave_an_os_process)


@pytest.mark.otpnode(topologies=["pipe"], leaks=True)
def test_an_os_process_may_be_excused(topology: Topology) -> None:
    child = topology.run(programs.leave_an_os_process)
    assert isinstance(child, int)
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass  # Its standard input has ended with the worker.


@pytest.mark.otpnode(schedulers=3)
def test_a_node_may_have_more_shards(node: Topology) -> None:
    here, there = node.run(programs.os_pids)  # type: ignore[misc]
    assert len({here, there, os.getpid()}) == 3


def test_a_node_has_one_loop_by_default(node: Topology) -> None:
    async def where() -> int:
        return os.getpid()

    assert node.run(where) == os.getpid()
