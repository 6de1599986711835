"""What a scenario says, and where each placement puts its actors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

Placement = Literal["single", "one-shard", "spread"]
PLACEMENTS: tuple[Placement, ...] = ("single", "one-shard", "spread")

SHARDS = 3
"""Over how many shards the actors of a file that places nobody are spread."""

Step = list[object]


@dataclass(frozen=True)
class Scenario:
    """One program: its actors, where they live, and what they are told to do."""

    name: str
    actors: tuple[str, ...]
    place: dict[str, int]
    script: tuple[Step, ...]

    @property
    def crashes(self) -> bool:
        """Whether a shard is killed in it."""
        return any(step[:2] == ["*", "crash"] for step in self.script)

    @property
    def concurrent(self) -> bool:
        """Whether several actors act at once in it."""
        return any(step[:2] == ["*", "par"] for step in self.script)

    @property
    def arms_timers(self) -> bool:
        """Whether a timer is armed in it for a pid: Erlang has none for another node's (TM-04, TM-06)."""
        kinds = ("timer", "start_timer")
        return any(step[1] in kinds and str(step[4]).startswith("@") for step in self.script)

    @property
    def shards(self) -> int:
        """How many shards its places need."""
        return 1 + max(self.place.values(), default=0)

    def shard_of(self, actor: str, placement: Placement) -> int:
        """Return where `actor` lives: as the file says, and in turn where it says nothing at all."""
        if placement == "single":
            return 0
        if placement == "one-shard":
            return 1
        if self.place or self.arms_timers:
            return self.place.get(actor, 0)
        return (ord(actor[0]) - ord("a")) % SHARDS


def load(path: str | Path) -> Scenario:
    """Read a scenario file."""
    data = cast("dict[str, object]", json.loads(Path(path).read_text(encoding="utf-8")))
    return Scenario(
        name=str(data.get("name", "?")),
        actors=tuple(cast("list[str]", data.get("actors", ["a", "b", "c"]))),
        place=cast("dict[str, int]", data.get("place", {})),
        script=tuple(cast("list[Step]", data["script"])),
    )
