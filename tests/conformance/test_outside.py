"""Callers outside any process, and where no node runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from otpnode import process
from otpnode.config import NodeConfig
from otpnode.process.hosting import LocalNode
from otpnode.scheduler.loopback_node import LoopbackNode
from tests.semantics.peers import collect, linger
from tests.support import drive, in_process, proc_of, until

SETTINGS = NodeConfig(exit_grace=0.5, kill_grace=0.2, stop_grace=1.0, mailbox_limit=10)


async def fill_and_wait(on: str | int, waiting_at: Callable[[str], int]) -> None:
    """Fill a mailbox from outside; the send that waits is cancelled, and has not been sent.

    Args:
        on: where the mailbox is.
        waiting_at: counts the sends that wait for room in the mailbox of a pid.
    """
    pid = await process.spawn(linger, on=on)
    for number in range(10):
        await process.send(pid, number)
    assert not process.send_nowait(pid, "no room")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.send(pid, "given up")
    assert waiting_at(pid) == 0
    assert await process.process_info(pid, "messages") == list(range(10))
    waiting = asyncio.ensure_future(process.send(pid, "waits"))
    await asyncio.sleep(0)
    assert waiting_at(pid) == 1
    await process.exit(pid, "kill")
    await waiting


@pytest.mark.rule("MB-11", on="one")
def test_mb11_sends_from_outside_obey_the_limit_and_can_be_cancelled() -> None:
    async def main() -> None:
        async with LocalNode(SETTINGS) as node:
            await fill_and_wait("local", lambda pid: len(proc_of(node.shard, pid).mailbox.blocked or ()))

    drive(main)


@pytest.mark.rule("MB-11", on="loop")
def test_mb11_so_they_do_towards_another_shard() -> None:
    async def main() -> None:
        async with LoopbackNode(SETTINGS, shards=2) as node:
            accounts = node.world(0).neighbours.mesh.peers()[0].accounts
            await fill_and_wait(1, lambda pid: len(accounts[pid].waiting))

    drive(main)


@pytest.mark.rule("CT-05", "MB-11", on="one")
def test_ct05_a_plain_callback_sends_without_waiting() -> None:
    async def main() -> None:
        async with LocalNode(SETTINGS) as node:

            async def receiver() -> object:
                pid = process.self()
                assert pid is not None
                asyncio.get_running_loop().call_soon(process.send_nowait, pid, "from a callback")
                return await process.receive(5)

            assert await in_process(node.shard, receiver) == "from a callback"

    drive(main)


@pytest.mark.rule("CT-06", on="one")
def test_ct06_without_a_node_verbs_raise_and_questions_say_nothing() -> None:
    assert process.self() is None
    assert process.whereis("nobody") is None
    assert process.registered() == []
    assert process.processes() == []
    assert process.is_alive("pid_n.0.1.1") is False

    async def main() -> None:
        for verb in (
            lambda: process.spawn(linger),
            lambda: process.send("pid_n.0.1.1", 1),
            lambda: process.exit("pid_n.0.1.1", "boom"),
            lambda: process.register("name", process.Pid("pid_n.0.1.1")),
            lambda: process.receive(0),
            lambda: process.process_info("pid_n.0.1.1"),
        ):
            with pytest.raises(RuntimeError, match="no runtime"):
                await verb()
        with pytest.raises(RuntimeError, match="no runtime"):
            process.send_nowait("pid_n.0.1.1", 1)

    drive(main)


@pytest.mark.rule("SH-12", on="one")
def test_sh12_one_loop_stops_in_order() -> None:
    async def main() -> None:
        async with LocalNode(SETTINGS) as node:
            ref = None
            pid = await process.spawn(collect, [ref, 1])
            await until(lambda: process.is_alive(pid), "the process")
            shard = node.shard
            reasons: list[object] = []
            shard.watch_death(pid, lambda dead: reasons.append(dead.reason))
        assert reasons == ["shutdown"]

    drive(main)
