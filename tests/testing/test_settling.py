"""`settle`: nothing goes on any more, or the text says what does."""

from __future__ import annotations

import pytest

from otpnode.testing import Topology
from tests.testing import programs


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_messages_have_arrived(topology: Topology, size: int) -> None:
    assert topology.run(programs.chain, 30, size) == size


def test_exit_signals_have_arrived(topology: Topology) -> None:
    assert topology.run(programs.exit_signals_settle_too) is False


def test_names_are_given(topology: Topology) -> None:
    assert topology.run(programs.names_settle_too) == ["mine"]


def test_a_call_that_waits_for_its_reply_is_still(topology: Topology) -> None:
    topology.run(programs.calls_under_way_are_still)


@pytest.mark.otpnode(schedulers=3)
def test_three_shards_settle(topology: Topology) -> None:
    assert topology.run(programs.chain, 90, 1000) == 1000


def test_what_can_run_is_named(topology: Topology) -> None:
    with pytest.raises(TimeoutError, match=r"not settled within 0\.3 s: .*\(restless\) can run"):
        topology.run(programs.settle_beside_a_busy_one)


def test_messages_that_go_to_and_fro_are_noticed(topology: Topology) -> None:
    with pytest.raises(TimeoutError, match=r"not settled within 0\.3 s"):
        topology.run(programs.settle_beside_a_ping_pong)


@pytest.mark.otpnode(topologies=["pipe"])
def test_a_shard_that_computes_is_named(topology: Topology) -> None:
    with pytest.raises(TimeoutError, match="shard 1 does not answer"):
        topology.run(programs.settle_beside_one_that_computes)


def test_child_tasks_count(node: Topology) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        node.run(programs.settle_in_a_child_task)
    assert caught.group_contains(TimeoutError, match=r"task spinner \(yield_for_ever\) can run")


def test_settling_leaves_nothing_with_the_caller(topology: Topology) -> None:
    assert topology.run(programs.settling_leaves_no_message) == {"messages": [], "monitors": []}
