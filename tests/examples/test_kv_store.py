"""The key-value store recovers from the loss of a part, in every mode, and no client ever reads a wrong value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.examples.running import MODES, command, run


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", MODES)
def test_the_store_survives_the_loss_of_a_part(mode: str, tmp_path: Path) -> None:
    answer = tmp_path / "result.json"
    run(command("kv_store", mode, "--seconds", "4", "--json", str(answer)))
    result = json.loads(answer.read_text(encoding="utf-8"))
    lost = "shard" if "two" in mode else "partition"
    assert result["killed"] == f"{lost} 1"
    assert result["restarts"] == 1
    assert result["total"]["calls"] > 0
    assert "wrong" not in result["total"]
    assert len(result["sizes"]) == 2
    assert all(size > 0 for size in result["sizes"])
