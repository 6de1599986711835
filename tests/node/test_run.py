"""`otpnode.run(main, schedulers=2)` from a script: the checks stand in the script, ``apps/script.py``."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.node.conftest import Launch
from tests.node.support import count, script

pytestmark = pytest.mark.os_processes


def test_run_returns_what_main_returned_and_classes_of_the_script_travel_both_ways(launch: Launch) -> None:
    launch(script("script", "values")).passes()


def test_run_raises_what_main_raised_with_its_traceback_as_a_note_and_logs_it_not_as_well(launch: Launch) -> None:
    run = launch(script("script", "exception"))
    run.passes()
    assert "NoLuck" not in run.err, run.told()
    assert "Traceback" not in run.err, run.told()


def test_run_raises_node_down_error_when_the_node_ends_without_a_result(launch: Launch) -> None:
    launch(script("script", "down")).passes()


def test_a_main_or_argument_that_cannot_travel_is_refused_before_anything_starts(launch: Launch) -> None:
    run = launch(script("script", "cannot_travel"))
    run.passes()
    assert "ready" not in run.err, run.told()


def test_large_results_arrive_and_results_that_cannot_travel_are_an_error(launch: Launch) -> None:
    launch(script("script", "results")).passes()


def test_stop_and_system_exit_are_system_exit_at_the_caller(launch: Launch) -> None:
    launch(script("script", "exits")).passes()


def test_run_works_from_a_thread(launch: Launch) -> None:
    launch(script("script", "from_a_thread")).passes()


def test_bad_settings_are_refused_and_handlers_of_the_caller_come_back(launch: Launch) -> None:
    launch(script("script", "bad_settings")).passes()


def test_the_guarded_block_does_not_run_in_workers(launch: Launch) -> None:
    run = launch(script("script", "from_a_thread"))
    run.passes()
    assert run.out.count("the guarded block runs") == 1, run.told()
    assert run.out.count("loaded as __main__") == 1, run.told()
    assert run.out.count("loaded as __mp_main__") == 2, run.told()


def test_an_unguarded_run_is_one_error_that_names_the_guard(launch: Launch) -> None:
    run = launch(script("unguarded"))
    assert run.wait() != 0
    run.nothing_left()
    assert run.err.count('if __name__ == "__main__":') == 1, run.told()
    assert count("unguarded.py", run.err) > 0, run.told()


def test_a_script_that_raises_in_a_worker_is_a_boot_failure_told_once_to_the_caller(launch: Launch) -> None:
    run = launch(script("script_raises"))
    run.ends_with(0)
    assert count("^cause: boot failure", run.out) == 1, run.told()
    assert count("^RuntimeError: only at home", run.out) == 1, run.told()
    assert run.err.count("only at home") == 0, run.told()
    assert count('^  File "', run.out) == 1, f"frames that tell nothing about the script{run.told()}"


def test_a_main_that_comes_from_no_file_is_refused_before_anything_starts(launch: Launch) -> None:
    program = "import otpnode\nasync def main(): return 5\nif __name__ == '__main__': otpnode.run(main, schedulers=2)"
    run = launch([sys.executable, "-c", program])
    run.ends_with(1)
    assert count("UnserializableError: workers cannot load main again", run.err) == 1, run.told()
    assert "ready" not in run.err, run.told()


def test_a_main_imported_from_a_module_needs_no_script(launch: Launch) -> None:
    program = "import otpnode; from tests.node.apps.endings import returns; otpnode.run(returns, schedulers=2)"
    run = launch([sys.executable, "-c", program])
    run.ends_with(0)
    assert run.out == "ran\n", run.told()


PROGRAM = """
import otpnode
from otpnode import Task
%s import add_one

def twice(n):
    return 2 * n

async def main(first):
    return await Task.map(add_one, await Task.map(twice, range(first, first + 4), on=1), on=1)

if __name__ == "__main__":
    print(otpnode.run(main, 1, schedulers=2))
"""
HELPER = "def add_one(n): return n + 1\n"


def test_a_package_is_a_script_as_well(launch: Launch, tmp_path: Path) -> None:
    package = tmp_path / "apps" / "doubling"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "helper.py").write_text(HELPER)
    (package / "__main__.py").write_text(PROGRAM % "from .helper")
    run = launch([sys.executable, "-m", "doubling"], cwd=package.parent)
    run.ends_with(0)
    assert run.out == "[3, 5, 7, 9]\n", run.told()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_so_is_a_folder_or_a_zip_file(launch: Launch, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"doubling.{kind}"
    files = {"__main__.py": PROGRAM % "from helper", "helper.py": HELPER}
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        path.mkdir()
        for name, text in files.items():
            (path / name).write_text(text)
    run = launch([sys.executable, str(path)])
    run.ends_with(0)
    assert run.out == "[3, 5, 7, 9]\n", run.told()


def test_an_unguarded_package_may_run_a_main_of_another_module(launch: Launch, tmp_path: Path) -> None:
    package = tmp_path / "apps" / "plain"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    program = "import otpnode\nfrom tests.node.apps.endings import returns\notpnode.run(returns, schedulers=2)\n"
    (package / "__main__.py").write_text(program)
    run = launch([sys.executable, "-m", "plain"], cwd=package.parent)
    run.ends_with(0)
    assert run.out == "ran\n", run.told()


def test_a_tree_that_does_not_start_is_no_result(launch: Launch) -> None:
    program = (
        "import otpnode; from tests.node.apps.endings import starts_a_bad_tree as main\n"
        "for n in (1, 2):\n"
        "    try: print('returned', otpnode.run(main, schedulers=n))\n"
        "    except otpnode.NodeDownError as error: print('failed_to_start_child' in str(error))\n"
    )
    run = launch([sys.executable, "-c", program])
    run.ends_with(0)
    assert run.out == "True\nTrue\n", run.told()
