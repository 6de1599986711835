"""No orphan and no zombie, however the supervisor or the caller of `run` ends."""

from __future__ import annotations

import os
import signal

import pytest

from tests.node.conftest import Launch
from tests.node.support import Run, eventually, script, start

pytestmark = pytest.mark.os_processes


def dies_with_all(run: Run) -> None:
    """SIGKILL the program itself; everything else of it must follow."""
    assert len(run.alive()) >= 3, f"not enough to kill: {run.alive()}{run.told()}"
    run.kill(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    run.nothing_left()


def test_shards_end_with_a_supervisor_that_is_killed_while_idle(launch: Launch) -> None:
    run = launch(start("endings:waits"))
    run.line("^tidy 1 waiting")
    dies_with_all(run)


@pytest.mark.parametrize("computing", ["yes", "no"])
def test_shards_end_with_a_supervisor_that_is_killed_under_load(launch: Launch, computing: str) -> None:
    run = launch(start("loads:main", args=(computing,)))
    run.line("^loaded")
    dies_with_all(run)


def test_shards_end_with_a_supervisor_that_is_killed_while_they_import(launch: Launch) -> None:
    run = launch(start("boot_slow:main"))
    run.line("^importing")
    eventually(lambda: len(run.alive()) == 3, "both workers")
    dies_with_all(run)


def test_shards_that_are_stopped_end_with_their_supervisor_too(launch: Launch) -> None:
    run = launch(start("endings:waits"))
    run.line("^tidy 1 waiting")
    for pid in run.children():
        os.kill(pid, signal.SIGSTOP)
    dies_with_all(run)


def test_a_node_ends_with_a_caller_of_run_that_is_killed(launch: Launch) -> None:
    run = launch(script("script", "interrupted", "waits"))
    run.line("^waiting")
    dies_with_all(run)


def test_a_node_ends_with_a_caller_of_run_that_is_killed_while_main_computes(launch: Launch) -> None:
    run = launch(script("script", "interrupted", "computes"))
    run.line("^waiting")
    dies_with_all(run)


def test_a_node_ends_with_a_caller_of_run_that_is_killed_while_it_boots(launch: Launch) -> None:
    run = launch(script("script_boot_slow"))
    run.line("^importing")
    dies_with_all(run)


def test_run_raises_when_its_supervisor_is_killed(launch: Launch) -> None:
    run = launch(script("script", "lost"))
    run.line("^waiting")
    (supervisor,) = run.children()
    os.kill(supervisor, signal.SIGKILL)
    run.ends_with(9)
    assert "NodeDownError at the caller" in run.out, run.told()


def test_a_dead_shard_is_collected_at_once_and_leaves_no_zombie(launch: Launch) -> None:
    run = launch(start("endings:kills", args=("1", "4")))
    run.line("^killed 4")
    run.complaint("restarts as incarnation 5")
    eventually(lambda: not run.zombies(), "no zombie")
    run.kill()
    run.ends_with(0)


def test_ctrl_c_at_a_script_is_one_keyboard_interrupt_at_the_caller(launch: Launch) -> None:
    run = launch(script("script", "interrupted", "waits"))
    run.line("^waiting")
    run.ctrl_c()
    run.ends_with(9)
    assert run.out.count("KeyboardInterrupt at the caller") == 1, run.told()
    assert run.out.count("cleaned") == 1, run.told()
    assert "Traceback" not in run.err, run.told()


def test_an_uncaught_ctrl_c_shows_one_traceback_and_not_one_per_shard(launch: Launch) -> None:
    run = launch(script("script", "uncaught"))
    run.line("^waiting")
    run.ctrl_c()
    run.ends_with(-signal.SIGINT)
    assert run.err.count("Traceback") == 1, run.told()
    assert run.err.count("KeyboardInterrupt") == 2 or run.err.count("\nKeyboardInterrupt") == 1, run.told()


def test_a_second_ctrl_c_ends_a_script_whose_main_will_not_stop(launch: Launch) -> None:
    run = launch(script("script", "interrupted", "refuses", "600"))
    run.line("^waiting")
    run.ctrl_c()
    run.line("^swallowed")
    run.ctrl_c()
    run.ends_with(9)
    assert "Traceback" not in run.err, run.told()


@pytest.mark.parametrize("stage", range(8))
def test_ctrl_c_at_any_moment_of_the_boot_shows_no_traceback_of_the_node(launch: Launch, stage: int) -> None:
    run = launch(script("script", "interrupted", "waits"))
    run.line("^the guarded block runs")
    eventually(lambda: len(run.alive()) >= 2 or run.popen.poll() is not None, "the supervisor")
    for _ in range(stage):
        # One look takes a few milliseconds: the stages fall all over the boot.
        run.alive()
    run.ctrl_c()
    run.ends_with(9)
    assert run.out.count("KeyboardInterrupt at the caller") == 1, run.told()
    assert "Traceback" not in run.err, run.told()


def test_sigterm_to_the_caller_of_run_is_passed_on_and_is_the_orderly_stop(launch: Launch) -> None:
    run = launch(script("script", "interrupted", "waits"))
    run.line("^waiting")
    run.kill(signal.SIGTERM)
    run.ends_with(8)
    assert run.out.count("cleaned") == 1, run.told()
