"""Supervision torture: a tree of a thousand children over four shards, and nobody in it is safe.

    python -m tests.behaviours.torture --seconds 60

Children, their supervisors and whole shards are killed at random. A *census*, outside the
tree, is told by every child and supervisor of its birth, watches it by a monitor, and is told
by a logging handler in each OS process what the supervisors report. Every few seconds the
storm pauses, and must leave behind exactly the tree that was specified, whose supervisors and
the census have counted the same deaths.

The two can differ in one way only: a shard may be killed between a birth and the moment that
both know of it. Then the census has seen the death of a child whose start was undone (the
supervisor has reported that), or the supervisor that of one which did not get to its first
line (and its shard is one of those killed). Each such case is looked at and counted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import re
import signal
import sys
import time
from collections import defaultdict
from typing import Any, cast

import otpnode
from otpnode import ChildSpec, PartitionSupervisor, Supervisor, SupervisorSpec, child, process
from otpnode.behaviours.partition_supervisor import COUNT
from otpnode.errors import OtpnodeError
from otpnode.pid import Pid, address

SHARDS = 4
BRANCHES = 10
LEAVES = 100
MAX_RESTARTS = 1000
CALM_EVERY = 4.0
PATIENCE = 60.0
"""Seconds in which the tree must be whole again: ten times what it takes on a noisy machine."""
CENSUS = "census"
PARTS = "parts"


class Told(logging.Handler):
    """Sends what supervisors of this OS process report to the census."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send the report's parts; the supervisor that reports is the process that runs."""
        fields = getattr(record, "otp", None)
        if fields is not None:
            process.send_nowait(CENSUS, ("report", fields["pid"], fields["report"], fields.get("what", "")))


def report_to_census() -> None:
    """Have the reports of this OS process sent to the census, and nowhere else."""
    log = logging.getLogger("otpnode.supervisor")
    if not any(isinstance(handler, Told) for handler in log.handlers):
        log.setLevel(logging.ERROR)
        log.handlers = [Told()]
        log.propagate = False


# -- the tree -----------------------------------------------------------------


async def leaf(sup: Pid | None, key: str) -> None:
    """Be born, and wait for the end."""
    if sup is None:
        (sup,) = cast("list[Pid]", await process.process_info(process.self() or "", "links"))
    await process.send(CENSUS, ("born", process.self(), sup, key))
    await asyncio.Event().wait()


class Branch(Supervisor):
    """A supervisor of leaves, on all shards; every tenth has a name."""

    async def init(self, root: Pid, number: int) -> SupervisorSpec:
        report_to_census()
        me = cast(Pid, process.self())
        await process.send(CENSUS, ("born", me, root, str(number)))
        return SupervisorSpec(
            [
                child(leaf, [me, key], id=key, name=f"leaf {key}" if at % 10 == 0 else None, on=at % SHARDS)
                for at, key in enumerate(leaves_of(number))
            ],
            max_restarts=MAX_RESTARTS,
        )


class Parts(PartitionSupervisor):
    """The last branch: its leaves all have names."""

    def init(self, spec: ChildSpec, **options: Any) -> SupervisorSpec:
        report_to_census()
        (root,) = options.pop("root")
        process.send_nowait(CENSUS, ("born", process.self(), root, str(BRANCHES - 1)))
        return super().init(spec, **options)


class Root(Supervisor):
    """The supervisor of the branches; some live beside it, some on shards that are killed."""

    async def init(self) -> SupervisorSpec:
        report_to_census()
        me = cast(Pid, process.self())
        return SupervisorSpec(
            [
                *(
                    child(Branch, [me, number], id=str(number), on=0 if number < 6 else number % SHARDS)
                    for number in range(BRANCHES - 1)
                ),
                child(
                    Parts,
                    [child(leaf, [None, "part."])],
                    {"partitions": LEAVES, "max_restarts": MAX_RESTARTS, "root": [me]},
                    id=str(BRANCHES - 1),
                    name=PARTS,
                ),
            ],
            max_restarts=MAX_RESTARTS,
        )


def leaves_of(number: int) -> list[str]:
    """Return the ids of a branch's leaves."""
    if number == BRANCHES - 1:
        return [str(at) for at in range(LEAVES)]
    return [f"{number}.{at}" for at in range(LEAVES)]


# -- the census ---------------------------------------------------------------


class Counted:
    """What is known of one supervisor's children.

    Attributes:
        died: the pids whose monitors fired.
        ended: the pids it has reported as ended.
        undone: how many starts it has reported as failed.
    """

    def __init__(self) -> None:
        self.died: set[str] = set()
        self.ended: set[str] = set()
        self.undone = 0


class Census:
    """Counts births and deaths; answers ``('ask', ref, sups)`` with what it knows of these."""

    def __init__(self) -> None:
        self.living: dict[str, tuple[str, str]] = {}
        self.of: defaultdict[str, Counted] = defaultdict(Counted)
        self.gave_up: list[str] = []

    async def run(self) -> None:
        """Take one message after the other."""
        while True:
            message: Any = await process.receive()
            match message:
                case ("born", pid, sup, key):
                    self.living[pid] = (sup, key)
                    await process.monitor(pid)
                case ("DOWN", _, _, pid, _):
                    sup, _ = self.living.pop(pid)
                    self.of[sup].died.add(pid)
                case ("report", sup, "child", what):
                    self._reported(self.of[sup], what)
                case ("report", sup, "gave_up", _):
                    self.gave_up.append(sup)
                case ("ask", ref, sups):
                    known = {sup: (self.of[sup].died, self.of[sup].ended, self.of[sup].undone) for sup in sups}
                    await process.send(ref, (ref, dict(self.living), known, self.gave_up))

    def _reported(self, counted: Counted, what: str) -> None:
        found = re.fullmatch(r"\((pid_\S+)\) ended", what)
        if found:
            counted.ended.add(found[1])
        else:
            counted.undone += 1


async def census() -> None:
    """Be the census."""
    await Census().run()


async def os_pid(answer: str) -> None:
    """Say which OS process this shard is."""
    await process.send(answer, (answer, os.getpid()))


# -- the storm ----------------------------------------------------------------


class Torture:
    """One run; `main` of the node."""

    def __init__(self, seconds: float, seed: int) -> None:
        self._rng = random.Random(seed)
        self._end = time.monotonic() + seconds
        self._kills = {"leaves": 0, "branches": 0, "shards": 0}
        self._killed: set[tuple[int, int]] = set()
        self._up: dict[int, int] = {}
        self._leaves: list[str] = []
        self._branches: list[str] = []
        self._looks = 0
        self._explained = 0
        self._failed: dict[str, int] = {}
        self._restarts: dict[str, int] = {}
        self._slowest = 0.0

    async def run(self) -> dict[str, Any]:
        """Storm and look, in turn, to the end of the time; then take the tree down and look for what is left."""
        self._up = dict(await process.subscribe_shards())
        counter = await process.spawn(census, name=CENSUS, on="local", mailbox_limit=None)
        root = await Root.start_link(name="root")
        await self._look(root)
        while time.monotonic() < self._end:
            calm = min(self._end, time.monotonic() + CALM_EVERY)
            while time.monotonic() < calm:
                await self._strike(root)
                await process.sleep(self._rng.random() * 0.03)
            await self._look(root)
        await Supervisor.stop(root)
        left = await self._what_is_left(counter)
        return {
            "kills": self._kills,
            "restarts, by supervisors and census": sum(self._restarts.values()),
            "starts that failed and were retried": sum(self._failed.values()),
            "looks": self._looks,
            "deaths that only one of both could see": self._explained,
            "slowest recovery (s)": round(self._slowest, 2),
            "left": left,
        }

    async def _strike(self, root: Pid) -> None:
        await self._refresh()
        choice = self._rng.random()
        if choice < 0.94:
            for pid in self._rng.sample(self._leaves, min(len(self._leaves), self._rng.choice((1, 1, 1, 3, 10)))):
                await process.exit(pid, "kill")
                self._kills["leaves"] += 1
        elif choice < 0.975:
            await process.exit(self._rng.choice(self._branches), "kill")
            self._kills["branches"] += 1
        elif len(self._up) == SHARDS:
            await self._kill_shard(self._rng.randrange(1, SHARDS))

    async def _kill_shard(self, shard: int) -> None:
        ref = process.alias()
        try:
            await process.spawn(os_pid, [ref], on=shard)
            answer: Any = await process.receive(10.0, ref=ref)
        except (OtpnodeError, TimeoutError):
            return
        finally:
            process.unalias(ref)
        self._killed.add((shard, self._up.pop(shard)))
        self._kills["shards"] += 1
        os.kill(answer[1], signal.SIGKILL)

    async def _refresh(self) -> None:
        """Ask the census who lives, and hear of shards that came and went."""
        await self._ask([])
        while True:
            try:
                message: Any = await process.receive(0)
            except TimeoutError:
                return
            match message:
                case ("shard_up", shard, incarnation):
                    self._up[shard] = incarnation
                case ("shard_down", shard, incarnation, _):
                    self._killed.add((shard, incarnation))
                    if self._up.get(shard) == incarnation:
                        del self._up[shard]

    async def _ask(self, sups: list[str]) -> Any:
        ref = process.alias()
        try:
            await process.send(CENSUS, ("ask", ref, sups))
            answer: Any = await process.receive(PATIENCE, ref=ref)
        finally:
            process.unalias(ref)
        living = answer[1]
        self._leaves = [pid for pid, (_, key) in living.items() if "." in key]
        self._branches = [pid for pid, (_, key) in living.items() if "." not in key]
        return answer

    # -- looking --------------------------------------------------------------

    async def _look(self, root: Pid) -> None:
        """Wait until the tree is whole and the counts agree; anything else is the end of the test."""
        began = time.monotonic()
        while wrong := await self._wrong(root):
            assert time.monotonic() < began + PATIENCE, f"after {PATIENCE} s still: {wrong}"
            await process.sleep(0.05)
        self._looks += 1
        self._slowest = max(self._slowest, time.monotonic() - began)

    async def _wrong(self, root: Pid) -> str:
        await self._refresh()
        if len(self._up) < SHARDS:
            return f"only shards {sorted(self._up)} are up"
        shape: dict[str, dict[str, tuple[object, int]]] = {}
        try:
            shape[root] = await self._children(root)
            for pid, _ in list(shape[root].values()):
                if isinstance(pid, str) and pid != "restarting":
                    shape[pid] = await self._children(pid)
        except OtpnodeError as error:
            return repr(error)
        wanted = [{str(n) for n in range(BRANCHES)}, *(set(leaves_of(n)) for n in range(BRANCHES))]
        for sup, keys in zip(shape, wanted, strict=False):
            if set(shape[sup]) != keys:
                return f"the children of {sup} differ by {sorted(keys ^ set(shape[sup]))}"
            if down := [key for key, (pid, _) in shape[sup].items() if not process.is_alive(str(pid))]:
                return f"down: {down}"
        if len(shape) != len(wanted):
            return f"{len(shape)} supervisors"
        return await self._accounts(root, shape)

    async def _children(self, sup: str) -> dict[str, tuple[object, int]]:
        infos = await Supervisor.which_children(sup)
        return {str(info.id): (info.pid, info.restarts) for info in reversed(infos) if info.id != COUNT}

    async def _accounts(self, root: str, shape: dict[str, dict[str, tuple[object, int]]]) -> str:
        """Compare what supervisors and census have counted; who lives, and who is linked to whom."""
        _, living, known, gave_up = await self._ask(list(shape))
        assert not gave_up, f"gave up: {gave_up}"
        there = {str(pid) for children in shape.values() for pid, _ in children.values()}
        if set(living) != there:
            return f"the census has {len(set(living) - there)} too many and {len(there - set(living))} too few"
        explained = 0
        for sup, children in shape.items():
            died, ended, undone = known[sup]
            restarts = sum(count for _, count in children.values())
            strays = [pid for pid in ended - died if not self._was_killed(pid)]
            if restarts != len(ended) or len(died - ended) > undone or strays:
                return f"{sup}: {restarts} restarts, {len(ended)} reported, {len(died)} seen, {undone} undone, {strays}"
            explained += len(died - ended) + len(ended - died)
            self._restarts[sup] = restarts
            self._failed[sup] = undone
            links = set(cast("list[str]", await process.process_info(sup, "links")))
            links.discard(process.whereis(f"{PARTS}/of/{LEAVES}") or "")
            wanted = {str(pid) for pid, _ in children.values()} | {root if sup != root else str(process.self())}
            monitors = await process.process_info(sup, "monitors")
            if links != wanted or monitors:
                return f"{sup} has links {links ^ wanted} amiss, and monitors {monitors}"
        self._explained = explained
        return ""

    def _was_killed(self, pid: str) -> bool:
        owner = address(pid)
        return owner is not None and (owner.shard, owner.incarnation) in self._killed

    async def _what_is_left(self, counter: Pid) -> list[object]:
        me = process.self()
        left: list[object] = [pid for pid in process.processes() if pid not in (me, counter)]
        left += [name for name in process.registered() if name != CENSUS]
        ref = process.alias()
        await process.send(CENSUS, ("ask", ref, []))
        answer: Any = await process.receive(PATIENCE, ref=ref)
        left += list(answer[1])
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
