"""R15 … R18: old incarnations, and senders that wait for room (SEMANTICS §22, MB-rules)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from otpnode import process
from otpnode.process import ProcessNotFoundError
from otpnode.signals import Credit, Exit2, Link, Message, Monitor
from otpnode.transport.codec import encode
from tests.races.puppets import SOON, Puppet, Stage, downs, exits, play
from tests.support import until


async def alive(pid: str) -> bool:
    return process.is_alive(pid)


@pytest.mark.parametrize("path", ["old pipe", "new pipe"])
def test_r15_frames_and_pids_of_an_old_incarnation(path: str) -> None:
    async def script(stage: Stage) -> None:
        a, old = await stage.puppet(0), await stage.puppet(1)
        wire = stage.layer.hold(0, 1)
        await a.do(process.send, old.pid, "old")
        await a.do(process.exit, old.pid, "old")
        await stage.layer.caught(0, 1, Message, Exit2)
        stage.node.crash(1)
        new = await stage.puppet(1)
        assert new.pid != old.pid
        if path == "new pipe":
            for signal in (Message(a.pid, old.pid, "old"), Exit2(a.pid, old.pid, "old"), Link(a.pid, old.pid)):
                frame = encode(signal, 1 << 16)
                stage.node.link(0, 1).inject(frame.kind, frame.body, frame.lane)
            frame = encode(Monitor(a.pid, old.pid, "ref_x.0.1.999"), 1 << 16)
            stage.node.link(0, 1).inject(frame.kind, frame.body, frame.lane)
        else:
            wire.release()
        await stage.quiet()
        assert new.mail == []
        assert new.alive
        assert not await a.do(alive, old.pid)
        with pytest.raises(ProcessNotFoundError):
            await a.do(process.send, old.pid, "x")
        ref = await a.do(process.monitor, old.pid)
        await a.do(process.link, old.pid)
        await a.do(process.exit, old.pid, "x")
        await stage.quiet()
        assert downs(a, ref) == ["noproc"]
        assert exits(a, old.pid) == ["noproc"]
        assert new.mail == []

    play(script)


async def fill(stage: Stage, sender: Puppet, target: Puppet) -> int:
    """Send until there is no credit left; return how many went out."""
    count = 0
    while await sender.do(nowait, target.pid, ("noise", count)):
        count += 1
    await stage.quiet()
    return count


async def nowait(pid: str, message: object) -> bool:
    return process.send_nowait(pid, message)


def heard(puppet: Puppet) -> list[object]:
    return [each for each in puppet.mail if isinstance(each, str)]


@pytest.mark.parametrize("shard", [0, 1])
def test_r16_sender_is_killed_while_it_waits_for_room(shard: int) -> None:
    async def script(stage: Stage) -> None:
        target = await stage.puppet(1, limit=2)
        first, second, third = [await stage.puppet(shard) for _ in range(3)]
        count = await fill(stage, first, target)
        blocked = [puppet.begin(process.send, target.pid, name) for puppet, name in
                   zip((first, second, third), ("first", "second", "third"), strict=True)]  # fmt: skip
        await stage.quiet()
        assert not any(each.done() for each in blocked)
        stage.kill(first)
        await stage.quiet()
        assert blocked[0].cancelled()
        for _ in range(count):
            await target.do(process.receive, 1)
        await stage.quiet()
        assert blocked[1].done()
        assert blocked[2].done()
        assert heard(target) == ["second", "third"]

    play(script)


def test_r16_sender_is_killed_in_the_turn_that_brings_its_credit() -> None:
    async def script(stage: Stage) -> None:
        target, first, second = await stage.puppet(1, limit=2), await stage.puppet(0), await stage.puppet(0)
        await fill(stage, first, target)
        blocked = [puppet.begin(process.send, target.pid, name) for puppet, name in
                   ((first, "first"), (second, "second"))]  # fmt: skip
        await stage.quiet()
        peer = stage.node.world(0).neighbours.mesh.current(1)
        assert peer is not None
        account = peer.accounts[target.pid]
        account.granted(1)
        stage.kill(first)
        await stage.quiet()
        assert blocked[0].cancelled()
        assert blocked[1].done()
        assert account.credits == 0
        assert heard(target) == ["second"]

    play(script)


@asynccontextmanager
async def frozen(stage: Stage, reader: int, writer: int) -> AsyncIterator[None]:
    """Keep a shard from reading, as one that computes."""
    link = stage.node.link(reader, writer)
    link._reading = False
    try:
        yield
    finally:
        link._reading = True
        link._wake_reader()


def test_r16_sender_is_killed_on_a_full_pipe() -> None:
    async def script(stage: Stage) -> None:
        target, first, second = await stage.puppet(1, limit=None), await stage.puppet(0), await stage.puppet(0)
        link = stage.node.link(0, 1)
        async with frozen(stage, 1, 0):
            while await first.do(nowait, target.pid, b"x" * 50_000):
                pass
            assert link.full
            blocked = first.begin(process.send, target.pid, "first"), second.begin(process.send, target.pid, "second")
            await stage.quiet()
            assert not any(each.done() for each in blocked)
            await second.proc.shard.names.reserve("loop turns")
            second.proc.shard.names.forget("loop turns")
            stage.kill(first)
            await stage.quiet()
            assert blocked[0].cancelled()
            # A signal is never kept back by the full pipe.
            stage.node.world(0).shard.router.post(Exit2(second.pid, target.pid, "signal"))
        await asyncio.wait_for(blocked[1], SOON)
        await stage.quiet()
        assert heard(target) == ["second"]
        assert exits(target, second.pid) == ["signal"]

    play(script)


@pytest.mark.parametrize("end", ["death", "crash", "crash for good"])
def test_r17_receiver_dies_while_senders_of_three_shards_wait(end: str) -> None:
    async def script(stage: Stage) -> None:
        target = await stage.puppet(1, limit=2)
        senders = [await stage.puppet(shard) for shard in (0, 2, 3)]
        if end == "death":
            senders.append(await stage.puppet(1))
        for puppet in senders:
            await fill(stage, puppet, target)
        blocked = [puppet.begin(process.send, target.pid, "late") for puppet in senders]
        await stage.quiet()
        assert not any(each.done() for each in blocked)
        if end == "death":
            await target.die("boom")
        else:
            stage.node.crash(1, restart=end == "crash")
        await asyncio.wait_for(asyncio.gather(*blocked), SOON)
        await stage.quiet()
        for shard in stage.node.shards:
            assert not [peer for peer in stage.node.world(shard.number).neighbours.mesh.peers() if peer.accounts]

    play(script, shards=4)


def test_r17_the_word_of_the_death_meets_a_message_on_its_way() -> None:
    """A message that was already out when the receiver died is answered, so that nobody waits behind it."""

    async def script(stage: Stage) -> None:
        target, sender = await stage.puppet(1, limit=1), await stage.puppet(0)
        stage.layer.hold(0, 1)
        await sender.do(process.send, target.pid, "out")
        blocked = sender.begin(process.send, target.pid, "blocked")
        await stage.quiet()
        await target.die("boom")
        await stage.quiet()
        assert not blocked.done()
        stage.layer.release(0, 1)
        await asyncio.wait_for(blocked, SOON)
        assert stage.layer.wire(1, 0).passed[Credit] == 1

    play(script)


async def round_trip(to: str, count: int) -> list[object]:
    """Send `count` messages, then take as many."""
    for number in range(count):
        await process.send(to, number)
    return [await process.receive(SOON) for _ in range(count)]


@pytest.mark.parametrize("places", [(0, 1, 2), (0, 0, 1), (0, 1), (0, 1, 0, 1)])
@pytest.mark.parametrize("count", [3, 9])
def test_r18_circle_of_full_mailboxes(places: tuple[int, ...], count: int) -> None:
    async def script(stage: Stage) -> None:
        ring = [await stage.puppet(shard, limit=1) for shard in places]
        done = [puppet.begin(round_trip, ring[(at + 1) % len(ring)].pid, count) for at, puppet in enumerate(ring)]
        results = await asyncio.wait_for(asyncio.gather(*done), SOON)
        assert results == [list(range(count))] * len(ring)

    play(script, shards=3)


async def park(wanted: str) -> object:
    return await process.receive(SOON, match=lambda message: message == wanted)


def test_r18_a_sender_that_was_let_in_over_the_bound_is_not_kept_out_by_a_parked_owner() -> None:
    """After a circle was broken the account is below zero; a parked owner must lift it all the way (MB-07)."""

    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0, limit=1), await stage.puppet(1, limit=1)
        for one, other in ((a, b), (b, a)):
            await one.do(process.send, other.pid, "noise")
        await stage.quiet()
        peer = stage.node.world(0).neighbours.mesh.current(1)
        assert peer is not None
        account = peer.accounts[b.pid]
        for _ in range(3):
            blocked = a.begin(process.send, b.pid, "more")
            await until(lambda: account.waiting, "a waits for room")
            account.overcommit(account.waiting[0])
            await blocked
        await stage.quiet()
        parked = b.begin(park, "wanted")
        await asyncio.wait_for(a.begin(process.send, b.pid, "wanted"), SOON)
        assert await parked == "wanted"

    play(script)


async def spam(to: str, what: str) -> None:
    while True:
        await process.send(to, what)


def test_mb03_local_senders_do_not_starve_another_shard() -> None:
    """Room is shared between the senders of this shard and those of others."""

    async def script(stage: Stage) -> None:
        target = await stage.puppet(1, limit=2)
        for shard, name in ((1, "local"), (1, "local"), (0, "remote"), (2, "remote2")):
            (await stage.puppet(shard)).begin(spam, target.pid, name)
        await stage.quiet()
        taken = [await target.do(process.receive, 1) for _ in range(200)]
        late = taken[100:]
        assert min(late.count(name) for name in ("local", "remote", "remote2")) > 10, late

    play(script, shards=3)
