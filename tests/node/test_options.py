"""The options of ``otpnode start``, the ready line, and ``otpnode version``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

import otpnode
from tests.node.conftest import Launch
from tests.node.support import count, start

pytestmark = pytest.mark.os_processes

READY = r"^otpnode: {} ready in \d+ ms \(supervisor pid {}, node {}\)$"


def test_the_ready_line_names_shards_milliseconds_supervisor_and_node_on_stderr(launch: Launch) -> None:
    run = launch(start("settings:shards", "--name", "blue-1", schedulers=3))
    run.ends_with(0)
    assert count(READY.format("3 shards", run.pid, "blue-1"), run.err) == 1, run.told()
    assert run.out == "3 shards\n", "stdout is the application's"


def test_one_scheduler_is_one_worker_under_a_supervisor(launch: Launch) -> None:
    run = launch(start("endings:waits_alone", schedulers=1))
    run.line("^waiting")
    assert len(run.children()) == 1
    run.kill()
    run.ends_with(0)
    assert count(READY.format("1 shard", run.pid, f"n{run.pid}"), run.err) == 1, run.told()


def test_auto_counts_the_cpus_this_process_may_use(launch: Launch) -> None:
    one = next(iter(os.sched_getaffinity(0)))
    pinned = f"import os, sys; os.sched_setaffinity(0, {{{one}}}); os.execv(sys.argv[1], sys.argv[1:])"
    run = launch([sys.executable, "-c", pinned, *start("settings:shards", schedulers="auto")])
    run.ends_with(0)
    assert run.out == "1 shards\n", run.told()
    run = launch([word for word in start("settings:shards") if word not in ("--schedulers", "2")])
    run.ends_with(0)
    shards = int(run.out.split()[0])
    assert 1 <= shards <= len(os.sched_getaffinity(0)), run.told()


def test_the_name_of_the_node_is_in_pids_and_in_names_of_downs(launch: Launch) -> None:
    launch(start("settings:named", "--name", "n_0-x", args=("n_0-x",))).passes()


def test_a_full_process_table_is_a_system_limit_error_here_and_across_shards(launch: Launch) -> None:
    launch(start("settings:full_tables", "--max-processes", "20", args=("20",))).passes()


def test_a_message_over_the_cap_is_an_error_at_its_sender(launch: Launch) -> None:
    launch(start("settings:large_messages", "--max-message", "200000", args=("200000",))).passes()


@pytest.mark.parametrize("policy", ["local", "spread"])
def test_the_placement_policy_decides_where_spread_goes(launch: Launch, policy: str) -> None:
    launch(start("settings:placement", "--placement", policy, args=(policy,))).passes()


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_log_level_decides_what_the_program_logs_on_every_shard(launch: Launch, level: str, heard: int) -> None:
    run = launch(start("settings:logs", "--log-level", level))
    run.passes()
    for shard in (0, 1):
        assert count(rf"shard {shard} the\.program: \w+ spoke$", run.err) == heard, run.told()
    assert "spoke" not in run.out


def test_arguments_behind_two_dashes_are_mains(launch: Launch) -> None:
    run = launch(start("settings:arguments", args=("--schedulers", "9", "--", "x y", "")))
    run.ends_with(0)
    assert run.out == "('--schedulers', '9', '--', 'x y', '')\n", run.told()


def test_modules_come_from_the_current_directory_or_from_app_dir(launch: Launch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "json.py").write_text("async def main(): print('mine', flush=True)\n", encoding="utf-8")
    (home / "shop.py").write_text("async def main(): print('open', flush=True)\n", encoding="utf-8")
    command = [sys.executable, "-m", "otpnode", "start", "--schedulers", "2"]
    run = launch([*command, "shop:main"], cwd=home)
    run.ends_with(0)
    assert run.out == "open\n", run.told()
    run = launch([*command, "--app-dir", str(home), "shop:main"])
    run.ends_with(0)
    assert run.out == "open\n", run.told()
    run = launch([*command, "shop:main"])
    run.ends_with(2)
    assert "--app-dir" in run.err, run.told()


@pytest.mark.parametrize("word", ["version", "--version"])
@pytest.mark.parametrize("pure", ["", "1"])
def test_version_names_otpnode_and_python(launch: Launch, pure: str, word: str) -> None:
    run = launch([sys.executable, "-m", "otpnode", word], OTPNODE_PURE=pure)
    run.ends_with(0)
    python = re.escape(sys.version.split()[0])
    assert re.fullmatch(rf"otpnode {re.escape(otpnode.__version__)} \(Python {python}, .*\)\n", run.out), run.told()
    assert "pure Python" in run.out or not pure
