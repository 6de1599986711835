"""Random programs for a long time: ``python -m tests.invariants.soak --seconds 600 [--seed N] [--os]``.

Prints programs, signals, kills and violations; exit code 1 when there are any. A seed that is printed with a
violation runs alone with ``--seed N --programs 1`` (several times: the order of timers varies).
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections.abc import Iterator

from tests.invariants import on_os_processes
from tests.invariants.on_loopback import Outcome, run_program
from tests.support import drive

REPORT_SECONDS = 30.0
WORTH_SHOWING = 20


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.invariants.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--programs", type=int, default=1 << 60, help="stop after so many")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="of the first program")
    parser.add_argument("--os", action="store_true", help="on OS processes, with SIGKILL of shards")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seeds from {given.seed} on, {'OS processes' if given.os else 'loopback'}", flush=True)
    outcomes = on_os_processes.programs if given.os else on_loopback
    total = Total()
    for outcome in outcomes(given.seed, given.programs, time.monotonic() + given.seconds):
        total.add(outcome)
    total.tell()
    return 1 if total.violations else 0


def on_loopback(seed: int, count: int, end: float) -> Iterator[Outcome]:
    """Run programs on loopback nodes, each on a loop of its own."""
    for number in range(seed, seed + count):
        if time.monotonic() > end:
            return
        complaints: list[str] = []

        async def one(number: int = number) -> Outcome:
            return await run_program(number)

        outcome = drive(one, complaints=complaints)
        assert isinstance(outcome, Outcome)
        outcome.wrong += complaints
        yield outcome


class Total:
    """The sum of many outcomes."""

    def __init__(self) -> None:
        self._started = self._told = time.monotonic()
        self._programs = self._signals = self._kills = self._crashes = 0
        self.violations = 0

    def add(self, outcome: Outcome) -> None:
        """Count one program."""
        self._programs += 1
        self._signals += outcome.signals
        self._kills += outcome.kills
        self._crashes += outcome.crashes
        if outcome.wrong:
            self.violations += len(outcome.wrong)
            print(f"seed {outcome.seed}:", *outcome.wrong[:WORTH_SHOWING], sep="\n    ", flush=True)
        if time.monotonic() > self._told + REPORT_SECONDS:
            self._told = time.monotonic()
            self.tell()

    def tell(self) -> None:
        """Print where it stands."""
        print(
            f"{self._programs} programs, {self._signals} signals, {self._kills} kills of processes, "
            f"{self._crashes} of shards, {self.violations} violations in {time.monotonic() - self._started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
