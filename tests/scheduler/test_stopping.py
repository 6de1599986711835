"""How a node ends, and with which code."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.scheduler.support import alive, eventually, running

pytestmark = pytest.mark.os_processes
TWO = {"schedulers": 2}


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_in_order(tmp_path: Path, signum: int, code: int) -> None:
    with running(tmp_path, config=TWO) as node:
        pids = node.family()
        node.signal(signum)
        assert node.wait() == code
        assert not any(map(alive, pids))


def test_all_drain_before_any_leaves(tmp_path: Path) -> None:
    with running(tmp_path, config=TWO, no_drain=[1]) as node:
        node.signal(signal.SIGTERM)
        node.worker(0).waits_for("Stop", 3.0, False)
        node.worker(1).waits_for("Stop", 3.0, False)
        assert node.worker(0).events("Leave") == []
        node.worker(1).kill()
        # The dead owe no answer: now everybody left is drained. A death in a stop is no crash and is not replaced.
        assert node.wait() == 0
        assert "restarts" not in node.stderr


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_is_now(tmp_path: Path, signum: int, code: int) -> None:
    # The stop would take longer than anybody waits here.
    with running(tmp_path, config={**TWO, "stop_grace": 600.0}, no_drain=[0, 1]) as node:
        node.signal(signum)
        node.worker(0).waits_for("Stop", 360.0, False)
        node.signal(signum)
        assert node.wait() == code


def test_another_kind_of_signal_is_not_a_second(tmp_path: Path) -> None:
    with running(tmp_path, config=TWO, no_drain=[0, 1]) as node:
        node.signal(signal.SIGTERM)
        node.worker(0).waits_for("Stop", 3.0, False)
        node.signal(signal.SIGINT)
        # An answer shows that the supervisor is still there, and has taken the first INT: two at once would be one.
        assert node.worker(0).ask("unregister", "nobody") == "unknown_name"
        node.signal(signal.SIGINT)
        assert node.wait() == 130


@pytest.mark.parametrize(("code", "size"), [(0, 0), (1, 10), (5, 1_000_000)])
def test_mains_end_is_the_nodes_and_its_outcome_reaches_the_caller(tmp_path: Path, code: int, size: int) -> None:
    with running(tmp_path, caller=True, config=TWO) as node:
        node.worker(0).post("main_ended", code, size)
        assert node.wait() == code
        assert node.caller.recv(999) == f"outcome {code} {size}\n".encode()


def test_stop_from_any_shard_gives_its_code(tmp_path: Path) -> None:
    with running(tmp_path, config=TWO) as node:
        node.worker(1).post("stop_node", 42)
        assert node.wait() == 42


def test_the_first_cause_decides(tmp_path: Path) -> None:
    with running(tmp_path, config=TWO, no_drain=[1]) as node:
        node.worker(0).post("stop_node", 6)
        node.worker(1).waits_for("Stop", 3.0, False)
        node.worker(0).post("main_ended", 9, 3)
        node.signal(signal.SIGTERM)
        node.worker(1).kill()
        assert node.wait() == 6


def test_who_does_not_drain_is_given_up_after_the_grace(tmp_path: Path) -> None:
    with running(tmp_path, config={**TWO, "stop_grace": 0.1}, no_drain=[1], no_leave=[0, 1]) as node:
        pids = node.family()
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        assert "shard 1 is not drained in time" in node.stderr
        assert not any(map(alive, pids))


def test_a_stopped_worker_does_not_keep_the_node(tmp_path: Path) -> None:
    with running(tmp_path, config={**TWO, "stop_grace": 0.1}) as node:
        worker = node.worker(1)
        worker.kill(signal.SIGSTOP)
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        assert not alive(worker.pid)


def test_a_shard_that_boots_again_is_not_waited_for(tmp_path: Path) -> None:
    with running(tmp_path, config=TWO, boot_hang=[[1, 2]]) as node:
        node.worker(1).kill()
        booting = node.worker(1, 2)
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        assert not alive(booting.pid)


def test_with_a_caller_int_comes_through_the_pipe_only(tmp_path: Path) -> None:
    with running(tmp_path, caller=True, config=TWO) as node:
        node.signal(signal.SIGINT)
        node.signal(signal.SIGINT)
        node.worker(0).waits_for("Start")
        assert node.process.poll() is None
        node.caller.send(bytes([signal.SIGINT]))
        assert node.wait() == 130
        assert node.caller.recv(999) == b"outcome 130 0\n"


def test_workers_ignore_the_terminals_int(tmp_path: Path) -> None:
    with running(tmp_path, config=TWO) as node:
        worker = node.worker(1)
        worker.kill(signal.SIGINT)
        worker.waits_for("ShardUp", 0, 1)
        worker.kill(signal.SIGTERM)
        node.worker(0).waits_for("ShardDown", 1, 1, -15)
        eventually(lambda: not alive(worker.pid))
