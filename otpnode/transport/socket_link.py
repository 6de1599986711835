"""The link of shards that are OS processes: two ``AF_UNIX`` stream sockets, each of a pair of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from otpnode.transport.link import BUFFER_BYTES, HIGH_WATER, Link, LinkHandler, Tap

Around = Callable[[Callable[[], None]], None]
"""Calls what reads from a socket that has become readable, with something before and after it."""


def call(read: Callable[[], None]) -> None:
    """Be the `Around` that adds nothing."""
    read()


class SocketLink(Link):
    """A link over two ``AF_UNIX`` stream sockets, each of a pair of its own. See `Link`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: socket.socket,
        writer: socket.socket,
        handler: LinkHandler,
        *,
        max_message: int,
        high_water: int = HIGH_WATER,
        tap: Tap | None = None,
        now: Callable[[], float] = time.monotonic,
        around: Around = call,
    ) -> None:
        """Take over both sockets and begin to read at the next turn of the loop."""
        super().__init__(loop, handler, max_message=max_message, high_water=high_water, tap=tap, now=now)
        self._source = reader
        self._sink = writer
        self._transmit = writer.send
        reader.setblocking(False)
        writer.setblocking(False)
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._reading = True
        self._awaiting = False
        loop.add_reader(reader, around, self._on_readable)

    def _receive(self) -> memoryview:
        return self._view[: self._source.recv_into(self._view)]

    def _await_writable(self, wanted: bool) -> None:
        if wanted and not self._awaiting:
            self._loop.add_writer(self._sink, self._flush)
        elif self._awaiting and not wanted:
            self._loop.remove_writer(self._sink)
        self._awaiting = wanted

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._source)

    def _shut(self) -> None:
        self._source.close()
        self._sink.close()
