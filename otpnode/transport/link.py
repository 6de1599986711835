"""One peer: a stream of frames to it, and a stream of frames from it.

The two streams are two sockets of two pairs. With both directions on one socket a
survivor that writes to a dead peer gets EPIPE and loses the frames it has already
received; and no death may be told before they are delivered (SH-03, §21.6).

Rejected: asyncio's transports. When the supervisor announces that a shard is dead, what
it wrote last must be read *now*, synchronously (`Link.drain`); a transport hands over
bytes when the loop comes round. They also stop reading when told to, which a shard must
never do (MB-10).

`Link` holds everything that does not depend on how bytes move, so that the link in
memory (`otpnode.transport.loopback`) cannot behave otherwise than the one over sockets
(`otpnode.transport.socket_link`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from otpnode.transport.bulk import CHUNK, Body, Growing, Inbox, Outbox
from otpnode.transport.framing import HEADER_BYTES, pack

HIGH_WATER = 1 << 20
"""Bytes queued to one peer beyond which user sends wait (MB-10)."""
SLICE_SECONDS = 0.002
SLICE_BYTES = 1 << 20
"""A reader hands over to local processes after this much time or this many bytes (FS-02)."""
BUFFER_BYTES = 1 << 16
TAKE_BYTES = 1 << 18
"""Bytes joined for one write: what a signal may find ahead of it, beside the kernel's buffer (SH-10)."""
TURN_BYTES = 1 << 20
"""Bytes written in one turn of the loop, however fast the peer reads."""

_log = logging.getLogger(__name__)


class LinkHandler(Protocol):
    """Whoever owns a link. Called from the loop, or from `Link.drain` and `Link.flush_now`."""

    def on_frame(self, kind: int, body: Body) -> None:
        """Take one whole frame. What it raises is logged, and reading goes on."""

    def on_corrupt(self, why: str) -> None:
        """Learn, once, that the stream is corrupt (SH-11); the frames before it were delivered, none will follow."""

    def on_writable(self) -> None:
        """Learn, once after `Link.full`, that less than half of the high-water mark is queued."""

    def on_closed(self) -> None:
        """Learn, once, that the peer's stream has ended. A hint only: the supervisor tells deaths (SH-07)."""


class Tap(Protocol):
    """A test's hand on the tap: delays, drops or reorders frames before they are queued."""

    def __call__(self, kind: int, body: Body, /) -> bool:
        """Return True to let the frame through; False to keep it, perhaps for `Link.inject` later."""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """What a link has done so far. Frames are whole ones; bytes are those on the wire."""

    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    buffered: int
    bulk_streams: int


class Link(ABC):
    """The contract of a link.

    Guarantees:
        Frames written on one lane are delivered in that order, each whole and once, up to
        the place where the stream ends; a partial last frame is discarded (SH-03). Reading
        never stops on account of writing (MB-10).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handler: LinkHandler,
        *,
        max_message: int,
        high_water: int = HIGH_WATER,
        tap: Tap | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.broken = False
        self.closed = False
        self._loop = loop
        self._handler = handler
        self._high_water = high_water
        self._tap = tap
        self.tapped = tap is not None
        """Whether a test looks at the frames: then each signal has one of its own."""
        self._now = now
        self._max_message = max_message
        self._outbox = Outbox(max_message)
        self._pending: bytes | memoryview = b""
        self._flushing = False
        self.full = False
        """Whether user sends should wait for `LinkHandler.on_writable` (MB-10)."""
        self._choked = False
        self._inbox = Inbox(max_message)
        self._arrived = self._inbox.arrived
        self._resuming = False
        self._ending: Callable[[], None] | None = None
        self._ended = False
        self._frames_in = self._frames_out = self._bytes_in = self._bytes_out = 0

    # -- writing --------------------------------------------------------------

    def write(self, kind: int, body: Body, lane: object = None) -> None:
        """Queue one whole frame; it is written at the end of this turn of the loop.

        Args:
            kind: 0 to 253.
            body: bytes, or a head and buffers, of any length up to ``--max-message`` and an envelope.
            lane: ``(from, to)``; frames of one lane keep their order. Frames without a lane are one lane.

        Raises:
            MessageTooLargeError: over the cap; nothing was queued.

        Guarantees:
            Never blocks and never refuses on account of `full`: that is for the caller to ask (MB-10). After
            the peer is gone, frames vanish; its death is the supervisor's to tell.
        """
        if self.broken or (self._tap is not None and not self._tap(kind, body)):
            return
        self._outbox.put(kind, body, lane)
        self._queued()

    def begin(self, frame: Growing) -> bool:
        """Queue a frame that may grow until another is queued or this turn of the loop ends; False: not now."""
        if self.broken or self.tapped or not self._outbox.begin(frame):
            return False
        self._queued()
        return True

    def _queued(self) -> None:
        self._frames_out += 1
        if self._outbox.buffered > self._high_water:
            self.full = self._choked = True
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def write_at_once(self, kind: int, body: Body, lane: object = None) -> None:
        """Queue one whole frame, as `write`, and give the kernel now what it takes without waiting."""
        if (
            not (isinstance(body, bytes) and len(body) <= CHUNK)
            or (self._flushing or self._outbox.buffered or self._pending)
            or (self.broken or self._tap is not None)
        ):
            self.write(kind, body, lane)
            self.flush_now()
            return
        # Nothing is before it, which is so whenever two processes take turns: past the queue, and no turn to be ended.
        frame = pack(kind, body)
        try:
            sent = self._transmit(frame)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as failure:
            self._break(failure)
            return
        self._frames_out += 1
        self._bytes_out += sent
        if sent < len(frame):
            self._pending = memoryview(frame)[sent:]
            self._flushing = True
            self._await_writable(True)

    def inject(self, kind: int, body: Body, lane: object = None) -> None:
        """Queue one whole frame past the tap."""
        tap, self._tap = self._tap, None
        try:
            self.write(kind, body, lane)
        finally:
            self._tap = tap

    @property
    def buffered(self) -> int:
        """Bytes queued and not yet taken by the kernel."""
        return self._outbox.buffered + len(self._pending)

    def flush_now(self) -> int:
        """Write what can be written without waiting, for shutdown; return the bytes that remain."""
        while self.buffered and not self._push(TURN_BYTES):
            pass
        self._relieve()
        return self.buffered

    def _flush(self) -> None:
        self._flushing = False
        if self.broken:
            return
        blocked = self._push(TURN_BYTES)
        if not self.broken:
            self._await_writable(blocked)
            if self.buffered:
                self._flushing = True
                if not blocked:
                    self._loop.call_soon(self._flush)
        self._relieve()

    def _push(self, budget: int) -> bool:
        """Write up to about `budget` bytes; return whether the way is blocked."""
        while budget > 0:
            pending = self._pending or self._outbox.take(TAKE_BYTES)
            if not pending:
                break
            self._pending = pending
            try:
                sent = self._transmit(pending)
            except (BlockingIOError, InterruptedError):
                return True
            except OSError as failure:
                self._break(failure)
                break
            self._bytes_out += sent
            budget -= sent
            self._pending = b"" if sent == len(pending) else memoryview(pending)[sent:]
        return False

    def _break(self, failure: OSError) -> None:
        if not isinstance(failure, (BrokenPipeError, ConnectionResetError)):
            _log.warning("writing to a peer failed, its queue is dropped: %s", failure)
        self.broken = True
        self._outbox = Outbox(self._max_message)
        self._pending = b""
        self._await_writable(False)

    def _relieve(self) -> None:
        if not self._choked:
            return
        self.full = self.buffered > self._high_water
        if self.buffered * 2 < self._high_water:
            self._choked = False
            self._handler.on_writable()

    # -- reading --------------------------------------------------------------

    def drain(self) -> None:
        """Read and deliver, now, everything the peer has written; for a peer known to be dead (§21.6).

        May be called from within ``on_frame``: the frames behind that one are then
        delivered before it returns, in order.

        Guarantees:
            On return every complete frame that was in the stream has been delivered. Ends at
            the end of the stream or when it is empty: a stranger may hold the write end open.
        """
        more = True
        while more:
            while self._arrived:
                self._deliver()
            more = self._ending is None and self._fill() > 0
        self._tell_ending()

    def _resume(self) -> None:
        self._resuming = False
        self._on_readable()

    def _on_readable(self) -> None:
        """Read one slice."""
        if self._resuming:
            return  # While a slice waits for its next turn, the stream stays readable and this is called as well.
        now, arrived, on_frame = self._now, self._arrived, self._handler.on_frame
        deadline = now() + SLICE_SECONDS
        budget = SLICE_BYTES
        more = True
        try:
            while budget > 0:
                while arrived:
                    # `_deliver`, spelled out.
                    kind, body = arrived.popleft()
                    try:
                        on_frame(kind, body)
                    except Exception:
                        _log.exception("handling a frame of kind %d failed; reading goes on", kind)
                    budget -= len(body) + HEADER_BYTES
                    # One alone, as of two that take turns, is not worth another look at the clock.
                    if budget <= 0 or (arrived and now() >= deadline):
                        return
                if self._ending is not None or not more:
                    return
                # Pieces of a big frame deliver nothing, and take time as well.
                more = self._fill() >= BUFFER_BYTES and now() < deadline
        finally:
            if arrived and not self._resuming:
                self._resuming = True
                self._loop.call_soon(self._resume)
            if self._ending is not None:
                self._tell_ending()

    def _fill(self) -> int:
        """Receive once and cut what came into frames; return the bytes received."""
        if self.closed:
            return 0
        try:
            data = self._receive()
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as failure:
            _log.debug("reading from a peer failed, taken as its end: %s", failure)
            data = b""
        if not data:
            self._end(self._handler.on_closed)
            return 0
        self._bytes_in += len(data)
        self._frames_in -= len(self._arrived)
        self._inbox.feed(data)
        self._frames_in += len(self._arrived)
        why = self._inbox.corrupt
        if why is not None:
            self._end(lambda: self._handler.on_corrupt(why))
        return len(data)

    def _end(self, tell: Callable[[], None]) -> None:
        self._ending = tell
        self._stop_reading()

    def _tell_ending(self) -> None:
        if self._ending is not None and not self._ended and not self._arrived and not self.closed:
            self._ended = True
            self._ending()

    def _deliver(self) -> None:
        kind, body = self._arrived.popleft()
        try:
            self._handler.on_frame(kind, body)
        except Exception:
            _log.exception("handling a frame of kind %d failed; reading goes on", kind)

    # -- both -----------------------------------------------------------------

    def close(self) -> None:
        """Let go of both streams. Nothing more is written, delivered or told. Idempotent."""
        if self.closed:
            return
        self.closed = self.broken = True
        self._frames_in -= len(self._arrived)
        self._arrived.clear()
        self._outbox = Outbox(self._max_message)
        self._pending = b""
        self._await_writable(False)
        self._stop_reading()
        self._shut()

    def statistics(self) -> LinkStatistics:
        """Return what the link has done so far."""
        return LinkStatistics(
            frames_in=self._frames_in - len(self._arrived),
            frames_out=self._frames_out,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            buffered=self.buffered,
            bulk_streams=self._outbox.bulk_streams,
        )

    # -- how bytes move -------------------------------------------------------

    _transmit: Callable[[bytes | memoryview], int]
    """Writes some of what it is given without waiting. Raises BlockingIOError, or OSError when the peer is gone."""

    @abstractmethod
    def _receive(self) -> bytes | memoryview:
        """Read up to `BUFFER_BYTES` without waiting; empty at the end. Raises BlockingIOError when there is nothing."""

    @abstractmethod
    def _await_writable(self, wanted: bool) -> None:
        """Call `_flush` when there is room again, or no longer. Idempotent."""

    @abstractmethod
    def _stop_reading(self) -> None:
        """Do not call `_on_readable` any more. Idempotent."""

    @abstractmethod
    def _shut(self) -> None:
        """Let go of both streams."""
