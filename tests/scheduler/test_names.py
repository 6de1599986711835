"""The name protocol between real workers (RG-, §21.5, R6, R14, R23)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from otpnode.pid import make_pid
from tests.scheduler.support import Node, eventually, running

pytestmark = pytest.mark.os_processes
THREE = {"schedulers": 3, "name": "t"}


def claim(node: Node, shard: int) -> str:
    pid = node.worker(shard).ask("claim")
    assert isinstance(pid, str)
    return pid


def test_register_is_seen_everywhere_when_it_returns(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        for turn in range(50):
            pid = claim(node, turn % 3)
            assert node.worker((turn + 1) % 3).ask("register", f"n{turn}", pid) == ""
            assert [node.worker(shard).ask("whereis", f"n{turn}") for shard in range(3)] == [pid] * 3


def test_taken_named_dead_unknown(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        one, other = claim(node, 1), claim(node, 1)
        worker = node.worker(0)
        assert worker.ask("register", "a", one) == ""
        assert worker.ask("register", "a", one) == "taken"
        assert worker.ask("register", "a", other) == "taken"
        assert worker.ask("register", "b", one) == "named"
        assert worker.ask("register", "b", make_pid("t", 1, 1, 999)) == "not_found"
        assert worker.ask("register", "b", make_pid("elsewhere", 1, 1, 1)) == "not_found"
        assert worker.ask("register", "b", "nonsense") == "not_found"
        assert worker.ask("register", "b" * 5000, other) == "too_long"
        assert worker.ask("unregister", "b") == "unknown_name"
        assert node.worker(2).ask("unregister", "a") == ""
        assert worker.ask("whereis", "a") is None


def test_one_of_two_racing_shards_wins(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        one, other = claim(node, 1), claim(node, 2)
        for turn in range(30):
            node.worker(1).post("register", f"r{turn}", one)
            node.worker(2).post("register", f"r{turn}", other)
            answers = [node.worker(1).answer(), node.worker(2).answer()]
            assert answers in (["", "taken"], ["taken", ""])
            winner = one if answers[0] == "" else other
            assert node.worker(0).ask("whereis", f"r{turn}") == winner
            assert node.worker(0).ask("unregister", f"r{turn}") == ""


def test_gone_frees_the_name_before_its_answer(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        pid = claim(node, 1)
        node.worker(1).ask("register", "g", pid)
        node.worker(1).ask("release", 1)
        assert node.worker(1).ask("gone", pid) == ""
        assert node.worker(2).ask("whereis", "g") is None
        assert node.worker(2).ask("register", "g", claim(node, 2)) == ""
        assert node.worker(1).ask("gone", pid) == ""
        assert node.worker(0).ask("whereis", "g") is not None


def test_a_process_that_dies_while_it_is_registered_leaves_no_name(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        for turn in range(100):
            pid = claim(node, 1)
            serial = int(pid.rpartition(".")[2])
            answer = node.worker(1).ask("register_and_die", f"d{turn}", pid, serial)
            # Either it was given in time, then the owner's `gone` frees it, or it was not given at all.
            if answer == "":
                assert node.worker(1).ask("gone", pid) == ""
            else:
                assert answer == "not_found"
            assert node.worker(2).ask("whereis", f"d{turn}") is None


def test_reservations_exclude_and_die_with_their_shard(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        one, two = node.worker(1), node.worker(2)
        assert one.ask("reserve", "s") == ""
        assert two.ask("reserve", "s") == "taken"
        assert two.ask("register", "s", claim(node, 2)) == "taken"
        assert two.ask("whereis", "s") is None
        pid = claim(node, 1)
        assert one.ask("commit", "s", pid) == ""
        assert two.ask("whereis", "s") == pid
        assert one.ask("reserve", "u") == ""
        one.ask("free", "u")
        eventually(lambda: two.ask("reserve", "u") == "")
        assert one.ask("reserve", "v") == ""
        one.kill()
        two.waits_for("ShardDown", 1, 1, -9)
        assert two.ask("reserve", "v") == ""


def test_the_names_of_a_dead_shard_are_free_when_its_death_is_told(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        for number in range(20):
            node.worker(0).ask("register", f"x{number}", claim(node, 1))
        node.worker(1).kill()
        node.worker(2).waits_for("ShardDown", 1, 1, -9)
        assert node.worker(2).ask("versions_differ") is False
        for number in range(20):
            assert node.worker(2).ask("whereis", f"x{number}") is None
        assert node.worker(2).ask("register", "x0", claim(node, 2)) == ""


def test_a_restarted_shard_begins_with_the_table(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        pid = claim(node, 2)
        node.worker(0).ask("register", "old", pid)
        node.worker(1).kill()
        node.worker(0).waits_for("ShardUp", 1, 2)
        assert node.worker(1, 2).ask("whereis", "old") == pid


def test_a_stopped_shard_delays_no_registration_and_catches_up_by_a_snapshot(tmp_path: Path) -> None:
    with running(tmp_path, config=THREE) as node:
        pid = claim(node, 1)
        node.worker(2).kill(signal.SIGSTOP)
        assert node.worker(1).ask("register", "before", claim(node, 1)) == ""
        # Far more versions than an unread channel takes, and than are kept as a log.
        assert node.worker(1).ask("storm", 3000, pid) == "unknown_name"
        for number in range(1500):
            assert node.worker(1).ask("register", f"y{number}", claim(node, 1)) == ""
        assert node.worker(0).ask("registered") == 1501
        node.worker(2).kill(signal.SIGCONT)
        assert node.worker(2).ask("registered") == 1501
        assert node.worker(2).ask("whereis", "before") is not None
        assert node.worker(2).ask("whereis", "storm7") is None
        assert node.worker(1).ask("unregister", "y7") == ""
        assert node.worker(2).ask("whereis", "y7") is None
