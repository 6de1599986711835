"""User code may fork inside a shard: the fork is no part of the node, and keeps nothing of it alive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from tests.node.conftest import Launch
from tests.node.support import Run, kill_quietly, start

pytestmark = pytest.mark.os_processes


def forked(launch: Launch, report: Path) -> tuple[Run, dict[str, str]]:
    """Run the program to its end and kill the fork that outlives it; return what verbs did in the fork."""
    run = launch(start("forks:main", args=(str(report),)))
    fork = int(run.line(r"^forked (\d+)")[1])
    try:
        verbs = json.loads(run.line("^verbs (.*)")[1])
        code = run.wait()
    finally:
        kill_quietly(fork)
    assert code == 0, run.told()
    return run, cast("dict[str, str]", verbs)


def test_a_fork_that_lives_on_has_nothing_of_the_node_and_holds_up_no_news_of_its_shards_death(
    launch: Launch, tmp_path: Path
) -> None:
    run, verbs = forked(launch, tmp_path / "report")
    run.passes()
    verbs.pop("call_threadsafe")
    wrong = {verb: how for verb, how in verbs.items() if how != "RuntimeError"}
    assert not wrong, f"verbs that do not raise in a fork: {wrong}"


def test_call_threadsafe_raises_in_a_fork(launch: Launch, tmp_path: Path) -> None:
    _, verbs = forked(launch, tmp_path / "report")
    assert verbs["call_threadsafe"] == "RuntimeError"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_pool_of_forks_works_beside_the_node(launch: Launch, loop: str) -> None:
    launch(start("forks:thread_pool", "--loop", loop)).passes()
