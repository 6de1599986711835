"""The topologies of the programs of behaviours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.behaviours.topologies import Topology, opened, params


@pytest.fixture(params=params(), scope="module")
def topology(request: pytest.FixtureRequest) -> Iterator[Topology]:
    """Run programs on one loop, on two shards in one loop, and on two OS processes: one node for a file's."""
    yield from opened(str(request.param))
