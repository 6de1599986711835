"""One random program on a loopback node, with delays on every wire, kills and crashes; then I1 … I8."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from otpnode.config import NodeConfig
from otpnode.pid import address
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from otpnode.process.spawning import Birth
from otpnode.reasons import KILL
from otpnode.scheduler.loopback_node import LoopbackNode
from otpnode.signals import Exit2, Message
from tests.invariants.actor import LIMIT, act
from tests.invariants.checks import Living, count_signals, violations
from tests.invariants.journal import SHELF
from tests.races.fault_layer import FaultLayer, Wire
from tests.races.inside import births_open, live_serials, names_asked, names_held, promised
from tests.races.puppets import Stage

CALM_SECONDS = 20.0
SETTINGS: dict[str, object] = {
    "exit_grace": 0.5, "kill_grace": 0.1, "stop_grace": 0.5, "max_processes": 512, "mailbox_limit": LIMIT,
}  # fmt: skip


@dataclass
class Outcome:
    """What came of one program."""

    seed: int
    signals: int = 0
    kills: int = 0
    crashes: int = 0
    wrong: list[str] = field(default_factory=list)


class Delays:
    """Holds a wire now and then, for some turns of the loop."""

    def __init__(self, rng: random.Random, share: float) -> None:
        self._rng = rng
        self._share = share

    def __call__(self, wire: Wire) -> None:
        """Be asked about one frame."""
        if self._rng.random() < self._share:
            wire.hold()
            self._wait(wire, self._rng.randrange(1, 12))

    def _wait(self, wire: Wire, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._wait, wire, turns - 1)
        elif wire.holding:
            wire.release()


class Program:
    """One random program."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.outcome = Outcome(seed)
        self._run = f"loopback {seed}"
        self._shards = self._rng.choice((2, 3, 3, 4))
        self._layer = FaultLayer()
        self._dead: set[tuple[int, int]] = set()

    async def play(self) -> Outcome:
        """Run it to its end and look."""
        config = NodeConfig(**SETTINGS)  # type: ignore[arg-type]
        async with LoopbackNode(config, shards=self._shards, tap_for=self._layer.tap) as node:
            self._layer.attach(node)
            self._node = node
            self._stage = Stage(node, self._layer)
            self._begin()
            await self._trouble()
            if await self._calm():
                journals = SHELF.take(self._run)
                self.outcome.signals = count_signals(journals)
                self.outcome.wrong += violations(journals, self._living(), self._lossless)
                self.outcome.wrong += self._credits()
            SHELF.take(self._run)
            await self._end()
            SHELF.take(self._run)
        return self.outcome

    def _begin(self) -> None:
        pids = []
        for number in range(self._rng.randrange(3, 8)):
            shard = self._node.world(number % self._shards).shard
            args: tuple[object, ...] = (
                self._run,
                self._rng.randrange(1 << 30),
                self._rng.randrange(5, 40),
                self._shards,
                0,
                [],
            )
            birth = Birth(act, args, {}, shard.system_pid, mailbox_limit=LIMIT, trap_exits=self._rng.random() < 0.6)
            proc = shard.make(birth)
            shard.queue.put(proc)
            pids.append(proc.pid)
        for pid in pids:
            place = address(pid)
            assert place is not None
            shard = self._node.world(place.shard).shard
            shard.router.post(Message(shard.system_pid, pid, ("peers", pids)))
        self._layer.delays = Delays(self._rng, self._rng.choice((0.0, 0.05, 0.3)))

    async def _trouble(self) -> None:
        """Let it run; now and then somebody is killed or a shard dies."""
        kill, crash = self._rng.choice(((0.0, 0.0), (0.05, 0.0), (0.02, 0.02), (0.0, 0.04)))
        for _ in range(self._rng.randrange(20, 80)):
            await asyncio.sleep(0)
            if self._rng.random() < kill:
                self._kill_somebody()
            if self._rng.random() < crash:
                number = self._rng.randrange(self._shards)
                shard = self._node.world(number).shard
                self._dead.add((number, shard.incarnation))
                self._node.crash(number)
                self.outcome.crashes += 1
        self._layer.delays = None
        for wire in self._layer.wires():
            if wire.holding:
                wire.release()

    def _kill_somebody(self) -> None:
        shard = self._rng.choice(self._node.shards)
        if shard.table.live:
            pid = self._rng.choice(list(shard.table.live))
            shard.router.post(Exit2(shard.system_pid, pid, KILL))
            self.outcome.kills += 1

    # -- quiescence -----------------------------------------------------------

    def _procs(self) -> Iterator[tuple[Shard, Proc]]:
        for shard in self._node.shards:
            for proc in [*shard.table.live.values(), *shard.table.exiting.values()]:
                yield shard, proc

    def _unfinished(self) -> list[str]:
        """I7: what still waits for something."""
        journals = SHELF.runs.get(self._run, {})
        waits = []
        for shard, proc in self._procs():
            if proc.blocks:
                waits.append(f"{proc.pid} is parked in send to {[block.to for block in proc.blocks]}")
            elif proc.pid not in shard.table.live:
                waits.append(f"{proc.pid} has not told of its death")
            elif proc.pid not in journals or not journals[proc.pid].serving or proc.mailbox.queue:
                waits.append(f"{proc.pid} has not ended its script")
        for shard in self._node.shards:
            world = self._node.world(shard.number)
            for what, things in (("births", births_open(world)), ("questions", len(shard.questions)),
                                 ("name requests", names_asked(world)), ("timers", len(shard.timers))):  # fmt: skip
                if things:
                    waits.append(f"shard {shard.number}: {things} {what}")
        return waits

    async def _calm(self) -> bool:
        end = time.monotonic() + CALM_SECONDS
        while True:
            await self._stage.quiet()
            waits = self._unfinished()
            if not waits:
                return True
            if time.monotonic() > end:
                self.outcome.wrong += [f"I7: {each}" for each in waits]
                return False

    # -- looking --------------------------------------------------------------

    def _living(self) -> dict[str, Living]:
        found: dict[str, Living] = {}
        for _, proc in self._procs():
            links = list(proc.links.records) if proc.links is not None else []
            found[proc.pid] = Living(links, list(proc.monitored_by or ()), list(proc.monitors or ()))
        return found

    def _lossless(self, sender: str, receiver: str) -> bool:
        place = address(sender)
        return place is not None and (place.shard, place.incarnation) not in self._dead

    def _credits(self) -> Iterator[str]:
        """I8: what a shard may still send to a pid is what the pid's room has promised to it."""
        for shard in self._node.shards:
            for peer in self._node.world(shard.number).neighbours.mesh.peers():
                for pid, account in peer.accounts.items():
                    proc = self._node.world(peer.shard).shard.table.live.get(pid)
                    if proc is None:
                        yield f"I8: shard {shard.number} keeps an account for {pid}, which is dead"
                        continue
                    given = promised(proc, shard.number)
                    if account.credits != given or account.waiting:
                        yield (
                            f"I8: shard {shard.number} has {account.credits} credits for {pid}, "
                            f"{given} were given, {len(account.waiting)} wait"
                        )

    async def _end(self) -> None:
        """Kill everybody; then nothing may be left."""
        await self._stage.curtain()
        await self._stage.quiet()
        self.outcome.wrong += [f"I8: {each}" for each in leftovers(self._node)]


def leftovers(node: LoopbackNode) -> Iterator[str]:
    """Name what is left on a node whose processes are all dead."""
    for shard in node.shards:
        world = node.world(shard.number)
        table = shard.table
        counts = {
            "processes": len(table.live) + len(table.exiting),
            "mailboxes": len(table.mailboxes),
            "aliases": len(table.aliases),
            "timers": len(shard.timers),
            "questions": len(shard.questions),
            "subscribers": len(shard.subscribers) + len(shard.hidden),
            "reporters": len(shard.deaths.reporters),
            "ready": len(shard.ready),
            "spread": shard.placed_by_spread,
            "serials": live_serials(shard),
            "name requests": names_asked(world),
            "names": len(world.names.registered()),
            "births": births_open(world),
            "accounts": sum(len(peer.accounts) for peer in world.neighbours.mesh.peers()),
            "unsent": sum(len(peer.undelivered) + len(peer.waiting_for_pipe) for peer in world.neighbours.mesh.peers()),
            "spawned less ended": shard.spawned - shard.ended,
        }
        yield from (f"shard {shard.number}: {count} {what}" for what, count in counts.items() if count)
    if names_held(node):
        yield "the directory keeps names or reservations"


async def run_program(seed: int) -> Outcome:
    """Run one program."""
    return await Program(seed).play()
