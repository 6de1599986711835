"""Every trace recorded on real Erlang, on one loop, on one shard of several, and spread over them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.beam.campaign import DATA, Tally, recorded, why_left_out
from tests.beam.gen import scenario, write
from tests.beam.scenario import PLACEMENTS, Placement

COMPARED = [
    pytest.param(placement, file, id=f"{placement}-{file.stem}")
    for placement in PLACEMENTS
    for file in recorded()
    if not why_left_out(file, placement)
]


@pytest.mark.os_processes
@pytest.mark.parametrize(("placement", "file"), COMPARED)
def test_trace(placement: Placement, file: Path, tally_of: Callable[[Placement], Tally]) -> None:
    difference = tally_of(placement).differences.get(file.stem, "")
    assert not difference, f"otpnode, {placement}, against {file.name}:\n{difference}"


@pytest.mark.os_processes
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_all_are_compared_but_those_that_cannot_be(
    placement: Placement, tally_of: Callable[[Placement], Tally]
) -> None:
    tally = tally_of(placement)
    left = sorted(name for names in tally.left_out.values() for name in names)
    dead_links = ["05_normal", "10_spawn_atomic", "r_1_16", "r_1_37"]
    crashes = [] if placement == "spread" else ["20_shard_crash", "r_3_0", "r_3_1", "r_3_4"]
    assert left == sorted(dead_links + crashes)
    assert tally.files + len(left) == len(recorded())
    assert tally.steps > 2500


@pytest.mark.parametrize(
    ("folder", "seed", "shards", "par"),
    [("corpus", 1, 1, False), ("corpus_par", 2, 1, True), ("corpus_shards", 3, 3, False)],
)
def test_the_generator_still_writes_the_corpora(folder: str, seed: int, shards: int, par: bool, tmp_path: Path) -> None:
    files = sorted((DATA / folder).glob("*.json"))
    assert files
    for written in write(seed, len(files), tmp_path, partial(scenario, shards=shards, par=par)):
        assert written.read_text() == (DATA / folder / written.name).read_text()
