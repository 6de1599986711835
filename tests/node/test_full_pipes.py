"""What a SIGKILLed shard had written is delivered, whole and in order, before anybody hears of its death."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


@pytest.mark.parametrize("size", ["100", "20000", "50000"])
def test_every_complete_frame_is_delivered_before_noconnection_though_both_directions_are_full(
    launch: Launch, size: str
) -> None:
    launch(start("pipes:main", args=(size,))).passes()


def test_a_shard_killed_under_load_leaves_a_prefix_of_whole_messages_of_every_size(launch: Launch) -> None:
    launch(start("pipes:running")).passes()
