"""The torture of a supervision tree, for a few seconds; `python -m tests.behaviours.torture` goes on for a minute."""

from __future__ import annotations

import pytest

from tests.behaviours.torture import torture


@pytest.mark.os_processes
def test_sv10_a_tortured_tree_comes_back_whole_and_its_restarts_are_counted() -> None:
    outcome = torture(4.0, seed=1)
    assert outcome["left"] == []
    assert outcome["looks"] >= 2
    assert 0 < outcome["kills"]["leaves"] <= outcome["deaths by the board, and by the census"]
