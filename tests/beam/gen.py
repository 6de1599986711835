"""Random scenarios.

    python -m tests.beam.gen SEED COUNT DIR [--shards N] [--par]

writes DIR/r_<seed>_<i>.json. The same seed gives the same scenarios for ever: the recorded
corpora were made so, and `test_traces` holds the generator to it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.beam.scenario import Step

REASONS = ["boom", "shutdown", "normal", "kill", "oops"]
NAMES = ["n1", "n2", "n3"]
BASE = ["a", "b", "c", "d"]

WEIGHTS = {
    "send": 14, "flush": 9, "recv": 6, "link": 12, "unlink": 7, "monitor": 9, "demonitor": 6, "exit": 5, "stop": 3,
    "trap": 5, "spawn": 5, "spawnbody": 3, "register": 3, "unregister": 1, "whereis": 2, "sendname": 2, "alive": 4,
    "info": 6, "alias": 2, "unalias": 1, "sendalias": 3,
}  # fmt: skip

BY_NAME = ("register", "unregister", "whereis", "sendname")
"""Left out on several shards: Erlang's registry is per node, otpnode's node has all shards (README of the oracle)."""

NOT_AT_ONCE = ("spawn", "alias", "monitor", "register", "whereis", "info", "alive")
"""Left out of concurrent steps: their results, or who knows of them, hang on the order."""


class Outlook:
    """A rough idea of who lives, to steer towards live actors; nothing is judged by it."""

    def __init__(self) -> None:
        self.alive = set(BASE)
        self.trapping: set[str] = set()
        self.links: set[frozenset[str]] = set()

    def die(self, actor: str, reason: object) -> None:
        """Let an actor die, and those linked to it."""
        if actor not in self.alive:
            return
        self.alive.discard(actor)
        peers = [next(iter(link - {actor})) for link in self.links if actor in link]
        self.links = {link for link in self.links if actor not in link}
        for peer in peers:
            if reason != "normal" and peer not in self.trapping:
                self.die(peer, reason)

    def note(self, step: Step) -> None:
        """Take a step into account."""
        actor, op, *args = step
        name = str(actor)
        if name not in self.alive:
            return
        first = args[0] if args else None
        target = first[1:] if isinstance(first, str) and first[:1] == "@" else ""
        match op:
            case "trap":
                (self.trapping.add if first else self.trapping.discard)(name)
            case "link" if target != name and target in self.alive:
                self.links.add(frozenset((name, target)))
            case "unlink":
                self.links.discard(frozenset((name, target)))
            case "stop":
                self.die(name, {"return": "normal", "exit": args[-1]}.get(str(first), "err"))
            case "exit":
                self._exit(name, target, args[1])
            case "spawn" if isinstance(args[1], dict) and "body" not in args[1]:
                self._spawn(name, str(first), args[1])

    def _exit(self, name: str, target: str, reason: object) -> None:
        trapping = target in self.trapping
        if reason == "kill" or (target == name and not trapping) or (reason != "normal" and not trapping):
            self.die(target, reason)

    def _spawn(self, name: str, child: str, options: dict[str, object]) -> None:
        self.alive.add(child)
        if options.get("trap"):
            self.trapping.add(child)
        if options.get("link"):
            self.links.add(frozenset((name, child)))


class Author:
    """Writes one scenario."""

    def __init__(self, rng: random.Random, shards: int) -> None:
        self._rng = rng
        self._shards = shards
        self.outlook = Outlook()
        self.actors = list(BASE)
        self._labels: list[tuple[str, str]] = []
        self._fresh = iter("efghijklmnopqrstuvwxyz")
        self._label_count = self._message_count = 0
        self.place = self._places()

    def _places(self) -> dict[str, int]:
        if self._shards == 1:
            return {}
        drawn = {actor: self._rng.randrange(self._shards) for actor in "bcdefghijkl"}
        return {actor: shard for actor, shard in drawn.items() if shard}

    def _who(self) -> str:
        return self._rng.choice(sorted(self.outlook.alive) or self.actors)

    def _at(self) -> str:
        return "@" + (self._who() if self._rng.random() < 0.85 else self._rng.choice(self.actors))

    def step(self, actor: str | None = None) -> Step:
        """Make up one step."""
        actor = actor or self._who()
        weights = [0 if self._shards > 1 and op in BY_NAME else weight for op, weight in WEIGHTS.items()]
        op = self._rng.choices(list(WEIGHTS), weights)[0]
        makers: dict[str, Callable[[str], Step]] = {
            "monitor": self._monitor,
            "demonitor": self._demonitor,
            "spawn": lambda me: self._spawn(me, with_body=False),
            "spawnbody": lambda me: self._spawn(me, with_body=True),
            "alias": self._alias,
            "unalias": self._unalias,
            "sendalias": self._send_by_alias,
        }
        return makers[op](actor) if op in makers else self._plain(actor, op)

    def _plain(self, me: str, op: str) -> Step:
        rng = self._rng
        match op:
            case "send":
                return [me, op, self._at(), self._message(me)]
            case "sendname":
                name = rng.choice(NAMES)
                return [me, "send", name, self._message(me)]
            case "recv":
                return [me, op, 0, {"tag": rng.choice(self.actors)}]
            case "exit":
                return [me, op, self._at(), rng.choice(REASONS)]
            case "stop":
                ways = [["return"], ["exit", rng.choice(REASONS)], ["error", "bad"], ["throw", "ball"]]
                return [me, op, *rng.choice(ways)]
            case "trap":
                return [me, op, rng.random() < 0.7]
            case "register":
                return [me, op, rng.choice(NAMES), *([self._at()] if rng.random() < 0.3 else [])]
            case "unregister" | "whereis":
                return [me, op, rng.choice(NAMES)]
            case "info":
                return [me, op, self._at(), rng.choice(["links", "monitors", "trap", "qlen"])]
            case "flush":
                return [me, op]
        return [me, op, self._at()]

    def _message(self, me: str) -> list[object]:
        self._message_count += 1
        return [me, self._message_count]

    def _label(self, me: str) -> str:
        self._label_count += 1
        label = f"m{self._label_count}"
        self._labels.append((me, label))
        return label

    def _own(self, me: str) -> list[str]:
        return [label for owner, label in self._labels if owner == me]

    def _monitor(self, me: str) -> Step:
        label = self._label(me)
        step: Step = [me, "monitor", self._at(), label]
        if self._rng.random() < 0.25:
            step.append({"alias": self._rng.choice(["reply_demonitor", "demonitor", "explicit_unalias"])})
        return step

    def _demonitor(self, me: str) -> Step:
        own = self._own(me)
        if not own:
            return [me, "nop"]
        ref = "#" + self._rng.choice(own)
        return [me, "demonitor", ref, *self._rng.choice([[], ["flush"], ["info"], ["flush", "info"]])]

    def _spawn(self, me: str, *, with_body: bool) -> Step:
        rng = self._rng
        child = next(self._fresh, None)
        if child is None:
            return [me, "nop"]
        options: dict[str, object] = {}
        if rng.random() < 0.6:
            options["link"] = True
        if rng.random() < 0.5:
            options["monitor"] = self._label(me)
        if rng.random() < 0.3:
            options["trap"] = True
        if with_body:
            hello = ["send", "@" + me, [child, 0]]
            early, bad, after = ["stop", "exit", "early"], ["stop", "error", "bad"], ["stop", "exit", "after"]
            options["body"] = rng.choice([[], [early], [bad], [hello], [hello, after]])
        self.actors.append(child)
        return [me, "spawn", child, options]

    def _alias(self, me: str) -> Step:
        return [me, "alias", self._label(me), *self._rng.choice([[], ["reply"]])]

    def _unalias(self, me: str) -> Step:
        own = self._own(me)
        return [me, "unalias", "#" + self._rng.choice(own)] if own else [me, "nop"]

    def _send_by_alias(self, me: str) -> Step:
        message = self._message(me)
        if not self._labels:
            return [me, "nop"]
        return [me, "send", "#" + self._rng.choice(self._labels)[1], message]

    # -- several steps --------------------------------------------------------

    def at_once(self) -> Step:
        """Make up a concurrent step; empty when nothing in it may be concurrent."""
        rng, alive = self._rng, self.outlook.alive
        count = min(len(alive) or 1, rng.choice([2, 2, 3]))
        steps = [self.step(actor) for actor in rng.sample(sorted(alive) or self.actors, count)]
        steps = [step for step in steps if step[1] not in NOT_AT_ONCE]
        return ["*", "par", *steps] if steps else []


def scenario(
    rng: random.Random, name: str, *, shards: int = 1, par: bool = False, steps: int = 28, author: Author | None = None
) -> dict[str, object]:
    """Return a random scenario."""
    author = author or Author(rng, shards)
    script: list[Step] = []
    for actor in BASE:
        if rng.random() < 0.5:
            script.append([actor, "trap", True])
            author.outlook.note(script[-1])
    while len(script) < steps and author.outlook.alive:
        if par and rng.random() < 0.35:
            step = author.at_once()
            script += [step] if step else []
            for part in step[2:]:
                author.outlook.note(part)  # type: ignore[arg-type]
        elif shards > 1 and rng.random() < 0.02:
            script.append(["*", "crash", rng.randrange(1, shards)])
        else:
            script.append(author.step())
            author.outlook.note(script[-1])
    script += [[actor, "flush"] for actor in author.actors]
    placed = {"place": author.place} if author.place else {}
    return {"name": name, "doc": "random", "actors": BASE, **placed, "script": script}


Maker = Callable[[random.Random, str], dict[str, object]]


def write(seed: int | str, count: int, out: Path, make: Maker = scenario) -> list[Path]:
    """Write `count` scenarios of a seed, each made by ``make(rng, name)``; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        name = f"r_{seed}_{index}"
        text = json.dumps(make(random.Random(f"{seed}.{index}"), name), separators=(",", ":"))
        paths.append(out / f"{name}.json")
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def main(argv: list[str]) -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.beam.gen")
    parser.add_argument("seed")
    parser.add_argument("count", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--par", action="store_true")
    given = parser.parse_args(argv)
    write(given.seed, given.count, given.out, partial(scenario, shards=given.shards, par=given.par))


if __name__ == "__main__":
    main(sys.argv[1:])
