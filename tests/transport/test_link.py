"""Both links keep one contract, under both loops; and what only sockets and dead OS processes show."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from otpnode.transport.bulk import CHUNK, KIND_CHUNK, KIND_LAST, Assembler, Outbox
from otpnode.transport.framing import FrameError
from otpnode.transport.link import Link, Tap
from otpnode.transport.loopback import LoopbackLink
from otpnode.transport.socket_link import SocketLink
from tests.contracts.link_contract import CONTRACT
from tests.contracts.link_tools import LOOPS, MIB, Recorder, Rig, run


class SocketRig:
    def pair(
        self,
        a: Recorder,
        b: Recorder,
        *,
        max_message: int = 64 * MIB,
        high_water: int = MIB,
        tap: Tap | None = None,
        now: Callable[[], float] | None = None,
    ) -> tuple[Link, Link]:
        loop, now = asyncio.get_running_loop(), now or time.monotonic
        read_b, write_a = socket.socketpair()
        read_a, write_b = socket.socketpair()
        return (
            SocketLink(loop, read_a, write_a, a, max_message=max_message, high_water=high_water, tap=tap, now=now),
            SocketLink(loop, read_b, write_b, b, max_message=max_message, high_water=high_water, now=now),
        )

    def cut(self, link: Link, partial: bytes) -> None:
        assert isinstance(link, SocketLink)
        if partial:
            link._transmit(partial)
        link.close()


class LoopbackRig:
    def pair(
        self,
        a: Recorder,
        b: Recorder,
        *,
        max_message: int = 64 * MIB,
        high_water: int = MIB,
        tap: Tap | None = None,
        now: Callable[[], float] | None = None,
    ) -> tuple[Link, Link]:
        loop, now = asyncio.get_running_loop(), now or time.monotonic
        return LoopbackLink.pair(loop, a, b, max_message=max_message, high_water=high_water, tap_a=tap, now=now)

    def cut(self, link: Link, partial: bytes) -> None:
        assert isinstance(link, LoopbackLink)
        link.break_here(partial)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("rig", [SocketRig(), LoopbackRig()], ids=["socket", "loopback"])
@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_contract(clause: Callable[[Rig], Awaitable[None]], rig: Rig, loop: str) -> None:
    run(loop, lambda: clause(rig))


# -- pieces, sans-IO ----------------------------------------------------------


def test_outbox_takes_a_piece_of_a_big_frame_even_when_small_ones_use_up_the_limit() -> None:
    outbox = Outbox(MIB)
    outbox.put(1, bytes(2 * CHUNK), "big")
    for _ in range(3):
        for _ in range(100):
            outbox.put(2, bytes(100), "small")
        outbox.take(500)
    assert outbox.bulk_streams == 0


def test_outbox_counts_every_byte_in_and_out() -> None:
    outbox = Outbox(MIB)
    for number in range(50):
        outbox.put(1, bytes(number * 5000), number % 3)
    while outbox.take(10_000):
        assert outbox.buffered >= 0
    assert outbox.buffered == 0


def test_assembler_refuses_a_whole_over_the_cap_and_holds_no_more_than_that() -> None:
    assembler = Assembler(MIB)
    piece = (1).to_bytes(4, "little") + bytes(CHUNK)
    with pytest.raises(FrameError, match="exceeds"):
        for _ in range(100):
            assert assembler.accept(KIND_CHUNK, piece) is None


def test_assembler_keeps_streams_apart() -> None:
    assembler = Assembler(MIB)
    one, two = (1).to_bytes(4, "little"), (2).to_bytes(4, "little")
    assembler.accept(KIND_CHUNK, one + b"a")
    assembler.accept(KIND_CHUNK, two + b"x")
    assert assembler.streams == 2
    assert assembler.accept(KIND_LAST, one + b"\x07b") == (7, b"ab")
    assert assembler.accept(KIND_LAST, two + b"\x08") == (8, b"x")
    assert assembler.streams == 0


# -- a writer that dies -------------------------------------------------------

_WRITER = """
import os, signal, socket, sys
from otpnode.transport.bulk import Outbox
sock = socket.socket(fileno=int(sys.argv[1]))
if sys.argv[2] == "forks":
    stranger = os.fork()
    if stranger == 0:
        signal.pause()
    print(stranger, flush=True)
number = 0
while True:
    outbox = Outbox(1 << 24)
    outbox.put(1, b"%08d" % number * 125_000, "lane")
    sock.sendall(outbox.take(1 << 24))
    number += 1
"""


@pytest.mark.os_processes
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("stranger", ["dies", "forks"])
def test_drain_after_sigkill_gives_a_prefix_of_whole_messages(loop: str, stranger: str) -> None:
    """SH-03; and a process forked by user code that holds the write end open keeps nobody waiting."""

    async def main() -> None:
        at_us = Recorder()
        ours, theirs = socket.socketpair()
        nowhere, ours_out = socket.socketpair()
        command = [sys.executable, "-c", _WRITER, str(theirs.fileno()), stranger]
        passed = [theirs.fileno()]
        with subprocess.Popen(command, pass_fds=passed, stdout=subprocess.PIPE, text=True) as writer:  # noqa: ASYNC220
            theirs.close()
            link = SocketLink(asyncio.get_running_loop(), ours, ours_out, at_us, max_message=1 << 24)
            assert writer.stdout is not None
            forked = int(writer.stdout.readline()) if stranger == "forks" else 0
            try:
                await at_us.count(5)
                writer.kill()
                writer.wait()
                link.drain()
                assert at_us.closed == (0 if forked else 1)
            finally:
                if forked:
                    os.kill(forked, signal.SIGKILL)
        assert at_us.corrupt == []
        assert [body for _, body in at_us.frames] == [b"%08d" % n * 125_000 for n in range(len(at_us.frames))]
        link.close()
        nowhere.close()

    run(loop, main)


def test_flood_in_one_direction_does_not_stop_the_other() -> None:
    """MB-10: a peer that never reads blocks our writing only."""

    async def main() -> None:
        at_us = Recorder()
        ours, theirs_out = socket.socketpair()
        never_read, ours_out = socket.socketpair()
        link = SocketLink(asyncio.get_running_loop(), ours, ours_out, at_us, max_message=1 << 26)
        link.write(1, bytes(1 << 24))
        theirs_out.sendall(b"\x02\x00\x00\x00\x05x")
        await at_us.count(1)
        assert at_us.frames == [(5, b"x")]
        assert link.full
        for end in (link, theirs_out, never_read):
            end.close()

    for loop in LOOPS:
        run(loop, main)
