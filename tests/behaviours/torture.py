"""Supervision torture: a tree of a thousand children over four shards, and nobody in it is safe.

    python -m tests.behaviours.torture --seconds 60

Children, their supervisors and whole shards are killed at random. A *census*, outside the tree, is told by every
child and supervisor of its birth, watches it by a monitor, and is told by a logging handler in each OS process what
the supervisors report. Every few seconds the storm pauses, and must leave behind exactly the tree that was specified:
who lives by the board's slots is the tree, main and the census, and for every incarnation of every shard there ever
was, the deaths by the board are as many as those the census can name:

    reported      a supervisor has said "(pid) ended"; its restarts are as many
    in vain       a start that its supervisor saw fail, of a child that had told of its birth
    orphaned      the supervisor has died as well
    unfinished    lost with its shard before anybody heard of it; its supervisor saw that start fail, or is dead

The first are the deaths that supervisors report. A supervisor cannot report the others, and each of them is a pid
that is looked at, so nothing is left over that a miscount could hide in. That takes three things.

*Births and deaths by the board.* For a shard that lives, its counters SPAWNS and EXITS, which are exact when it has
been quiet for a slice; their difference must be its slots. For one that was killed they may be a slice behind, and
the slots are wiped when it is reaped. So it is stopped, read, and killed (`tests.behaviours.board_hook`): all of its
births are deaths, and the highest serial is how many there were, as long as no slot was used twice.

*A name for everybody dead.* A child that the exit signal of a link ends before its first step tells nobody of itself.
So children trap exits until the census has answered, and who was not lost with its shard has been heard. (That a
link ends a child before its first step is SP-03's, and tested there.)

*A name for the unfinished.* Whether a shard that is lost has begun the birth it was asked for, its supervisor cannot
know. But the board can: the limit of a child's mailbox is the number of its start (`tests.behaviours.tortured_tree`),
there from its first moment, and read in a shard that stands still. Rejected: to let as many be unnamed as starts have
failed, which a birth that is lost and one that is made twice pass together.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import Any, cast

import otpnode
from otpnode import Supervisor, process
from otpnode.errors import OtpnodeError
from otpnode.pid import Pid
from tests.behaviours.census import Children, census
from tests.behaviours.tortured_tree import BRANCHES, CENSUS, MAX_RESTARTS, SHARDS, Root, leaves_of

CALM_EVERY = 4.0
PATIENCE = 60.0
"""Seconds in which the tree must be whole again: ten times what it takes on a noisy machine."""


class Torture:
    """One run; `main` of the node."""

    def __init__(self, seconds: float, seed: int) -> None:
        self._rng = random.Random(seed)
        self._end = time.monotonic() + seconds
        self._kills = {"leaves": 0, "branches": 0, "shards": 0}
        self._up: dict[int, int] = {}
        self._looks = 0
        self._slowest = 0.0

    async def run(self) -> dict[str, Any]:
        """Storm and look, in turn, to the end of the time; then take the tree down and look for what is left."""
        self._up = dict(await process.subscribe_shards())
        counter = await process.spawn_link(census, name=CENSUS, on="local", mailbox_limit=None)
        root = await Root.start_link([process.self()], name="root")
        await self._look(root)
        while time.monotonic() < self._end:
            calm = min(self._end, time.monotonic() + CALM_EVERY)
            while time.monotonic() < calm:
                await self._strike()
                await process.sleep(self._rng.random() * 0.03)
            await self._look(root)
        deaths = await self._ask("deaths")
        await Supervisor.stop(root)
        await self._look(None)
        return {
            "kills": self._kills,
            "deaths by the board, and by the census": sum(deaths.values()),
            **{f"  {title}": count for title, count in deaths.items()},
            "looks": self._looks,
            "slowest recovery (s)": round(self._slowest, 2),
            "left": await self._what_is_left(counter),
        }

    # -- the storm ------------------------------------------------------------

    async def _strike(self) -> None:
        await self._hear_of_shards()
        living = await self._ask("who")
        choice = self._rng.random()
        if choice < 0.94:
            leaves = [pid for pid, key in living if "." in key]
            for pid in self._rng.sample(leaves, min(len(leaves), self._rng.choice((1, 1, 1, 3, 10)))):
                await process.exit(pid, "kill")
                self._kills["leaves"] += 1
        elif choice < 0.975:
            await process.exit(self._rng.choice([pid for pid, key in living if key.isdigit()]), "kill")
            self._kills["branches"] += 1
        elif len(self._up) == SHARDS:
            shard = self._rng.randrange(1, SHARDS)
            if await self._ask("kill", (shard, self._up[shard])):
                del self._up[shard]
                self._kills["shards"] += 1

    async def _hear_of_shards(self) -> None:
        """Read the word of shards that came and went."""
        while True:
            try:
                message: Any = await process.receive(0)
            except TimeoutError:
                return
            match message:
                case ("shard_up", shard, incarnation):
                    self._up[shard] = incarnation
                case ("shard_down", shard, incarnation, _) if self._up.get(shard) == incarnation:
                    del self._up[shard]

    async def _ask(self, question: str, *about: object) -> Any:
        """Ask the census."""
        ref = process.alias()
        try:
            await process.send(CENSUS, (question, ref, *about))
            answer: Any = await process.receive(PATIENCE, ref=ref)
        finally:
            process.unalias(ref)
        return answer[1]

    # -- looking --------------------------------------------------------------

    async def _look(self, root: Pid | None) -> None:
        """Wait until the tree is whole and the counts agree; anything else is the end of the test."""
        began = time.monotonic()
        while wrong := await self._wrong(root):
            assert time.monotonic() < began + PATIENCE, f"after {PATIENCE} s still: {wrong}"
            await process.sleep(0.05)
        self._looks += 1
        self._slowest = max(self._slowest, time.monotonic() - began)

    async def _wrong(self, root: Pid | None) -> str:
        """Return what is not as it must be: of the tree of `root`, or where there is no tree."""
        await self._hear_of_shards()
        if len(self._up) < SHARDS:
            return f"only shards {sorted(self._up)} are up"
        shape: dict[str, Children] = {}
        if root is not None:
            try:
                wrong = await self._shape(root, shape) or await self._ties(root, shape)
            except OtpnodeError as error:
                wrong = repr(error)
            if wrong:
                return wrong
        outsiders = [process.self(), process.whereis(CENSUS)]
        return cast(str, await self._ask("audit", shape, list(self._up.items()), outsiders))

    async def _shape(self, root: Pid, shape: dict[str, Children]) -> str:
        """Ask every supervisor for its children, and compare them with the specs."""
        shape[root] = await self._children(root)
        for pid, _ in list(shape[root].values()):
            if isinstance(pid, str) and pid != "restarting":
                shape[pid] = await self._children(pid)
        wanted = [{str(n) for n in range(BRANCHES)}, *(set(leaves_of(n)) for n in range(BRANCHES))]
        if len(shape) != len(wanted):
            return f"{len(shape)} supervisors"
        for (sup, children), keys in zip(shape.items(), wanted, strict=True):
            if set(children) != keys:
                return f"the children of {sup} differ by {sorted(keys ^ set(children))}"
            if down := [key for key, (pid, _) in children.items() if not process.is_alive(str(pid))]:
                return f"down: {down}"
        return ""

    async def _children(self, sup: str) -> Children:
        infos = await Supervisor.which_children(sup)
        return {str(info.id): (info.pid, info.restarts) for info in reversed(infos)}

    async def _ties(self, root: Pid, shape: dict[str, Children]) -> str:
        """Compare the links and monitors of supervisors with those of the shape."""
        for sup, children in shape.items():
            links = set(cast("list[str]", await process.process_info(sup, "links") or []))
            wanted = {str(pid) for pid, _ in children.values()} | {root if sup != root else str(process.self())}
            monitors = await process.process_info(sup, "monitors")
            if links != wanted or monitors:
                return f"{sup} has links {links ^ wanted} amiss, and monitors {monitors}"
        return ""

    async def _what_is_left(self, counter: Pid) -> list[object]:
        me = process.self()
        await process.unlink(counter)
        left: list[object] = [pid for pid in process.processes() if pid not in (me, counter)]
        left += [name for name in process.registered() if name != CENSUS]
        for pid in (me, counter):
            for what in ("links", "monitors", "monitored_by"):
                left += cast("list[object]", await process.process_info(pid or "", what))
        await process.exit(counter, "kill")
        return left


async def main(seconds: float, seed: int) -> dict[str, Any]:
    """Be main."""
    return await Torture(seconds, seed).run()


def torture(seconds: float, seed: int) -> dict[str, Any]:
    """Run it on a node of its own and return what it counted; raises what is wrong."""
    found = otpnode.run(
        main, seconds, seed, schedulers=SHARDS, max_restarts=MAX_RESTARTS, log_level="critical", mailbox_limit=None
    )
    return cast("dict[str, Any]", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the storm lasts (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices (%(default)s)")
    options = parser.parse_args()
    outcome = torture(options.seconds, options.seed)
    for title, value in outcome.items():
        print(f"{title}: {value}")
    sys.exit(1 if outcome["left"] else 0)
