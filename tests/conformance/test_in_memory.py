"""What shards owe each other when one dies, on links in memory: SP-08, SH-02 … SH-05, SH-07, SH-08, SH-11, SH-14."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from otpnode import process
from otpnode.config import NodeConfig
from otpnode.errors import ProcessNotFoundError, ShardDownError
from otpnode.pid import address
from otpnode.process import Pid
from otpnode.scheduler.loopback_node import LoopbackNode, TapFor
from otpnode.transport.codec import MESSAGE
from tests.semantics.peers import SOON, down, exit_of, linger, me, nothing_comes
from tests.support import drive, in_process, until

SETTINGS = NodeConfig(exit_grace=0.5, kill_grace=0.2, stop_grace=1.0)

Body = Callable[[LoopbackNode], Awaitable[None]]


def on_shards(body: Body, shards: int = 2, tap_for: TapFor | None = None) -> None:
    """Run `body` as a process on shard 0 of a node it may crash."""

    async def main() -> None:
        async with LoopbackNode(SETTINGS, shards=shards, tap_for=tap_for) as node:
            await in_process(node.shard, body, node)

    drive(main)


@pytest.mark.rule("SP-08", on="loop")
def test_sp08_a_spawn_always_gets_an_answer() -> None:
    async def body(node: LoopbackNode) -> None:
        for spawn in (process.spawn, process.spawn_link, process.spawn_monitor):
            asked = asyncio.ensure_future(cast("Callable[..., Awaitable[object]]", spawn)(linger, on=1))
            await asyncio.sleep(0)
            node.crash(1)
            with pytest.raises(ShardDownError):
                await asked
        node.crash(1, restart=False)
        with pytest.raises(ShardDownError):
            await process.spawn(linger, on=1)
        await nothing_comes_here()

    on_shards(body)


async def nothing_comes_here() -> None:
    """Check that the mailbox stays empty for some turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await process.receive(0)


@pytest.mark.rule("SH-02", "SH-04", on="loop")
def test_sh02_every_link_and_monitor_says_noconnection_once() -> None:
    async def body(node: LoopbackNode) -> None:
        process.process_flag("trap_exits", True)
        pid = await process.spawn_link(linger, name="there", on=1)
        refs = [
            await process.monitor(pid),
            await process.monitor("there"),
            await process.monitor(pid, alias="demonitor"),
        ]
        await nothing_comes()
        node.crash(1)
        assert process.whereis("there") is None
        assert await exit_of(pid) == "noconnection"
        assert [await down_of_any(ref) for ref in refs] == ["noconnection"] * 3
        await process.register("there", me())
        await nothing_comes()

    on_shards(body)


async def down_of_any(ref: str) -> object:
    """Wait for the DOWN of `ref`, by pid or by name."""
    return cast("tuple[object, ...]", await process.receive(SOON, ref=ref))[4]


async def burst_of(to: Pid, count: int) -> None:
    """Send some numbers, then live on."""
    for number in range(count):
        await process.send(to, number)
    await linger()


@pytest.mark.rule("SH-03", on="loop")
def test_sh03_what_was_written_comes_before_the_end_and_a_partial_frame_never() -> None:
    async def body(node: LoopbackNode) -> None:
        process.process_flag("trap_exits", True)
        pid = await process.spawn_link(burst_of, [me(), 50], on=1)
        got = [await process.receive(SOON)]
        node.crash(1, partial=b"\xff\x00\x00\x00\x01half")
        while not isinstance(got[-1], tuple):
            got.append(await process.receive(SOON))
        assert got[:-1] == list(range(len(got) - 1))
        assert got[-1] == ("EXIT", pid, "noconnection")
        await nothing_comes()

    on_shards(body)


@pytest.mark.rule("SH-05", "SD-02", on="loop")
def test_sh05_a_stale_pid_reaches_nobody() -> None:
    async def body(node: LoopbackNode) -> None:
        process.process_flag("trap_exits", True)
        old = await process.spawn(linger, on=1)
        node.crash(1, restart=False)
        assert await down(await process.monitor(old)) == "noconnection"
        await process.link(old)
        assert await exit_of(old) == "noconnection"
        node._start(1, 2)
        new = await process.spawn(linger, on=1)
        was, now = address(old), address(new)
        assert was is not None
        assert now is not None
        assert (was.shard, was.serial) == (now.shard, now.serial)
        assert new != old
        with pytest.raises(ProcessNotFoundError):
            await process.send(old, 1)
        await process.exit(old, "kill")
        assert not process.is_alive(old)
        assert await down(await process.monitor(old)) == "noproc"
        await process.link(old)
        assert await exit_of(old) == "noproc"
        assert process.is_alive(new)
        assert await process.process_info(new, "messages") == []

    on_shards(body)


@pytest.mark.rule("SH-07", "SH-02", on="loop")
def test_sh07_subscribers_hear_of_each_change_once_and_in_order() -> None:
    async def body(node: LoopbackNode) -> None:
        await process.subscribe_shards()
        node.crash(1)
        got = [await process.receive(SOON) for _ in range(2)]
        assert got == [("shard_down", 1, 1, -9), ("shard_up", 1, 2)]
        await nothing_comes()

    on_shards(body, shards=3)


@pytest.mark.rule("SH-07", on="loop")
@pytest.mark.parametrize("seated", [True, False])
def test_sh07_subscribers_hear_nothing_of_who_died_before_being_up(seated: bool) -> None:
    """Whether its seat has come here before, or was withdrawn, is nothing that a subscriber could understand."""

    async def body(node: LoopbackNode) -> None:
        await process.subscribe_shards()
        node.crash(1, restart=False)
        assert await process.receive(SOON) == ("shard_down", 1, 1, -9)
        neighbours = node.world(0).neighbours
        if seated:
            neighbours.mesh.add(1, 2)
        neighbours.shard_down(1, 2, -9)
        await nothing_comes_here()

    on_shards(body)


@pytest.mark.rule("SH-04", "SH-08", on="loop")
def test_sh08_who_is_told_by_another_finds_the_name_free() -> None:
    async def body(node: LoopbackNode) -> None:
        await process.spawn(linger, name="held", on=1)
        witness = await process.spawn(take_the_name, [me()], on=2)
        node.crash(1)
        await process.send(witness, "it is dead")
        assert await process.receive(SOON) == "taken over"

    on_shards(body, shards=3)


async def take_the_name(report: Pid) -> None:
    """Register a name on being told that its owner is dead."""
    await process.receive()
    assert process.whereis("held") is None
    await process.register("held")
    await process.send(report, "taken over")


@pytest.mark.rule("SH-11", on="loop")
@pytest.mark.parametrize(
    "rubbish", [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff\x01", b"\x02\x00\x00\x00\x63x", b"\x02\x00\x00\x00\x01x"]
)
def test_sh11_a_malformed_frame_is_the_death_of_its_writer(rubbish: bytes) -> None:
    async def body(node: LoopbackNode) -> None:
        pid, ref = await process.spawn_monitor(linger, on=1)
        link = node.link(1, 0)
        link._pending = rubbish
        link.flush_now()
        assert await down(ref) == "noconnection"
        assert not process.is_alive(pid)
        await until(lambda: node.world(1).shard.incarnation == 2, "the next incarnation")

    on_shards(body)


@pytest.mark.rule("SH-14", on="loop")
def test_sh14_all_to_all_with_kills_loses_no_down() -> None:
    async def body(node: LoopbackNode) -> None:
        crowd = [await process.spawn_monitor(chatter, on=number % 4) for number in range(16)]
        for pid, _ in crowd:
            await process.send(pid, [other for other, _ in crowd if other != pid])
        for pid, _ in crowd:
            await process.exit(pid, "kill")
        for _, ref in crowd:
            assert await down(ref) == "killed"

    on_shards(body, shards=4)


async def chatter() -> None:
    """Send to everybody, and receive, until killed."""
    others = cast("list[Pid]", await process.receive())
    while True:
        for other in others:
            with contextlib.suppress(ProcessNotFoundError):
                process.send_nowait(other, "x" * 100)
        with contextlib.suppress(TimeoutError):
            await process.receive(0.01)


class Striker:
    """Taps the frames of shard 1, and crashes it before anybody has read the n-th message."""

    def __init__(self, after: int) -> None:
        self.node: LoopbackNode | None = None
        self._left = after

    def __call__(self, kind: int, body: bytes) -> bool:
        """Let every frame through."""
        if kind == MESSAGE and self.node is not None:
            self._left -= 1
            if not self._left:
                self.node.loop.call_soon(self.node.crash, 1)
        return True


@pytest.mark.rule("SH-03", on="loop")
def test_sh03_what_is_in_the_pipe_at_the_death_is_delivered_first() -> None:
    striker = Striker(1)

    async def body(node: LoopbackNode) -> None:
        striker.node = node
        process.process_flag("trap_exits", True)
        pid = await process.spawn_link(burst_of, [me(), 50], on=1)
        got: list[object] = []
        while not got or not isinstance(got[-1], tuple):
            got.append(await process.receive(SOON))
        assert got == [*range(len(got) - 1), ("EXIT", pid, "noconnection")]
        assert len(got) > 1

    on_shards(body, tap_for=lambda sender, _: striker if sender == 1 else None)
