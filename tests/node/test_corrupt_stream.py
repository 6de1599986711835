"""A broken stream on a real pipe is the death of who wrote it (``apps/corrupt.py`` checks)."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes

BAD_LENGTH, TOO_LONG, UNKNOWN_KIND, BAD_ENVELOPE = "00000000", "ffffffff01", "020000006378", "020000000178"


@pytest.mark.parametrize("rubbish", [BAD_LENGTH, TOO_LONG, UNKNOWN_KIND, BAD_ENVELOPE])
def test_sh11_a_malformed_frame_is_the_death_of_its_writer(launch: Launch, rubbish: str) -> None:
    run = launch(start("corrupt:main", args=(rubbish,)))
    run.passes()
    run.complaint("shard 1 .*restarts as incarnation 2")
