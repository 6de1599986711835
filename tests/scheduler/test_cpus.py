"""How many CPUs may be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otpnode.scheduler.cpus import auto_schedulers, cgroup_quota


def group(root: Path, **files: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


@pytest.mark.usefixtures("sixteen")
class TestQuota:
    def test_the_smallest_of_the_v2_tree_counts(self, tmp_path: Path, proc: Path) -> None:
        proc.write_text("0::/a/b\n")
        group(tmp_path / "a" / "b", cpu__max="max 100000\n")
        group(tmp_path / "a", cpu__max="250000 100000\n")
        assert cgroup_quota(proc, tmp_path) == 2.5
        assert auto_schedulers(proc, tmp_path) == (3, "cgroup quota of 2.5 CPUs")

    def test_v1(self, tmp_path: Path, proc: Path) -> None:
        proc.write_text("7:memory:/x\n4:cpu,cpuacct:/x\n")
        group(tmp_path / "cpu,cpuacct" / "x", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
        assert auto_schedulers(proc, tmp_path) == (1, "cgroup quota of 0.5 CPUs")

    @pytest.mark.parametrize("quota", ["-1", "0", "nonsense", ""])
    def test_no_quota(self, tmp_path: Path, proc: Path, quota: str) -> None:
        proc.write_text("4:cpu:/\n0::/\n")
        group(tmp_path / "cpu", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
        assert cgroup_quota(proc, tmp_path) is None
        assert auto_schedulers(proc, tmp_path)[0] == 16

    def test_a_path_of_the_host_falls_back_to_the_root(self, tmp_path: Path, proc: Path) -> None:
        proc.write_text("0::/kubepods/pod1\n")
        group(tmp_path, cpu__max="400000 100000")
        assert auto_schedulers(proc, tmp_path)[0] == 4

    def test_without_cgroups(self, tmp_path: Path, proc: Path) -> None:
        assert auto_schedulers(proc, tmp_path)[0] == 16


def test_here_it_is_at_least_one() -> None:
    count, source = auto_schedulers()
    assert 1 <= count <= (os.cpu_count() or 1)
    assert source
