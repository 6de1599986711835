"""64 shards within 1024 descriptors, as a user whom the kernel holds to that (``apps/ordinary.py``, ``many.py``)."""

from __future__ import annotations

import os

import pytest

from tests.node.conftest import Launch
from tests.node.support import eventually, script

pytestmark = [pytest.mark.os_processes, pytest.mark.slow]

DESCRIPTORS = 1024


def test_64_shards_boot_and_a_killed_one_comes_back_with_1024_descriptors(launch: Launch) -> None:
    options = ("--schedulers", "64", "--max-restarts", "9", "--stop-grace", "20")
    run = launch(script("ordinary", *options, "tests.node.apps.many:main"))
    peak = 0

    def booted() -> bool:
        nonlocal peak
        peak = max(peak, len(os.listdir(f"/proc/{run.pid}/fd")))
        return "shards ready" in run.err or run.popen.poll() is not None

    eventually(booted, "the ready line")
    run.passes()
    print(run.err, run.out, f"the supervisor has had up to {peak} descriptors", sep="\n")
    assert peak < DESCRIPTORS
