"""The exit codes of ``otpnode start``: every row of the table."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import count, start

pytestmark = pytest.mark.os_processes


@pytest.mark.parametrize(
    ("target", "args", "code"),
    [
        ("returns", (), 0),
        ("returns_text", (), 0),
        ("returns_pid", ("normal", "1"), 0),
        ("returns_pid", ("shutdown", "0"), 0),
        ("returns_pid", ("shutdown tuple", "1"), 0),
        ("returns_pid", ("badly", "0"), 1),
        ("returns_pid", ("crash", "1"), 1),
        ("returns_pid", ("lost", "1"), 1),
        ("exits", ("3",), 3),
        ("exits", ("0",), 0),
        ("exits", ("none",), 0),
        ("exits_process", ("normal",), 0),
        ("exits_process", ("shutdown",), 0),
        ("exits_process", ("badly",), 1),
        ("stops_by_default", (), 0),
        ("stops", ("4", "0"), 4),
        ("stops", ("5", "1"), 5),
    ],
)
def test_how_the_program_ends_decides_the_exit_code(
    launch: Launch, target: str, args: tuple[str, ...], code: int
) -> None:
    launch(start(f"endings:{target}", args=args)).ends_with(code)


@pytest.mark.parametrize("target", ["starts_a_bad_tree", "starts_a_bad_server"])
def test_a_start_that_fails_and_takes_main_along_is_1(launch: Launch, target: str) -> None:
    run = launch(start(f"endings:{target}"))
    run.ends_with(1)
    assert "no database" in run.err, run.told()


def test_system_exit_with_a_text_prints_it_and_is_1(launch: Launch) -> None:
    run = launch(start("endings:exits", args=("the disk is full",)))
    run.ends_with(1)
    assert count("^the disk is full$", run.err) == 1, run.told()
    assert "Traceback" not in run.err, run.told()


def test_an_exception_of_main_is_1_with_its_traceback_once(launch: Launch) -> None:
    run = launch(start("endings:raises"))
    run.ends_with(1)
    assert count("^LookupError: what main looked for", run.err) == 1, run.told()
    assert count("Traceback", run.err) == 1, run.told()


def test_the_crash_of_the_pid_main_returned_is_logged_once(launch: Launch) -> None:
    run = launch(start("endings:returns_pid", args=("crash", "1")))
    run.ends_with(1)
    assert count("^ValueError: the tree fell", run.err) == 1, run.told()


def test_the_loss_of_mains_shard_is_1_with_one_line_saying_so(launch: Launch) -> None:
    run = launch(start("endings:is_killed"))
    run.ends_with(1)
    assert count("main's shard was lost", run.err) == 1, run.told()
    assert count("^tidy 1 cleaned$", run.out) == 1, f"the stop was not orderly{run.told()}"
    assert "Traceback" not in run.err, run.told()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere:main", "there is no module 'tests.node.apps.nowhere'"),
        ("endings:nothing", "has no attribute 'nothing'"),
        ("endings:plain", "is a function, not a coroutine function"),
        ("endings:not_callable", "is a int, not a coroutine function"),
        ("endings", "is not of the form module:function"),
        ("endings:", "is not of the form module:function"),
        ("endings.py:returns", "there is no module 'tests.node.apps.endings.py'; leave out .py"),
        ("/endings:returns", "is a path, and a module is wanted; try --app-dir tests.node.apps. endings:returns"),
    ],
)
def test_a_target_that_is_nothing_to_run_is_2_and_told_once(launch: Launch, target: str, says: str) -> None:
    run = launch(start(target, schedulers=4))
    run.ends_with(2)
    assert run.err.count(says) == 1, run.told()
    assert "Traceback" not in run.err, run.told()
    assert "ready" not in run.err, run.told()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--schedulers", "0"), "at least 1 scheduler, not 0"),
        (("--schedulers", "-2"), "at least 1 scheduler, not -2"),
        (("--schedulers", "many"), "'many' is not a number of schedulers"),
        (("--name", "no spaces please"), "name must be 1 to 32 of"),
        (("--name", "x" * 33), "name must be 1 to 32 of"),
        (("--mailbox-limit", "0"), "mailbox_limit must be a whole number of at least 1"),
        (("--mailbox-limit", "few"), "'few' is not a mailbox limit"),
        (("--max-processes", "0"), "max_processes must be a whole number of at least 1"),
        (("--max-restarts", "-1"), "max_restarts must be a number of at least 0"),
        (("--log-level", "loud"), "invalid choice: 'loud'"),
        (("--placement", "anywhere"), "invalid choice: 'anywhere'"),
        (("--frobnicate",), "frobnicate"),
        (("stray",), "what is for the program stands behind `--`"),
        (("--schedulers", "10000000"), "file descriptors each, and `ulimit -n` allows"),
    ],
)
def test_bad_options_are_2_with_the_option_named(launch: Launch, options: tuple[str, ...], says: str) -> None:
    run = launch(start("endings:returns", *options))
    run.ends_with(2)
    assert says in run.err, run.told()
    assert "Traceback" not in run.err, run.told()
    assert run.out == ""


def test_an_import_that_raises_is_3_with_its_traceback_exactly_once(launch: Launch) -> None:
    run = launch(start("boot_raises:main", schedulers=4))
    run.ends_with(3)
    assert count("Traceback", run.err) == 1, run.told()
    assert count("^RuntimeError: the licence has run out", run.err) == 1, run.told()
    assert count('boot_raises.py", line', run.err) == 2, run.told()
    assert "ready" not in run.err, run.told()


def test_a_missing_library_is_a_boot_failure_and_not_a_missing_target(launch: Launch) -> None:
    run = launch(start("boot_needs_missing:main", schedulers=4))
    run.ends_with(3)
    assert count("^ModuleNotFoundError: No module named 'a_library_nobody_has'", run.err) == 1, run.told()


def test_a_module_that_exits_while_imported_is_3_and_told_once(launch: Launch) -> None:
    run = launch(start("boot_exits:main", schedulers=4), HOW="word")
    run.ends_with(3)
    assert count("^SystemExit: not today", run.err) == 1, run.told()


def test_a_worker_that_dies_in_its_import_without_a_word_is_3_with_one_line(launch: Launch) -> None:
    run = launch(start("boot_exits:main", schedulers=4), HOW="silence")
    run.ends_with(3)
    assert count("while booting", run.err) == 1, run.told()
    assert "7" in run.err, run.told()


def test_the_sixth_death_within_the_time_is_a_crash_loop_and_4(launch: Launch) -> None:
    run = launch(start("endings:kills", args=("1", "6")))
    run.ends_with(4)
    assert count("crash loop: more than 5 deaths within 30 s", run.err) == 1, run.told()
    assert "killed 6" in run.out, run.told()


def test_deaths_of_all_shards_count_together_and_the_bound_can_be_set(launch: Launch) -> None:
    run = launch(start("endings:kills", "--max-restarts", "2", schedulers=3, args=("1,2", "3")))
    run.ends_with(4)
    assert count("crash loop: more than 2 deaths", run.err) == 1, run.told()


def test_as_many_deaths_as_are_allowed_are_no_crash_loop(launch: Launch) -> None:
    run = launch(start("endings:kills", args=("1", "5")))
    run.line("killed 5")
    run.complaint("restarts as incarnation 6")
    run.kill()
    run.ends_with(0)
