"""Scenarios with what the plain generator leaves out.

Receives that wait, monitors by name, timers, reasons and messages of every kind with pids
and refs in them, children that link and register on their way, everything `info` tells.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.beam.gen import NAMES, Author, scenario
from tests.beam.scenario import Step

REASONS: list[object] = [
    "boom", "normal", "kill", "killed", "noproc", "noconnection", ["shutdown", "x"], ["EXIT", "x", 1], 7, True,
    None, {"list": []}, {"list": ["a", ["b", 2]]}, {"k": ["v", None]},
]  # fmt: skip

SHARE = 0.45
"""Of the steps, these are wide."""

TIMER_MS = 15
LATER_MS = 3_600_000
"""A timer goes off in the sleep that follows it, or never."""

LOCAL_ONLY = ("monitor_name", "info_name", "timer", "later", "cancel", "read", "child_registers")


class WideAuthor(Author):
    """Writes one wide scenario."""

    def __init__(self, rng: random.Random, shards: int) -> None:
        self._timers: list[str] = []
        self.due = False
        """Whether a timer has been armed that goes off before the next step."""
        super().__init__(rng, shards)

    def step(self, actor: str | None = None) -> Step:
        """Make up one step."""
        rng = self._rng
        if rng.random() > SHARE:
            return super().step(actor)
        me = actor or self._who()
        ops: dict[str, Callable[[str], Step]] = {
            "wait": lambda me: [me, "recv", "inf", {"tag": rng.choice(self.actors)}],
            "wait_any": lambda me: [me, "recv", "inf"],
            "take": lambda me: [me, "recv", 0, rng.choice([{"tag": "EXIT"}, {"tag": "DOWN"}, {"eq": "hello"}])],
            "say": lambda me: [me, "send", self._at(), rng.choice(["hello", self._value(me)])],
            "exit": lambda me: [me, "exit", self._at(), rng.choice(REASONS)],
            "stop": lambda me: [me, "stop", rng.choice(["exit", "error", "throw"]), rng.choice(REASONS)],
            "info": lambda me: [me, "info", self._at(), rng.choice(["monitored_by", "messages", "links", "name"])],
            "put": lambda me: [me, "put", rng.choice("xy"), rng.choice(REASONS)],
            "get": lambda me: [me, "get", rng.choice("xy")],
            "self": lambda me: [me, "self"],
            "monitor_name": self._monitor_name,
            "child": self._child,
            "timer": self._timer,
            "cancel": lambda me: self._of_timer(me, "cancel"),
            "read": lambda me: self._of_timer(me, "read"),
        }
        names = [name for name in ops if self._shards == 1 or name not in LOCAL_ONLY]
        return ops[rng.choice(names)](me)

    def _value(self, me: str) -> object:
        things: list[object] = [self._at(), me, 3, None, {"list": [self._at()]}, {"k": 1}]
        if self._labels:
            things.append("#" + self._rng.choice(self._labels)[1])
        return [me, self._rng.choice(things), self._rng.choice(things)]

    def _monitor_name(self, me: str) -> Step:
        return [me, "monitor", self._rng.choice(NAMES), self._label(me)]

    def _child(self, me: str) -> Step:
        rng = self._rng
        child = next(self._fresh, None)
        if child is None:
            return [me, "nop"]
        parent = "@" + me
        bodies: list[list[Step]] = [
            [["trap", True], ["link", parent], ["send", parent, [child, 0]], ["stop", "exit", rng.choice(REASONS)]],
            [["link", parent], ["unlink", parent], ["stop", "exit", "unseen"]],
            [["exit", parent, rng.choice(REASONS)], ["send", parent, [child, 0]]],
            [["link", parent], ["stop", "throw", rng.choice(REASONS)]],
            [["put", "x", 1], ["self"], ["whereis", "n1"], ["stop", "error", rng.choice(REASONS)]],
        ]
        options: dict[str, object] = {"body": rng.choice(bodies)}
        if rng.random() < 0.5:
            options["monitor"] = self._label(me)
        self.actors.append(child)
        return [me, "spawn", child, options]

    def _timer(self, me: str) -> Step:
        rng = self._rng
        self.due = rng.random() < 0.5
        label = f"t{len(self._timers)}"
        self._timers.append(label)
        target = rng.choice([self._at(), rng.choice(NAMES)])
        kind = rng.choice(["timer", "start_timer"])
        return [me, kind, label, TIMER_MS if self.due else LATER_MS, target, self._message(me)]

    def _of_timer(self, me: str, op: str) -> Step:
        return [me, op, "#" + self._rng.choice(self._timers)] if self._timers else [me, "nop"]


def wide_scenario(rng: random.Random, name: str, *, shards: int = 1) -> dict[str, object]:
    """Return a random wide scenario; a timer that is due is slept for at once."""
    author = WideAuthor(rng, shards)
    made = scenario(rng, name, shards=shards, author=author)
    script: list[Step] = []
    for step in made["script"]:  # type: ignore[attr-defined]
        script.append(step)
        if step[1] in ("timer", "start_timer") and step[3] == TIMER_MS:
            script.append(["*", "sleep", 3 * TIMER_MS])
    return {**made, "script": script}
