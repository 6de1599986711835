"""`kill_shard`: a whole shard is lost, and on return the caller's shard knows."""

from __future__ import annotations

import pytest

from otpnode.testing import Topology
from tests.testing import programs

SEVERAL = pytest.mark.otpnode(topologies=["loop", "pipe"])
LEFT = {"messages": [], "monitors": []}


@SEVERAL
def test_sh03_a_killed_shard_is_seen_to_be_down(topology: Topology) -> None:
    assert topology.run(programs.lose_a_shard) == ("noconnection", LEFT, 2)


@pytest.mark.otpnode(schedulers=3)
def test_a_shard_that_computes_can_be_killed(node: Topology) -> None:
    assert node.run(programs.lose_a_shard, True) == ("noconnection", LEFT, 2)


@SEVERAL
def test_what_cannot_be_killed_is_said(topology: Topology) -> None:
    own, unknown = topology.run(programs.kill_wrong_shards)  # type: ignore[misc]
    assert "kill_shard(0) would end its caller" in own
    assert unknown == "shard 7 cannot be killed: the shards up are [0, 1]"


def test_one_loop_has_no_shard_to_lose(node: Topology) -> None:
    texts = node.run(programs.kill_wrong_shards)
    assert isinstance(texts, list)
    assert all("kill_shard needs a node of several shards" in text for text in texts)
