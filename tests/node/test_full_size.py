"""Rules that name a size, at that size (``apps/full_size.py`` measures and checks)."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


@pytest.mark.slow
def test_sh14_a_million_messages_all_to_all_with_kills_lose_no_down(launch: Launch) -> None:
    run = launch(start("full_size:all_to_all", schedulers=8, args=("1000000", "1")))
    run.passes(200)
    print(run.out)


def test_sh10_the_exit_signal_of_another_pair_overtakes_100_mb(launch: Launch) -> None:
    run = launch(start("full_size:large"))
    run.passes()
    print(run.out)


def test_fs02_a_burst_of_100_000_frames_leaves_turns_to_others(launch: Launch) -> None:
    run = launch(start("full_size:burst", "--mailbox-limit", "none"))
    run.passes()
    print(run.out)
