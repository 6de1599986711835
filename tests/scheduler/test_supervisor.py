"""Boot, seats, restarts: one supervisor and its workers as OS processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.scheduler.support import Node, alive, eventually, running

pytestmark = pytest.mark.os_processes
SOON = 10.0
"""Ten times the second within which no worker may be alive after its supervisor."""
AS_INIT = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def meshed(node: Node, keys: list[tuple[int, int]]) -> None:
    """Assert that every ordered pair carries what its writer writes, and to its reader only."""
    for one in keys:
        for other in keys:
            if one != other:
                text = f"{one}->{other}"
                node.worker(*one).ask("write", *other, text)
                assert node.worker(*other).ask("read", *one) == text


class TestBoot:
    def test_the_ready_line_names_shards_supervisor_and_node(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 3, "name": "here"}) as node:
            line = rf"otpnode: 3 shards ready in \d+ ms \(supervisor pid {node.process.pid}, node here\)\n"
            assert re.fullmatch(line, node.stderr)
            assert len(node.family()) == 3

    def test_one_shard_boots_too(self, tmp_path: Path) -> None:
        with running(tmp_path) as node:
            node.worker(0).waits_for("Start")
            assert "1 shard ready" in node.stderr

    def test_every_pair_works_and_each_shard_hears_of_each_once(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 4}) as node:
            keys = [(shard, 1) for shard in range(4)]
            node.worker(0).waits_for("Start")
            meshed(node, keys)
            for key in keys:
                for shard in range(4):
                    node.worker(*key).waits_for("ShardUp", shard, 1)
                heard = node.worker(*key).events("ShardUp")
                assert sorted(heard) == [["ShardUp", shard, 1] for shard in range(4)]
                assert ("Start" in [event[0] for event in node.worker(*key).events()]) == (key == (0, 1))

    def test_sixteen_shards_are_seated(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 16}) as node:
            keys = [(shard, 1) for shard in range(16)]
            for key in keys:
                assert len(node.worker(*key).events("Seat")) == 30
            meshed(node, keys[:3] + keys[-2:])

    def test_a_worker_has_only_its_own_descriptors(self, tmp_path: Path) -> None:
        with running(tmp_path, caller=True, config={"schedulers": 3}) as node:
            for shard in range(3):
                found = node.worker(shard).ask("fds")
                assert isinstance(found, dict)
                sockets = [target for target in found.values() if target.startswith("socket:")]
                # Two ends for each of two peers, the control channel, the test's socket.
                assert len(sockets) == 6, found
                assert not [target for target in found.values() if "pidfd" in target or "eventpoll" in target]

    def test_a_boot_failure_is_told_once(self, tmp_path: Path) -> None:
        with running(tmp_path, ready=False, boot_fail=[0, 1, 2, 3], config={"schedulers": 4}) as node:
            assert node.wait() == 2
            assert node.stderr.count("ImportError") == 1
            assert "ready" not in node.stderr

    def test_a_boot_failure_is_told_to_the_caller_whole_and_not_printed_too(self, tmp_path: Path) -> None:
        with running(tmp_path, ready=False, caller=True, boot_fail=[0, 1, 2, 3], config={"schedulers": 4}) as node:
            assert node.wait() == 2
            assert "ImportError" not in node.stderr
            told = node.caller.recv(9999).decode()
            assert told.startswith("down boot failure: ")
            assert told.count("ImportError") == 1

    def test_a_death_at_boot_is_a_boot_failure(self, tmp_path: Path) -> None:
        with running(tmp_path, ready=False, boot_exit=[1], config={"schedulers": 2}) as node:
            assert node.wait() == 3
            assert node.stderr == "otpnode: shard 1 exited with status 7 while booting\n"

    def test_an_exception_of_the_worker_is_written_once(self, tmp_path: Path) -> None:
        with running(tmp_path, ready=False, boot_raise=[1], config={"schedulers": 2}) as node:
            assert node.wait() == 3
            assert node.stderr.count("RuntimeError: boom at boot") == 1
            assert node.stderr.count("Traceback") == 1

    def test_what_was_buffered_at_the_fork_is_written_once(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 4}) as node:
            node.signal(signal.SIGTERM)
            node.wait()
            assert node.stdout == "buffered once\n"

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
    def test_a_signal_while_booting_ends_the_boot(self, tmp_path: Path, signum: int, code: int) -> None:
        with running(tmp_path, ready=False, boot_hang=[1], config={"schedulers": 2}) as node:
            node.worker(1)
            node.signal(signum)
            assert node.wait() == code
            assert "ready" not in node.stderr


class TestDeath:
    def test_a_killed_worker_restarts_and_is_seated_with_all(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 3}) as node:
            node.worker(1).kill()
            node.worker(1, 2)
            for shard in (0, 2):
                node.worker(shard).waits_for("ShardUp", 1, 2)
            node.worker(1, 2).waits_for("ShardUp", 2, 1)
            meshed(node, [(0, 1), (1, 2), (2, 1)])
            heard = sorted(event[1:] for event in node.worker(1, 2).events("ShardUp"))
            assert heard == [[0, 1], [1, 2], [2, 1]]
            assert node.worker(1, 2).events("Start") == []

    def test_peers_hear_down_then_seat_then_up(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 2}) as node:
            node.worker(1).kill()
            node.worker(0).waits_for("ShardUp", 1, 2)
            later = [event for event in node.worker(0).events() if event[1:2] == [1]]
            assert [event for event in later if event[0] in ("ShardDown", "ShardUp")] == [
                ["ShardUp", 1, 1],
                ["ShardDown", 1, 1, -9],
                ["ShardUp", 1, 2],
            ]
            seats = [number for number, event in enumerate(later) if event[:3] == ["Seat", 1, 2]]
            assert len(seats) == 2
            assert later.index(["ShardDown", 1, 1, -9]) < min(seats) <= max(seats) < later.index(["ShardUp", 1, 2])

    def test_the_dead_incarnation_shows_dead_on_the_board(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 2}) as node:
            node.worker(1).ask("claim")
            assert node.worker(0).ask("alive", 1, 1, 1) is True
            node.worker(1).kill()
            node.worker(0).waits_for("ShardDown", 1, 1, -9)
            assert node.worker(0).ask("alive", 1, 1, 1) is False
            node.worker(1, 2).ask("claim")
            assert node.worker(0).ask("alive", 1, 1, 1) is False
            assert node.worker(0).ask("alive", 1, 2, 1) is True

    def test_two_workers_that_die_together_are_seated_with_each_other(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 3}) as node:
            node.worker(1).kill()
            node.worker(2).kill()
            node.worker(0).waits_for("ShardUp", 1, 2)
            node.worker(0).waits_for("ShardUp", 2, 2)
            meshed(node, [(0, 1), (1, 2), (2, 2)])

    def test_three_restarts_leak_no_descriptor(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 3}) as node:
            supervisor = psutil.Process(node.process.pid)
            before = supervisor.num_fds()
            for incarnation in (1, 2, 3):
                node.worker(1, incarnation).kill()
                node.worker(0).waits_for("ShardUp", 1, incarnation + 1)
            assert eventually(lambda: supervisor.num_fds() == before)
            assert len(node.family()) == 3

    def test_a_stopped_worker_delays_no_restart(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 3}) as node:
            node.worker(2).kill(signal.SIGSTOP)
            node.worker(1).kill()
            node.worker(0).waits_for("ShardUp", 1, 2)
            node.worker(2).kill(signal.SIGCONT)
            node.worker(2).waits_for("ShardUp", 1, 2)
            meshed(node, [(0, 1), (1, 2), (2, 1)])

    def test_a_corrupt_link_kills_its_writer(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 2}) as node:
            node.worker(0).ask("corrupt", 1, 7)
            node.worker(0).ask("corrupt", 1, 1)
            node.worker(0).waits_for("ShardDown", 1, 1, -9)
            node.worker(0).waits_for("ShardUp", 1, 2)

    def test_loss_of_mains_shard_stops_the_node_in_order(self, tmp_path: Path) -> None:
        with running(tmp_path, caller=True, config={"schedulers": 2}) as node:
            node.worker(0).kill()
            assert node.wait() == 1
            assert node.stderr.count("main's shard was lost: shard 0 was killed by SIGKILL; the node stops") == 1
            assert node.caller.recv(999) == b"down main's shard was lost: shard 0 was killed by SIGKILL\n"

    def test_a_crash_loop_ends_with_four(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 2, "max_restarts": 2}, boot_exit=[[1, 2], [1, 3]]) as node:
            node.worker(1).kill()
            assert node.wait() == 4
            line = "crash loop: more than 2 deaths within 30 s, last: shard 1 exited with status 7"
            assert node.stderr.count(line) == 1
            assert len(node.workers) <= 4

    def test_a_restart_that_cannot_boot_says_why(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 2, "max_restarts": 1}, boot_fail=[[1, 2]]) as node:
            node.worker(1).kill()
            assert node.wait() == 4
            assert "ImportError" in node.stderr


class TestAsInit:
    @pytest.fixture(autouse=True)
    def _needs_namespaces(self) -> None:
        probe = [*AS_INIT, sys.executable, "-c", ""]
        if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
            pytest.skip("needs unshare and the right to make a PID namespace")

    def test_orphans_are_reaped_and_the_end_is_in_order(self, tmp_path: Path) -> None:
        with running(tmp_path, prefix=AS_INIT, config={"schedulers": 2}) as node:
            assert "supervisor pid 1," in node.stderr
            (init,) = psutil.Process(node.process.pid).children()
            orphan = node.worker(1).ask("orphan")
            eventually(lambda: orphan not in node.worker(0).ask("pids"), what="the orphan is reaped")  # type: ignore[operator]
            node.worker(1).ask("kill_me")
            node.worker(0).waits_for("ShardDown", 1, 1, -9)
            node.worker(0).waits_for("ShardUp", 1, 2)
            init.send_signal(signal.SIGTERM)
            assert node.wait() == 0


class TestLossOfTheSupervisor:
    def test_no_worker_outlives_it(self, tmp_path: Path) -> None:
        with running(tmp_path, config={"schedulers": 4}) as node:
            pids = node.family()
            node.worker(1).kill(signal.SIGSTOP)
            node.process.kill()
            eventually(lambda: not any(map(alive, pids)), within=SOON)

    def test_nor_while_booting(self, tmp_path: Path) -> None:
        with running(tmp_path, ready=False, config={"schedulers": 4}, boot_hang=[0, 1, 2, 3]) as node:
            pids = [node.worker(shard).pid for shard in range(4)]
            node.process.kill()
            eventually(lambda: not any(map(alive, pids)), within=SOON)

    def test_nor_while_forking(self, tmp_path: Path) -> None:
        with running(tmp_path, ready=False, config={"schedulers": 16}) as node:
            pids = eventually(node.family)
            node.process.kill()
            node.wait()
            eventually(lambda: not any(map(alive, pids)), within=SOON)
            marker = str(node.path)
            eventually(lambda: not _mentioned(marker), within=SOON)

    def test_the_end_of_the_callers_pipe_is_the_end(self, tmp_path: Path) -> None:
        with running(tmp_path, caller=True, config={"schedulers": 2}, no_drain=[0, 1]) as node:
            pids = node.family()
            node.caller.close()
            assert node.wait() == 1
            assert "Traceback" not in node.stderr
            assert not any(map(alive, pids))


def _mentioned(marker: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(marker in word for word in line):
            found.append(process.pid)
    return found
