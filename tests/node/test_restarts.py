"""A restart costs nobody else a file descriptor; one that does not come to an end, or fails, ends as it should."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.node.conftest import Launch
from tests.node.support import count, eventually, start

pytestmark = pytest.mark.os_processes


def test_restarts_leave_the_descriptors_of_supervisor_and_survivors_as_they_were(launch: Launch) -> None:
    launch(start("fds:main", schedulers=3, args=("3",))).passes()


def test_a_shard_that_boots_again_holds_up_no_stop(launch: Launch, tmp_path: Path) -> None:
    run = launch(start("boot_again:main", args=("returns",)), FLAG=str(tmp_path / "flag"), HOW="slow")
    run.ends_with(0)


def test_a_shard_that_boots_again_ends_with_a_supervisor_that_is_killed(launch: Launch, tmp_path: Path) -> None:
    run = launch(start("boot_again:main", args=("waits",)), FLAG=str(tmp_path / "flag"), HOW="slow")
    run.line("^importing again")
    run.kill(signal.SIGKILL)
    run.wait()
    run.nothing_left()


def test_a_program_that_can_be_imported_only_once_is_a_crash_loop(launch: Launch, tmp_path: Path) -> None:
    run = launch(start("boot_again:main", args=("waits",)), FLAG=str(tmp_path / "flag"), HOW="raises")
    run.ends_with(4)
    assert count("^RuntimeError: not a second time", run.err) == 5, run.told()
    assert count("crash loop", run.err) == 1, run.told()


def test_a_worker_killed_while_it_boots_for_the_first_time_is_a_boot_failure(launch: Launch) -> None:
    run = launch(start("boot_slow:main"))
    run.line("^importing")
    workers = eventually(lambda: len(run.children()) == 2 and run.children(), "both workers")
    assert isinstance(workers, list)
    os.kill(workers[1], signal.SIGKILL)
    run.ends_with(3)
    assert count("shard 1 was killed by SIGKILL while booting", run.err) == 1, run.told()
