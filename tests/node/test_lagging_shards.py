"""A shard in a long pure-Python loop and a stopped one delay nobody else (``apps/lagging.py`` measures and checks)."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


@pytest.mark.rule("RG-06", "RG-07", "SH-07")
def test_names_deaths_and_restarts_wait_for_no_shard_that_lags(launch: Launch) -> None:
    run = launch(start("lagging:main", schedulers=5, args=("0", "0")))
    run.passes()
    print(run.out)


@pytest.mark.slow
@pytest.mark.rule("RG-06", "RG-07", "SH-07")
def test_nor_when_far_more_is_waiting_for_it_than_a_socket_holds(launch: Launch) -> None:
    options = ("--max-restarts", "1000", "--log-level", "error")
    run = launch(start("lagging:main", *options, schedulers=5, args=("400", "100")))
    run.passes()
    print(run.out)
