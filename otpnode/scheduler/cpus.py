"""How many schedulers ``auto`` means: the CPUs this process may really use.

A container with a quota of two CPUs on a machine of sixty-four is told of sixty-four by the affinity mask; sixty-four
shards would then be throttled together. So the cgroup quota counts too, rounded up, of this group and all above it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def auto_schedulers(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> tuple[int, str]:
    """Return how many shards to run, at least 1, and where the number came from."""
    allowed = _affinity()
    quota = cgroup_quota(proc, cgroups)
    if quota is not None and math.ceil(quota) < allowed:
        return max(1, math.ceil(quota)), f"cgroup quota of {quota:g} CPUs"
    return max(1, allowed), f"CPU affinity ({allowed} of {os.cpu_count() or allowed})"


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quota(proc: Path, cgroups: Path) -> float | None:
    """Return the smallest CPU quota of this process's cgroups, v2 or v1; None when there is none."""
    found = [quota for line in _read(proc).splitlines() for quota in _quotas(line, cgroups)]
    return min(found, default=None)


def _quotas(line: str, cgroups: Path) -> Iterator[float]:
    hierarchy, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    if hierarchy == "0" and not controllers:
        for folder in _upwards(cgroups, path):
            quota, _, period = _read(folder / "cpu.max").partition(" ")
            yield from _ratio(quota, period)
    elif "cpu" in controllers.split(","):
        for folder in _upwards(cgroups / controllers, path) + _upwards(cgroups / "cpu", path):
            yield from _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _upwards(root: Path, path: str) -> list[Path]:
    # In a container without a cgroup namespace the path is the host's and does not exist here; the root then does.
    names = [name for name in path.split("/") if name]
    return [root.joinpath(*names[:depth]) for depth in range(len(names), -1, -1)]


def _ratio(quota: str, period: str) -> Iterator[float]:
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return
    if share > 0:
        yield share


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
