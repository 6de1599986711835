"""User code may fork inside a shard: the fork is no part of the node, and keeps nothing of it alive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.conftest import Launch
from tests.node.support import kill_quietly, start

pytestmark = pytest.mark.os_processes


def test_a_fork_that_lives_on_holds_up_no_news_of_its_shards_death_and_has_nothing_of_the_node(
    launch: Launch, tmp_path: Path
) -> None:
    run = launch(start("forks:main", args=(str(tmp_path / "report"),)))
    fork = int(run.line(r"^forked (\d+)")[1])
    try:
        code = run.wait()
    finally:
        kill_quietly(fork)
    assert code == 0, run.told()
    run.passes()


def test_a_pool_of_forks_works_beside_the_node(launch: Launch) -> None:
    launch(start("forks:thread_pool")).passes()
