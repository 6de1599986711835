"""The same link in memory: two ends in one process, for tests and for two shards on one loop.

Only the pipe differs from `otpnode.transport.socket_link.SocketLink`: it holds what a kernel's
would, is as bounded, wakes its reader at the next turn of the loop, keeps what a dead
writer wrote, and breaks for a writer whose reader is gone. Frames cross it as bytes, in
pieces that fall where they fall.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

from otpnode.transport.link import BUFFER_BYTES, HIGH_WATER, Link, LinkHandler, Tap

PIPE_BYTES = 208 * 1024
"""What one direction holds; the default of ``net.core.wmem_default`` on Linux."""


class _Pipe:
    """One direction. `on_data` and `on_room` are its two ends' wake-up calls."""

    __slots__ = ("held", "on_data", "on_room", "reader_gone", "writer_gone")

    def __init__(self) -> None:
        self.held = bytearray()
        self.writer_gone = False
        self.reader_gone = False
        self.on_data: Callable[[], None] = _nobody
        self.on_room: Callable[[], None] = _nobody

    def send(self, data: bytes | memoryview) -> int:
        """Take what there is room for, as ``socket.send`` does."""
        if self.reader_gone:
            raise BrokenPipeError
        room = PIPE_BYTES - len(self.held)
        if room <= 0:
            raise BlockingIOError
        part = memoryview(data)[:room]
        self.held += part
        self.on_data()
        return len(part)

    def receive(self) -> bytes:
        """Give what there is, as ``socket.recv`` does; empty at the end."""
        if not self.held and not self.writer_gone:
            raise BlockingIOError
        data = bytes(self.held[:BUFFER_BYTES])
        del self.held[: len(data)]
        self.on_room()
        return data


def _nobody() -> None:
    """Stand in for an end that has not been seated."""


class LoopbackLink(Link):
    """One end of a link in memory; made by `pair`. See `Link`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: _Pipe,
        sink: _Pipe,
        handler: LinkHandler,
        *,
        max_message: int,
        high_water: int = HIGH_WATER,
        tap: Tap | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the reading end of `source` and the writing end of `sink`."""
        super().__init__(loop, handler, max_message=max_message, high_water=high_water, tap=tap, now=now)
        self._source = source
        self._sink = sink
        self._transmit = sink.send
        self._reading = True
        self._awaiting = False
        self._polling = False
        source.on_data = self._wake_reader
        sink.on_room = self._wake_writer

    @classmethod
    def pair(
        cls,
        loop: asyncio.AbstractEventLoop,
        handler_a: LinkHandler,
        handler_b: LinkHandler,
        *,
        max_message: int,
        high_water: int = HIGH_WATER,
        tap_a: Tap | None = None,
        tap_b: Tap | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> tuple[Self, Self]:
        """Make two joined ends; `handler_a` gets what the second end writes, and the other way round."""
        there, back = _Pipe(), _Pipe()
        a = cls(loop, back, there, handler_a, max_message=max_message, high_water=high_water, tap=tap_a, now=now)
        b = cls(loop, there, back, handler_b, max_message=max_message, high_water=high_water, tap=tap_b, now=now)
        return a, b

    def break_here(self, partial: bytes = b"") -> None:
        """Die as a shard does that is killed: what is queued here is lost, what was written stays.

        Args:
            partial: bytes written last, such as the beginning of a frame.
        """
        self._sink.held += partial
        self.close()

    def _receive(self) -> bytes:
        return self._source.receive()

    def _await_writable(self, wanted: bool) -> None:
        self._awaiting = wanted

    def _stop_reading(self) -> None:
        self._reading = False

    def _shut(self) -> None:
        self._sink.writer_gone = True
        self._source.reader_gone = True
        self._source.held.clear()
        self._sink.on_data()
        self._source.on_room()

    def _wake_writer(self) -> None:
        if self._awaiting:
            self._awaiting = False
            self._loop.call_soon(self._flush)

    def _wake_reader(self) -> None:
        if self._reading and not self._polling:
            self._polling = True
            self._loop.call_soon(self._poll)

    def _poll(self) -> None:
        self._polling = False
        if not self._reading:
            return
        self._on_readable()
        # Level-triggered, as epoll is: whatever is left keeps the pipe readable.
        if self._source.held or self._source.writer_gone:
            self._wake_reader()
