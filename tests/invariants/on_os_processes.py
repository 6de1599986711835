"""Random programs over real OS processes, with SIGKILL of shards: main tells one after the other.

One node runs many programs. Actors keep their journals where they live, so those of a killed shard are lost with
it; main asks the living for theirs when all is quiet.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import cast

import otpnode
from otpnode import process
from otpnode.pid import address
from otpnode.process import OtpnodeError, Pid, ShardDownError
from tests.invariants.actor import LIMIT, NAMES, act
from tests.invariants.checks import Living, count_signals, violations
from tests.invariants.journal import Journal
from tests.invariants.on_loopback import Outcome

SHARDS = 3
CALM_SECONDS = 20.0
AT_ONCE = 25
"""Programs told by one node: a report comes after each such batch."""


def programs(seed: int, count: int, end: float) -> Iterator[Outcome]:
    """Run programs on nodes of OS processes."""
    last = seed + count
    while seed < last and time.monotonic() < end:
        batch = min(AT_ONCE, last - seed)
        outcomes = otpnode.run(
            tell, seed, batch, end, schedulers=SHARDS, max_restarts=100_000, max_seconds=1.0,
            exit_grace=1.0, kill_grace=0.2, stop_grace=2.0, mailbox_limit=LIMIT,
        )  # fmt: skip
        yield from (Outcome(*fields) for fields in cast("list[tuple[int, int, int, int, list[str]]]", outcomes))
        seed += batch


async def tell(seed: int, count: int, end: float) -> list[tuple[int, int, int, int, list[str]]]:
    """Be main: tell `count` programs, one after the other."""
    found = []
    for number in range(seed, seed + count):
        if time.monotonic() > end:
            break
        done = await Told(number).play()
        found.append((done.seed, done.signals, done.kills, done.crashes, done.wrong))
    return found


async def os_pid(answer: str) -> None:
    """Say which OS process this shard is."""
    await process.send(answer, (answer, os.getpid()))


class Told:
    """One program."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._run = f"os {seed}"
        self._outcome = Outcome(seed)
        self._me = cast(Pid, process.self())
        self._crashed: set[tuple[int, int]] = set()

    async def play(self) -> Outcome:
        """Run it to its end and look."""
        await self._begin()
        for _ in range(self._rng.choice((0, 1, 1, 2))):
            await process.sleep(self._rng.random() * 0.02)
            await self._crash(self._rng.randrange(1, SHARDS))
        await self._look()
        await self._end()
        return self._outcome

    async def _begin(self) -> None:
        pids: list[Pid] = []
        for number in range(self._rng.randrange(3, 8)):
            args = [self._run, self._rng.randrange(1 << 30), self._rng.randrange(5, 40), SHARDS, 0, []]
            trap = self._rng.random() < 0.6
            with contextlib.suppress(ShardDownError):
                pids.append(await process.spawn(act, args, on=number % SHARDS, trap_exits=trap, mailbox_limit=LIMIT))
        for pid in pids:
            with contextlib.suppress(OtpnodeError):
                await process.send(pid, ("peers", pids))

    async def _crash(self, shard: int) -> None:
        """SIGKILL a shard, and wait until its successor takes work."""
        found = await self._os_pid(shard)
        if found is None:
            return
        incarnation, number = found
        self._crashed.add((shard, incarnation))
        os.kill(number, signal.SIGKILL)
        self._outcome.crashes += 1

    async def _os_pid(self, shard: int) -> tuple[int, int] | None:
        answer = process.alias(reply=True)
        try:
            pid, ref = await process.spawn_monitor(os_pid, [answer], on=shard)
            _, number = cast("tuple[str, int]", await process.receive(5, ref=answer))
        except (ShardDownError, TimeoutError):
            return None
        finally:
            process.unalias(answer)
        await process.demonitor(ref, flush=True)
        place = address(pid)
        assert place is not None
        return place.incarnation, number

    # -- looking --------------------------------------------------------------

    def _others(self) -> list[Pid]:
        return [pid for pid in process.processes() if pid != self._me]

    async def _reports(self) -> dict[str, tuple[list[object], dict[str, object]]] | None:
        """Ask everybody alive for what they know; None while somebody does not answer."""
        found = {}
        for pid in self._others():
            answer = process.alias(reply=True)
            try:
                await process.send(pid, ("report", answer))
                _, _, known, info = cast("tuple[str, str, list[object], dict[str, object]]",
                                         await process.receive(1.0, ref=answer))  # fmt: skip
            except (OtpnodeError, TimeoutError):
                return None
            finally:
                process.unalias(answer)
            found[str(pid)] = known, info
        return found

    async def _look(self) -> None:
        end = time.monotonic() + CALM_SECONDS
        before: object = None
        while time.monotonic() < end:
            now = await self._reports()
            if now is not None and now == before and all(each[1]["message_queue_len"] == 0 for each in now.values()):
                self._check(now)
                return
            before = now
            await process.sleep(0.01)
        self._outcome.wrong.append(f"I7: no quiet: {sorted(self._others())}")

    def _check(self, reports: dict[str, tuple[list[object], dict[str, object]]]) -> None:
        journals: dict[str, Journal] = {}
        living = {}
        for pid, (known, info) in reports.items():
            for each in cast("list[tuple[str, list[tuple[object, ...]], bool]]", known):
                journals[each[0]] = Journal(*each)
            living[pid] = Living([link for link in cast("list[str]", info["links"])])
        self._outcome.wrong += [f"{pid} does not serve" for pid in living if not journals[pid].serving]
        self._outcome.signals = count_signals(journals)
        self._outcome.wrong += violations(journals, living, self._lossless)

    def _lossless(self, sender: str, receiver: str) -> bool:
        place = address(sender)
        return place is not None and (place.shard, place.incarnation) not in self._crashed

    async def _end(self) -> None:
        """Kill everybody; then no process and no name is left."""
        end = time.monotonic() + CALM_SECONDS
        while (others := self._others()) and time.monotonic() < end:
            for pid in others:
                await process.exit(pid, "kill")
                self._outcome.kills += 1
            await process.sleep(0.005)
        self._outcome.wrong += [f"I8: {pid} cannot be killed" for pid in self._others()]
        while any(process.whereis(name) for name in NAMES) and time.monotonic() < end:
            await process.sleep(0.005)
        self._outcome.wrong += [f"I8: the name {name} is left" for name in NAMES if process.whereis(name)]
