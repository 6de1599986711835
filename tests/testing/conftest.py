"""The topologies as users get them, not as the suite's own programs use them."""

from __future__ import annotations

import pytest

from otpnode.testing import Topology


@pytest.fixture
def topology(otpnode_topology: Topology) -> Topology:
    """Be the plugin's fixture, which the suite's own of that name hides."""
    return otpnode_topology
