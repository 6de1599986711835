"""An actor of a random program: it does what its seed says, then answers until it dies.

Importable, and told everything by its arguments and messages, so that it runs on any shard.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import cast

from otpnode import process
from otpnode.process import OtpnodeError, Pid, ProcessExit, Ref
from tests.invariants.journal import SHELF, Journal, by_link

NAMES = ("n0", "n1", "n2")
REASONS: tuple[object, ...] = ("boom", "normal", "shutdown", ("tuple", 1))
LIMIT = 3
"""Of the mailboxes: small, so that senders wait."""
GENERATIONS = 2
ASK_SECONDS = 0.002


async def act(run: str, seed: int, steps: int, shards: int, generation: int, peers: list[Pid]) -> None:
    """Live: run the script of `seed`, then serve."""
    actor = Actor(run, seed, shards, generation, peers)
    if generation == 0:
        await actor.introduce()
    for _ in range(steps):
        await actor.step()
    actor.journal.serving = True
    while True:
        await actor.handle(await process.receive())


class Actor:
    """One actor's mind."""

    def __init__(self, run: str, seed: int, shards: int, generation: int, peers: list[Pid]) -> None:
        pid = process.self()
        assert pid is not None
        self.me = pid
        self.journal: Journal = SHELF.open(run, pid)
        self._run = run
        self._rng = random.Random(seed)
        self._shards = shards
        self._generation = generation
        self._peers = peers
        self._sent: Counter[str] = Counter()
        self._refs: list[Ref] = []
        self._verbs: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (6, self._send), (2, self._nowait), (2, self._ask), (2, self._link), (2, self._unlink),
            (2, self._monitor), (1.5, self._demonitor), (1, self._exit), (1, self._register), (1, self._unregister),
            (1.2, self._spawn), (4, self._take), (2, self._wait), (1, self._pick), (2, self._yield), (0.7, self._timer),
            (0.3, self._die), (0.5, self._trap), (0.5, self._large),
        ]  # fmt: skip

    async def introduce(self) -> None:
        """Learn who the others are."""
        message = await process.receive(match=lambda each: isinstance(each, tuple) and each[0] == "peers")
        self._peers = cast("tuple[str, list[Pid]]", message)[1]

    async def step(self) -> None:
        """Do one thing."""
        weights = [weight for weight, _ in self._verbs]
        ((_, verb),) = self._rng.choices(self._verbs, weights)
        await verb()

    def _peer(self) -> Pid:
        return self._rng.choice(self._peers)

    # -- taking ---------------------------------------------------------------

    async def handle(self, message: object) -> None:
        """Take note of one message, and answer it."""
        match message:
            case ("m", str(sender), int(seq), _):
                self.journal.add("got", sender, seq)
            case ("ask", str(sender), int(seq), str(ref)):
                self.journal.add("got", sender, seq)
                await process.send(ref, (ref, self.me))
            case ("EXIT", str(pid), reason):
                death = by_link(pid, reason)
                self.journal.add("exit", pid, reason, death)
                if death:
                    self._is_nameless(pid)
            case ("DOWN", str(ref), "process", pid, reason):
                self.journal.add("down", ref, pid, reason)
                if isinstance(pid, str):
                    self._is_nameless(pid)
            case ("report", str(ref)):
                await self._report(ref)
            case (str(ref), str(sender)) if ref.startswith("ref_"):
                self.journal.add("reply", ref, sender)
            case "tick" | ("peers", _):
                pass
            case _:
                self.journal.add("wrong", f"an unknown message: {message!r}")

    def _is_nameless(self, pid: str) -> None:
        """I5: who has seen the end of a process finds no name of it."""
        for name in NAMES:
            if process.whereis(name) == pid:
                self.journal.add(
                    "wrong", f"I5: {name} still names {pid} after its end was seen: {self.journal.events[-1]}"
                )

    async def _report(self, ref: str) -> None:
        """Answer with everything this actor knows; for nodes of several OS processes."""
        info = cast("dict[str, object]", await process.process_info(self.me))
        known = [(each.pid, each.events, each.serving) for each in SHELF.runs.get(self._run, {}).values()]
        await process.send(ref, (ref, self.me, known, info))

    async def _waiting(self, wanted: Callable[[object], bool]) -> int:
        queued = cast("list[object] | None", await process.process_info(self.me, "messages"))
        return sum(1 for each in queued or () if wanted(each))

    async def _take(self) -> None:
        try:
            while self._rng.random() < 0.8:
                await self.handle(await process.receive(timeout=0))
        except TimeoutError:
            return

    async def _wait(self) -> None:
        try:
            await self.handle(await process.receive(timeout=0.001))
        except TimeoutError:
            return

    async def _pick(self) -> None:
        wanted = self._peer()
        try:
            found = await process.receive(
                timeout=0.001,
                match=lambda each: isinstance(each, tuple) and each[0] in ("m", "ask") and each[1] == wanted,
            )
        except TimeoutError:
            return
        await self.handle(found)

    # -- telling --------------------------------------------------------------

    def _next(self, to: str) -> int:
        self._sent[to] += 1
        return self._sent[to]

    async def _say(self, to: Pid, seq: int, message: object) -> None:
        try:
            await process.send(to, message)
        except OtpnodeError:
            return
        self.journal.add("sent", to, seq)

    async def _send(self) -> None:
        to = self._peer()
        for _ in range(self._rng.choice((1, 1, 2, LIMIT + 2))):
            seq = self._next(to)
            await self._say(to, seq, ("m", self.me, seq, None))

    async def _large(self) -> None:
        to = self._peer()
        seq = self._next(to)
        await self._say(to, seq, ("m", self.me, seq, bytes(self._rng.choice((70_000, 150_000)))))

    async def _nowait(self) -> None:
        to = self._peer()
        seq = self._next(to)
        try:
            if process.send_nowait(to, ("m", self.me, seq, None)):
                self.journal.add("sent", to, seq)
        except OtpnodeError:
            return

    async def _ask(self) -> None:
        to = self._peer()
        ref = process.alias(reply=self._rng.random() < 0.5)
        self.journal.add("alias", ref)
        seq = self._next(to)
        await self._say(to, seq, ("ask", self.me, seq, ref))
        try:
            await self.handle(await process.receive(timeout=ASK_SECONDS, ref=ref))
        except TimeoutError:
            pass
        process.unalias(ref)
        self.journal.add("unalias", ref, await self._waiting(lambda each: isinstance(each, tuple) and each[0] == ref))

    async def _timer(self) -> None:
        ref = process.send_after(self._rng.choice((0.0, 0.001)), self._peer(), "tick")
        if self._rng.random() < 0.5:
            await process.cancel_timer(ref)

    # -- ties -----------------------------------------------------------------

    async def _link(self) -> None:
        to = self._peer()
        self.journal.add("link", to)
        await process.link(to)

    async def _unlink(self) -> None:
        to = self._peer()
        await process.unlink(to)
        waiting = await self._waiting(
            lambda each: isinstance(each, tuple) and each[:2] == ("EXIT", to) and by_link(to, each[2])
        )
        self.journal.add("unlink", to, waiting)

    async def _monitor(self) -> None:
        to = self._peer()
        if to == self.me:
            return
        ref = await process.monitor(to)
        self.journal.add("monitor", ref, to)
        self._refs.append(ref)

    async def _demonitor(self) -> None:
        if not self._refs:
            return
        ref = self._refs.pop(self._rng.randrange(len(self._refs)))
        flush = self._rng.random() < 0.5
        await process.demonitor(ref, flush=flush)
        self.journal.add(
            "demonitor", ref, await self._waiting(lambda each: isinstance(each, tuple) and ref in each[:2])
        )

    async def _exit(self) -> None:
        to = self._peer()
        if to != self.me:
            kill = self._rng.random() < 0.3
            await process.exit(to, "kill" if kill else ("by hand", self.me, self._rng.randrange(10)))

    async def _trap(self) -> None:
        process.process_flag("trap_exits", self._rng.random() < 0.7)

    async def _die(self) -> None:
        raise ProcessExit(self._rng.choice(REASONS))

    async def _register(self) -> None:
        try:
            await process.register(self._rng.choice(NAMES), self._rng.choice((self.me, self._peer())))
        except (OtpnodeError, ValueError):
            return

    async def _unregister(self) -> None:
        try:
            await process.unregister(self._rng.choice(NAMES))
        except OtpnodeError:
            return

    async def _spawn(self) -> None:
        if self._generation >= GENERATIONS:
            return
        rng = self._rng
        args = [self._run, rng.randrange(1 << 30), rng.randrange(6), self._shards, self._generation + 1, self._peers]
        name = rng.choice(NAMES) if rng.random() < 0.3 else None
        where = rng.randrange(self._shards)
        options = {"mailbox_limit": LIMIT, "trap_exits": rng.random() < 0.6}
        try:
            if rng.random() < 0.4:
                async with asyncio.timeout(rng.choice((0.001, 1.0))):
                    pid = await process.spawn_link(act, args, name=name, on=where, **options)  # type: ignore[arg-type]
                self.journal.add("link", pid)
            else:
                link = rng.random() < 0.5
                pid, ref = await process.spawn_monitor(
                    act,
                    args,
                    name=name,
                    on=where,
                    link=link,
                    **options,  # type: ignore[arg-type]
                )
                self.journal.add("monitor", ref, pid)
                self._refs.append(ref)
                if link:
                    self.journal.add("link", pid)
        except (OtpnodeError, TimeoutError):
            return
        self._peers = [*self._peers, pid][-12:]

    async def _yield(self) -> None:
        for _ in range(self._rng.randrange(1, 4)):
            await asyncio.sleep(0)
