"""Random programs of processes that compute, killed from other shards, by deadlines and from threads: FS-03.

`python -m tests.invariants.interruptions [--seed N] [--count N]` runs until that many interruptions have happened.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import cast

import otpnode
from otpnode import process
from otpnode.process import Pid, Ref
from tests.invariants.actor import LIMIT
from tests.invariants.busy import busy, executioner, follows, leads, monitored
from tests.invariants.on_loopback import Outcome
from tests.invariants.on_os_processes import CALM_SECONDS, SHARDS, Told

DOOMED = 10
"""Of each shard, at once."""
SETTINGS = {"exit_grace": 1.0, "kill_grace": 0.01, "stop_grace": 2.0, "mailbox_limit": LIMIT}
GAP = 0.04
"""Seconds between two kills on one shard, more or less."""


class Neighbours:
    """Pairs that exchange numbered messages all the while: on each shard, and from each shard to the next."""

    async def begin(self) -> None:
        """Start them."""
        me = cast(Pid, process.self())
        self.watched: dict[Ref, Pid] = {}
        self.leaders: list[Pid] = []
        self.executioners: dict[int, Pid] = {}
        for shard in range(1, SHARDS):
            for other in (shard, 1 + shard % (SHARDS - 1)):
                follower = await self._start(follows, [], other)
                self.leaders.append(await self._start(leads, [follower, me], shard))
            self.executioners[shard] = await self._start(executioner, [me], shard)

    async def _start(self, func: object, args: list[object], shard: int) -> Pid:
        pid, ref = await monitored(func, args, shard)
        self.watched[ref] = pid
        return pid

    async def end(self) -> tuple[int, list[str]]:
        """Stop them; returns how many numbers went to and fro, and what was wrong."""
        wrong = []
        numbers = 0
        for pid in self.leaders:
            await process.send(pid, "stop")
        for pid in self.leaders:
            try:
                _, _, count = cast("tuple[str, Pid, int]", await process.receive(
                    CALM_SECONDS, lambda each, pid=pid: each[:2] == ("stopped", pid)))  # type: ignore[misc]  # fmt: skip
                numbers += count
            except TimeoutError:
                wrong.append(f"neighbour {pid} has lost a message or is dead")
        while True:
            try:
                message = cast("tuple[object, ...]", await process.receive(0))
            except TimeoutError:
                return numbers, wrong
            if message[0] == "neighbour" or (message[0] == "DOWN" and message[4] != "normal"):
                wrong.append(f"neighbours: {message}")


class Interrupting(Told):
    """One program: on each shard some that live and some that shall die."""

    def __init__(self, seed: int, neighbours: Neighbours) -> None:
        super().__init__(seed)
        self._neighbours = neighbours
        self.interrupted = 0

    async def play(self) -> Outcome:
        """Run it to its end and look."""
        await self._begin()
        await self._look()
        await self._end()
        return self._outcome

    async def _begin(self) -> None:
        pids: list[Pid] = []
        doomed: list[tuple[float, Pid]] = []
        for shard in range(1, SHARDS):
            for number in range(DOOMED + 2):
                dies = number < DOOMED
                # The last one does nothing but keep the journals of its shard.
                steps = 0 if number > DOOMED else self._rng.randrange(6)
                args = [self._run, self._rng.randrange(1 << 30), steps, SHARDS, dies]
                trap = self._rng.random() < 0.9 or number > DOOMED
                pid = await process.spawn(busy, args, on=shard, trap_exits=trap, mailbox_limit=LIMIT)
                pids.append(pid)
                if dies:
                    # One after the other: whose time is over before it can run is killed like anybody.
                    doomed.append(((number + self._rng.random()) * GAP, pid))
        by_hand = [each for each in doomed if not await self._armed(*each)]
        for pid in pids:
            process.send_after(0.0, pid, ("peers", pids))
        begun = time.monotonic()
        for seconds, pid in sorted(by_hand):
            await process.sleep(max(0.0, begun + seconds - time.monotonic()))
            await process.exit(pid, "kill")
            self._outcome.kills += 1

    async def _armed(self, seconds: float, pid: Pid) -> bool:
        """Have its death armed where it lives, or leave it to be killed from here."""
        way = self._rng.randrange(3)
        if way:
            beside = self._neighbours.executioners[process.shard_of(pid)]
            await process.send(beside, ("arm", pid, seconds, way == 1))
            await process.receive(CALM_SECONDS, lambda each: each == ("armed", pid))
            self._outcome.kills += 1
        return way > 0

    def _others(self) -> list[Pid]:
        kept = {self._me, *self._neighbours.watched.values()}
        return [pid for pid in process.processes() if pid not in kept]

    def _check(self, reports: dict[str, tuple[list[object], dict[str, object]]]) -> None:
        super()._check(reports)
        known = {(each[0], event) for found, _ in reports.values()
                 for each in cast("list[tuple[str, list[tuple[object, ...]], bool]]", found)
                 for event in each[1] if event[0] == "interrupted"}  # fmt: skip
        self.interrupted = len(known)


async def tell(seed: int, count: int) -> tuple[list[str], str]:
    """Be main: run programs until `count` interruptions have happened; returns what was wrong, and a summary."""
    begun = time.monotonic()
    neighbours = Neighbours()
    await neighbours.begin()
    wrong: list[str] = []
    programs = interrupted = signals = kills = 0
    while interrupted < count and not wrong:
        program = Interrupting(seed + programs, neighbours)
        outcome = await program.play()
        wrong += [f"seed {outcome.seed}: {each}" for each in outcome.wrong]
        programs += 1
        interrupted += program.interrupted
        signals += outcome.signals
        kills += outcome.kills
    numbers, harmed = await neighbours.end()
    wrong += harmed
    return wrong, (
        f"{interrupted} interruptions in {programs} programs (seeds {seed} to {seed + programs - 1}), {kills} kills, "
        f"{signals} signals, {numbers} numbers between neighbours, {len(wrong)} violations "
        f"in {time.monotonic() - begun:.1f} s"
    )


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    settings = {**SETTINGS, "loop": options.loop}
    ended = otpnode.run(tell, options.seed, options.count, schedulers=SHARDS, **settings)
    wrong, summary = cast("tuple[list[str], str]", ended)
    print(*wrong, summary, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
