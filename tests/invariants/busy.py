"""Actors that compute, and neighbours that must not notice; importable, so that they run on any shard."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

from otpnode import process
from otpnode.process import Pid, Ref
from otpnode.process.interrupted import Interrupted
from tests.invariants.actor import Actor

WINDOW = 3
TURNS = 2_000
"""Of a loop that is some tenths of a millisecond."""


async def busy(run: str, seed: int, steps: int, shards: int, doomed: bool) -> None:
    """Run the script of `seed`, then compute until killed if `doomed`, else serve."""
    actor = Busy(run, seed, shards, 1, [])
    try:
        await actor.introduce()
        for _ in range(steps):
            await actor.step()
        if doomed:
            await actor.compute_forever()
    except Interrupted:
        actor.journal.add("interrupted")
        raise
    actor.journal.serving = True
    while True:
        await actor.handle(await process.receive())


class Busy(Actor):
    """An actor that computes between its steps, and leaves the killing to others."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        deadly = (self._exit, self._die, self._trap)
        self._verbs = [(weight, verb) for weight, verb in self._verbs if verb not in deadly]

    async def step(self) -> None:
        """Do one thing, perhaps after a computation."""
        if self._rng.random() < 0.3:
            _compute(self._rng.choice((1, 1, 5, 40)))
        await super().step()

    async def compute_forever(self) -> None:
        """Do one of the things that end by an interruption only."""
        match self._rng.randrange(5):
            case 0:
                while True:
                    _compute(1)
            case 1:
                await self._swallow(self._rng.randrange(1, 3))
            case 2:
                await asyncio.create_task(_never_awaits())
            case 3:
                await process.send(self.me, ("m", self.me, self._next(self.me), None))
                await process.receive(match=_never_decides)
            case _:
                while True:
                    await self._nowait()

    async def _swallow(self, times: int) -> None:
        for _ in range(times):
            try:
                while True:
                    _compute(1)
            except Interrupted:
                continue
        while True:
            _compute(1)


def _compute(times: int) -> int:
    total = 0
    for number in range(times * TURNS):
        total += number & 7
    return total


async def _never_awaits() -> None:
    while True:
        _compute(1)


def _never_decides(message: object) -> bool:
    while True:
        _compute(1)


async def executioner(asker: Pid) -> None:
    """Arm the deaths of processes beside it: ``('arm', pid, seconds, by_thread)``; it says when it has armed one."""
    while True:
        _, pid, seconds, by_thread = cast("tuple[str, Pid, float, bool]", await process.receive())
        if by_thread:
            timer = threading.Timer(seconds, process.call_threadsafe, (process.exit, pid, "kill"))
            timer.daemon = True
            timer.start()
        else:
            process.exit_after(seconds, pid, "kill")
        await process.send(asker, ("armed", pid))


async def leads(follower: Pid, asker: Pid) -> None:
    """Send numbers to the follower and get each back, in order and once; until told to stop, then say how many."""
    sent = 0
    while True:
        for number in range(sent, sent + WINDOW):
            await process.send(follower, (process.self(), number))
        for number in range(sent, sent + WINDOW):
            answer = await process.receive(match=lambda each: each != "stop")
            if answer != (follower, number):
                await process.send(asker, ("neighbour", f"{answer} instead of {(follower, number)}"))
                return
        sent += WINDOW
        # By turns: woken by a future, by a child task.
        if sent % 2:
            await asyncio.sleep(0.002)  # sleep: to be woken by a future, and to leave the processor to others
        else:
            await asyncio.create_task(_briefly())
        try:
            await process.receive(timeout=0, match=lambda each: each == "stop")
        except TimeoutError:
            continue
        await process.send(asker, ("stopped", process.self(), sent))
        return


async def _briefly() -> None:
    await process.sleep(0.002)


async def follows() -> None:
    """Give back what comes."""
    while True:
        leader, number = cast("tuple[Pid, int]", await process.receive())
        await process.send(leader, (process.self(), number))


async def monitored(func: object, args: list[object], shard: int) -> tuple[Pid, Ref]:
    """Start one of these on a shard."""
    return await process.spawn_monitor(func, args, on=shard, mailbox_limit=10)  # type: ignore[arg-type]
