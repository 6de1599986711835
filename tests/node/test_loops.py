"""FS-03: processes that hold their shard are ended from another shard, by a deadline, and from a thread."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import script

pytestmark = pytest.mark.os_processes


@pytest.mark.parametrize("schedulers", ["1", "2"])
def test_fs03_a_pure_python_loop_is_ended(launch: Launch, schedulers: str) -> None:
    launch(script("loops", schedulers)).ends_with(0)
