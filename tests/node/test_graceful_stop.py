"""The orderly stop: signals still cross shards, cleanups have their grace, workers leave as interpreters do."""

from __future__ import annotations

import re
import signal

import pytest

from tests.node.conftest import Launch
from tests.node.support import count, start

pytestmark = pytest.mark.os_processes


def test_trees_end_their_children_on_other_shards_in_order_with_exit_and_down(launch: Launch) -> None:
    run = launch(start("stops:trees"))
    run.line("^shards")
    run.kill(signal.SIGTERM)
    run.ends_with(0)
    for where in (0, 1):
        assert count(f"^parent on {where} is told shutdown$", run.out) == 1, run.told()
        assert count(f"^parent on {where} saw shutdown shutdown True$", run.out) == 3, run.told()
        # One after the other, last first: the node has told none of them but through its parent.
        assert re.findall(rf"child {where}.(\d) cleaned", run.out) == ["2", "1", "0"], run.told()
    assert "Traceback" not in run.err, run.told()


def test_each_worker_runs_atexit_and_flushes_its_stdio_and_the_supervisor_does_not(launch: Launch) -> None:
    run = launch(start("stops:trees"))
    run.line("^shards")
    workers = set(run.children())
    run.kill(signal.SIGTERM)
    run.ends_with(0)
    said = re.findall(r"\[bye from (\d+)\]", run.out)
    assert sorted(map(int, said)) == sorted(workers), run.told()


def test_what_is_left_when_main_returns_cleans_up_within_its_grace(launch: Launch) -> None:
    run = launch(start("stops:returns"))
    run.ends_with(0)
    assert sorted(re.findall(r"child (\d) cleaned", run.out)) == ["0", "1"], run.told()
    assert count(r"bye from", run.out) >= 1, run.told()


def test_a_message_sent_in_a_cleanup_still_crosses_shards(launch: Launch) -> None:
    run = launch(start("stops:last_words", "--stop-grace", "2"))
    run.line("^shards ready")
    run.kill(signal.SIGTERM)
    run.ends_with(0)
    assert count("^heard the last word$", run.out) == 1, run.told()
    assert "Traceback" not in run.err, run.told()
