"""SIGTERM, SIGINT, and the second of each."""

from __future__ import annotations

import os
import signal

import pytest

from tests.node.conftest import Launch
from tests.node.support import Run, eventually, start

pytestmark = pytest.mark.os_processes

GRACE = ("--stop-grace", "600")
"""A stop that would take longer than any test waits, if the second signal did not end it."""


def waiting(launch: Launch) -> Run:
    run = launch(start("endings:waits"))
    run.line("^waiting")
    run.line("^tidy 1 waiting")
    return run


def cleaned_up(run: Run) -> None:
    for line in ("main cleaned", "tidy 1 cleaned"):
        assert run.out.count(line) == 1, run.told()
    assert "Traceback" not in run.err, run.told()


def test_sigterm_is_the_orderly_stop_and_0(launch: Launch) -> None:
    run = waiting(launch)
    run.kill(signal.SIGTERM)
    run.ends_with(0)
    cleaned_up(run)


def test_sigint_is_the_orderly_stop_and_130(launch: Launch) -> None:
    run = waiting(launch)
    run.kill(signal.SIGINT)
    run.ends_with(130)
    cleaned_up(run)


def test_ctrl_c_of_a_terminal_reaches_the_whole_group_and_counts_once(launch: Launch) -> None:
    run = waiting(launch)
    run.ctrl_c()
    run.ends_with(130)
    cleaned_up(run)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("shard", ["0", "1"])
def test_the_second_signal_ends_a_stop_that_somebody_refuses_now(
    launch: Launch, signum: int, code: int, shard: str
) -> None:
    run = launch(start("endings:refuses", *GRACE, args=(shard,)))
    run.line("^refusing")
    run.kill(signum)
    run.line("^swallowed")
    assert run.popen.poll() is None, f"the first signal was not orderly{run.told()}"
    run.kill(signum)
    run.ends_with(code)


def test_a_process_that_refuses_to_die_has_its_grace_and_is_then_killed(launch: Launch) -> None:
    run = launch(start("endings:refuses", "--stop-grace", "0.5", args=("1",)))
    run.line("^refusing")
    run.kill(signal.SIGTERM)
    run.ends_with(0)
    assert "swallowed" in run.out, run.told()


def test_a_stopped_shard_does_not_keep_the_node_alive(launch: Launch) -> None:
    run = launch(start("endings:waits", "--stop-grace", "0.3"))
    run.line("^tidy 1 waiting")
    for pid in run.children():
        os.kill(pid, signal.SIGSTOP)
    run.kill(signal.SIGTERM)
    run.ends_with(0)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_while_booting_ends_the_node(launch: Launch, signum: int, code: int) -> None:
    run = launch(start("boot_slow:main"))
    run.line("^importing")
    run.kill(signum)
    run.ends_with(code)


def test_a_worker_that_is_terminated_is_replaced(launch: Launch) -> None:
    run = launch(start("endings:waits"))
    run.line("^tidy 1 waiting")
    before = run.children()
    main = run.line("^main on (\\d+)")
    other = next(pid for pid in before if pid != int(main[1]))
    os.kill(other, signal.SIGTERM)
    run.complaint("shard 1 .*restarts as incarnation 2")
    eventually(lambda: len(run.children()) == 2 and other not in run.children(), "a new shard 1")
    assert not run.zombies()
    run.kill()
    run.ends_with(0)
