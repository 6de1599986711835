"""The shards of a node as the driver sees them: orders to their actors, and the question whether all is quiet.

Nothing here waits for a while and hopes. Every shard counts the frames it has sent to and
received from every other, so the end of a step can be *known*, as in Mattern's four counter
method: in two rounds in a row each shard is idle (nothing runnable, nobody dying), every
frame that was sent has been received, and the counts are the same. A round is one order and
one report for each shard, and these are left out of the counts. With one shard a round is
a look at the run queue.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import NamedTuple, cast

from otpnode import process
from otpnode.process import Pid
from otpnode.process.current import here
from otpnode.process.shard import Shard
from otpnode.scheduler.loopback_node import LoopbackNode
from otpnode.scheduler.neighbours import Neighbours
from tests.beam.actor import Order, channel

TURNS = 4
"""Turns of the loop after which whatever can run on a shard is in its run queue, or has run."""

Counts = dict[int, tuple[int, int]]
"""Shard → frames sent to it, frames received from it."""


class Standing(NamedTuple):
    """How one shard stands."""

    idle: bool
    counts: Counts
    up: list[tuple[int, int]]


class Helper(NamedTuple):
    """The process that serves the driver on one other shard."""

    pid: Pid
    os_pid: int
    asked: int


class Loopback:
    """The node on one loop, where that is what runs: its shards are crashed by a call."""

    node: LoopbackNode | None = None


async def standing(shard: Shard) -> Standing:
    """Say how `shard` stands, once what can run has run."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    outbound = shard.router.outbound
    counts: Counts = {}
    if isinstance(outbound, Neighbours):
        for peer in outbound.mesh.peers():
            done = None if peer.link is None else peer.link.statistics()
            counts[peer.shard] = (0, 0) if done is None else (done.frames_out, done.frames_in)
    up = [] if outbound is None else outbound.shards_up()
    return Standing(not shard.ready and not shard.table.exiting, counts, up)


async def help_out(driver: str) -> None:
    """Serve the driver on this shard: pass on its orders, report."""
    hush()
    shard = here()
    await process.send(driver, ("helper", shard.number, os.getpid()))
    while True:
        message = cast("tuple[object, ...]", await process.receive())
        match message:
            case ("order", str(pid), Order() as order):
                channel(pid).put_nowait(order)
            case ("report",):
                await process.send(driver, ("report", shard.number, await standing(shard)))


def hush() -> None:
    """Actors crash because they are told to: no news."""
    logging.getLogger("otpnode.crash").setLevel(logging.CRITICAL)


class Crew:
    """The other shards. Belongs to the driver, a process of shard 0 with an unbounded mailbox."""

    def __init__(self) -> None:
        self._helpers: dict[int, Helper] = {}
        self._shard = here()
        self.me = str(process.self())

    async def start(self) -> None:
        """Take up service on every shard."""
        await process.subscribe_shards()
        for shard in range(1, process.schedulers()):
            await self._hire(shard)

    async def _hire(self, shard: int) -> None:
        pid = await process.spawn(help_out, [self.me], on=shard, mailbox_limit=None)
        hello = await process.receive(10, match=lambda message: _is(message, "helper"))
        self._helpers[shard] = Helper(pid, cast("tuple[str, int, int]", hello)[2], 0)

    async def order(self, shard: int, pid: Pid, order: Order) -> None:
        """Have an actor do something."""
        if shard == self._shard.number:
            channel(pid).put_nowait(order)
        else:
            await process.send(self._helpers[shard].pid, ("order", pid, order))

    # -- is it quiet? ---------------------------------------------------------

    async def look(self) -> dict[tuple[int, int], int] | None:
        """Make one round: the frames sent from shard to shard, or None while something goes on."""
        for shard, helper in self._helpers.items():
            self._helpers[shard] = helper._replace(asked=helper.asked + 1)
            await process.send(helper.pid, ("report",))
        stands: dict[int, Standing] = {}
        while len(stands) < len(self._helpers):
            _, shard, told = cast("tuple[str, int, Standing]", await process.receive(10, match=_is_report))
            stands[shard] = told
        stands[0] = await standing(self._shard)
        if not all(each.idle and each.up == stands[0].up for each in stands.values()):
            return None
        return self._balance({shard: dict(each.counts) for shard, each in stands.items()})

    def _balance(self, counts: dict[int, Counts]) -> dict[tuple[int, int], int] | None:
        for shard, helper in self._helpers.items():
            sent, received = counts[0][shard]
            counts[0][shard] = (sent - helper.asked, received - helper.asked)
            # The helper counted before it sent this round's report.
            sent, received = counts[shard][0]
            counts[shard][0] = (sent - helper.asked + 1, received - helper.asked)
        for one, towards in counts.items():
            if any(counts[other][one][1] != sent for other, (sent, _) in towards.items()):
                return None
        return {(one, other): sent for one, towards in counts.items() for other, (sent, _) in towards.items()}

    # -- crashes --------------------------------------------------------------

    async def crash(self, shard: int) -> None:
        """Kill a shard as a crash would, and wait until it is back."""
        victim = self._helpers.pop(shard)
        if Loopback.node is not None:
            asyncio.get_running_loop().call_soon(Loopback.node.crash, shard)
        else:
            os.kill(victim.os_pid, signal.SIGKILL)
        await process.receive(30, match=lambda message: _is(message, "shard_up") and message[1] == shard)  # type: ignore[index]

    async def replace(self, shard: int) -> None:
        """Take up service on a shard that is back."""
        await self._hire(shard)


def _is(message: object, tag: str) -> bool:
    return isinstance(message, tuple) and message[:1] == (tag,)


def _is_report(message: object) -> bool:
    return _is(message, "report")
