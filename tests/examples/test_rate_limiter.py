"""The rate limiter does all jobs, never grants more than it may, and protects the service while it fails."""

from __future__ import annotations

import re

import pytest

from tests.examples.running import MODES, command, run


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", MODES)
def test_the_limit_holds_and_the_circuit_breaks_and_mends(mode: str) -> None:
    arguments = ["--jobs", "120", "--workers", "6", "--rate", "200", "--burst", "8"]
    told = run(command("rate_limiter", mode, *arguments)).stdout

    work = re.search(r"^(\d+) jobs done by 6 workers on shards ([\d, ]+) in (\d+\.\d+) s$", told, re.MULTILINE)
    limit = re.search(r"^granted (\d+), allowed 8 \+ 200/s: ", told, re.MULTILINE)
    circuit = re.search(r"^tripped (\d+) times, refused (\d+) times$", told, re.MULTILINE)
    assert work, told
    assert limit, told
    assert circuit, told
    assert int(work[1]) == 120
    assert work[2] == ("0, 1" if "two" in mode else "0")
    # Every job and each of the six failures was granted; a trial may have been given one token in advance.
    assert 126 <= int(limit[1]) <= 8 + 200 * float(work[3]) + 1.1
    assert int(circuit[1]) >= 1
