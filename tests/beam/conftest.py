"""Each placement is run once for all its traces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.beam.campaign import Tally, recorded, run_and_compare
from tests.beam.scenario import Placement
from tests.beam.telling import TALLIES

TallyOf = Callable[[Placement], Tally]


@pytest.fixture(scope="session")
def tally_of(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> TallyOf:
    """Return what came of a placement, run at the first asking."""
    tallies = pytestconfig.stash.setdefault(TALLIES, {})

    def find(placement: Placement) -> Tally:
        if placement not in tallies:
            out: Path = tmp_path_factory.mktemp(placement)
            tallies[placement] = run_and_compare(recorded(), placement, out)
        return tallies[placement]

    return find
