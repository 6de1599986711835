"""FS-03: ``--kill-blocked``: what becomes of a killed process that is inside C code."""

from __future__ import annotations

import sys

import pytest

import otpnode
from tests.node.conftest import Launch
from tests.node.support import count, start

pytestmark = pytest.mark.os_processes

BLOCKED = r"pid_\S+ \(importer\) is to be killed and has held shard 1 for \d+\.\d s inside C code"


def test_fs03_a_killed_process_inside_c_is_waited_for_and_logged_once(launch: Launch) -> None:
    run = launch(start("blocked:waited_for"))
    run.passes()
    assert count(BLOCKED + r".*waiting for it \(--kill-blocked=shard", run.err) == 1, run.told()


def test_fs03_or_its_shard_ends_and_comes_back(launch: Launch) -> None:
    run = launch(start("blocked:ended_with_its_shard", "--kill-blocked", "shard"))
    run.passes()
    assert count(BLOCKED + r"; the shard ends \(kill_blocked\)", run.err) == 1, run.told()
    assert count("shard 1 was killed by SIGKILL; it restarts as incarnation 2", run.err) == 1, run.told()


def test_fs03_also_when_the_c_code_keeps_the_gil(launch: Launch) -> None:
    run = launch(start("blocked:even_with_the_gil", "--kill-blocked", "shard"))
    run.passes()
    assert count(r"pid_\S+ is to be killed and shard 1 gives no sign: .*; the shard ends", run.err) == 1, run.told()


async def _nothing() -> None:
    """Be main."""


def test_one_loop_has_no_shard_to_end() -> None:
    with pytest.raises(ValueError, match="more than one scheduler"):
        otpnode.run(_nothing, kill_blocked="shard")
    with pytest.raises(ValueError, match="more than one scheduler"):
        otpnode.node(kill_blocked="shard")


def test_kill_blocked_takes_two_words(launch: Launch) -> None:
    with pytest.raises(ValueError, match="kill_blocked must be one of wait, shard, not 'never'"):
        otpnode.run(_nothing, schedulers=2, kill_blocked="never")
    run = launch([sys.executable, "-m", "otpnode", "start", "--kill-blocked", "never", "app:main"])
    run.ends_with(2)
    assert "invalid choice: 'never'" in run.err, run.told()
