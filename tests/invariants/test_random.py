"""I1 … I8 over random programs; `python -m tests.invariants.soak` runs more of them (SEMANTICS §23.3)."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable

import pytest

from tests.invariants.on_loopback import run_program
from tests.support import drive

BATCHES = 20
IN_A_BATCH = 20


def run_quietly(seeds: Iterable[int], caplog: pytest.LogCaptureFixture) -> int:
    """Run programs one after the other; return how many signals there were. Of no interest: what crashes log."""
    caplog.set_level(logging.CRITICAL)

    async def main() -> int:
        signals = 0
        for seed in seeds:
            outcome = await run_program(seed)
            assert not outcome.wrong, f"seed {seed}: {outcome.wrong}"
            signals += outcome.signals
        return signals

    signals = drive(main, within=120)
    assert isinstance(signals, int)
    return signals


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs_keep_the_invariants(batch: int, caplog: pytest.LogCaptureFixture) -> None:
    first = random.randrange(1 << 30)
    print(f"seeds {first} to {first + IN_A_BATCH - 1}")
    assert run_quietly(range(first, first + IN_A_BATCH), caplog) > IN_A_BATCH


FOUND = (112, 121, 152, 165, 188, 254, 266, 523, 615, 5507, 5883, 6883, 7546, 10457, 13625, 18848)
"""Seeds that have shown a bug once: the order of timers varies from run to run, so they are worth a try."""


def test_programs_that_broke_an_invariant_once(caplog: pytest.LogCaptureFixture) -> None:
    assert run_quietly(FOUND, caplog)
