"""A shard is SIGKILLed while the pipes of both directions are full."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import signal
import socket
import termios
import time
from typing import cast

from otpnode import process
from otpnode.process import Pid
from otpnode.process.current import HOSTS
from otpnode.scheduler.neighbours import Neighbours
from otpnode.transport.socket_link import SocketLink
from tests.node.apps.tools import get, get_tagged, idle, me, passed, tell_os_pid, up_again

ENVELOPE = 100
"""Bytes that a frame has at most beside its payload."""


def link_to(shard: int) -> SocketLink:
    """Return the very link to a shard: that both directions are full cannot be seen through the verbs."""
    ((here, *_),) = HOSTS.values()
    neighbours = cast(Neighbours, here.router.outbound)
    peer = next(peer for peer in neighbours.mesh.peers() if peer.shard == shard)
    assert isinstance(peer.link, SocketLink)
    return peer.link


def waiting_in(sock: socket.socket) -> int:
    """Return how many bytes the kernel holds for the reader of `sock`."""
    held = array.array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, held)
    return held[0]


def body(number: int, size: int) -> bytes:
    return bytes([number % 251]) * size


async def writer(to: Pid, size: int) -> None:
    """Send numbered messages without end."""
    number = 0
    while True:
        await process.send(to, ("n", number, body(number, size)))
        number += 1


async def sink(size: int, main: Pid) -> None:
    """Take from the writer of the other shard, then jam both directions and kill that shard."""
    victim, ref = await process.spawn_monitor(writer, [me(), int(size)], on=1)
    await process.spawn(tell_os_pid, [me()], on=1)
    hole = await process.spawn(idle, name="anchor", mailbox_limit=None, on=1)
    os_pid = cast(int, (await get_tagged("os_pid"))[2])
    taken = [await get_tagged("n") for _ in range(20)]
    before = len(taken) + cast(int, await process.process_info(me(), "message_queue_len"))
    held = _jam(hole, os_pid)
    while True:
        message = await get(60)
        if message[0] == "DOWN":
            assert message == ("DOWN", ref, "process", victim, "noconnection"), message
            break
        taken.append(message)
    assert [one[1] for one in taken] == list(range(len(taken))), "a gap"
    assert all(one[2] == body(cast(int, one[1]), size) for one in taken), "a message was changed"
    assert await process.process_info(me(), "messages") == [], "something came after the news"
    # What the kernel held was written; all of it but a last, partial frame must have come.
    least = before + held // (size + ENVELOPE) - 1
    assert len(taken) >= least, (len(taken), least)
    print(f"{len(taken)} messages, {before} before the jam, {held} bytes held", flush=True)
    await process.send(main, ("done",))


def _jam(hole: Pid, os_pid: int) -> int:
    """Fill both directions, all in one step of one process, and kill the shard; return the bytes written for us."""
    link = link_to(1)
    deadline = time.monotonic() + 20
    # Nobody reads here, so the writer runs until the kernel takes no more; then it is stopped in its tracks.
    full = 0
    while full < 3:
        held = waiting_in(link._source)
        time.sleep(0.05)
        full = full + 1 if held and waiting_in(link._source) == held else 0
        assert time.monotonic() < deadline, "the pipe to us does not fill"
    os.kill(os_pid, signal.SIGSTOP)
    while process.send_nowait(hole, ("block", b"x" * 20_000)):
        link.flush_now()
    assert link.flush_now() > 0, "the pipe from us is not full"
    assert link.full
    held = waiting_in(link._source)
    os.kill(os_pid, signal.SIGKILL)
    # Meanwhile the supervisor announces the death; a lookup of what died with the shard makes us hear of it, with
    # nothing of the stream read yet.
    while True:
        time.sleep(0.2)
        if process.whereis("anchor") is None:
            break
    return held


async def main(size: str) -> None:
    """Do it twice, with the restart in between."""
    incarnation = dict(await process.subscribe_shards())[1]
    for _ in range(2):
        await process.spawn(sink, [int(size), me()], mailbox_limit=None, on=0)
        await get_tagged("done")
        incarnation = await up_again(1, incarnation)
    passed()


# -- the same from outside, while everything runs -----------------------------


async def reader(asker: Pid, size: int) -> None:
    """Take numbered messages from a writer on the other shard until its end."""
    victim, ref = await process.spawn_monitor(writer, [me(), size], on=1)
    expected = 0
    while True:
        message = await get(60)
        if message[0] == "DOWN":
            break
        assert message == ("n", expected, body(expected, size)), (message[:2], expected)
        expected += 1
        if expected == 200:
            await process.send(asker, ("rolling",))
    assert message == ("DOWN", ref, "process", victim, "noconnection"), message
    assert await process.process_info(me(), "messages") == []
    await process.send(asker, ("prefix", expected))


async def running() -> None:
    """Kill the shard while frames of many sizes run both ways, at no particular moment."""
    incarnation = dict(await process.subscribe_shards())[1]
    for number in range(4):
        hole = await process.spawn(idle, on=1)
        flooder = await process.spawn(writer, [hole, 3000], on=0)
        sizes = (10, 3000, 70_000, 1_000_000)
        for size in sizes:
            await process.spawn(reader, [me(), size], on=0, mailbox_limit=None if number % 2 else 100)
        await process.spawn(tell_os_pid, [me()], on=1)
        os_pid = cast(int, (await get_tagged("os_pid"))[2])
        await get_tagged("rolling")
        await asyncio.sleep(0.02 * number)
        os.kill(os_pid, signal.SIGKILL)
        for _ in sizes:
            await get_tagged("prefix", 60)
        await process.exit(flooder, "kill")
        incarnation = await up_again(1, incarnation)
        await _drop("rolling")
    passed()


async def _drop(tag: str) -> None:
    while True:
        try:
            await get_tagged(tag, 0)
        except TimeoutError:
            return
