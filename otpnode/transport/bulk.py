"""Big frames in pieces, so that no message holds up another pair's signal (SH-10). Sans-IO.

`Outbox` is what one shard still has to say to another; `Inbox` is what has come from
it, the pieces put together. A frame of more than `CHUNK` bytes goes out as CHUNK frames
and one LAST frame, all under one stream number; between two pieces the frames of other
*lanes* pass. A lane is a pair of processes: inside it nothing overtakes (SO-01), so while
a big frame of a lane is going out, later frames of that lane wait behind it.

    CHUNK  u32 stream, bytes             LAST  u32 stream, u8 kind of the whole, bytes

A frame may be in *parts*: a head, and buffers that stand in memory of their own on both
sides, so that 100 MB of the user's are never copied into an envelope or out of one. The
first piece of each later part says so in the stream number's highest bits, and whether
the part is to be ``bytes`` or a ``bytearray``.

Rejected: cutting every frame and scheduling the lanes fairly. Small frames are nearly all
of the traffic, and for them a lane is a dict lookup that is skipped while nothing big
is under way.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from io import BytesIO
from typing import Protocol

from otpnode.errors import MessageTooLargeError
from otpnode.transport.framing import HEADER, HEADER_BYTES, FrameError, FrameReader, pack, pack_header

CHUNK = 64 * 1024
"""Longest body sent in one piece, and longest piece, in bytes."""
KIND_CHUNK = 254
KIND_LAST = 255
MAX_WIRE_FRAME = CHUNK + 16
"""No frame on the wire is longer than this (kind and body)."""
ENVELOPE = 64 * 1024
"""What a frame may have around a payload of ``--max-message`` bytes."""

Part = bytes | bytearray
Body = bytes | tuple[Part, ...]
"""What a frame holds: bytes, or a head with at least one buffer of its own, none of them empty."""

_NEW_BYTES = 1 << 31
_NEW_ARRAY = 3 << 30
_STREAMS = (1 << 30) - 1
_STREAM = struct.Struct("<I")
_STREAM_KIND = struct.Struct("<IB")


class Growing(Protocol):
    """A small frame that is queued and may still get longer: `otpnode.transport.bundle.Bundle`."""

    def seal(self) -> bytearray:
        """Let it grow no more; return all of it, its header first. At most `CHUNK` bytes of body."""
        ...


class _Bulk:
    """One big frame on its way out, and the frames of its lane that wait behind it."""

    __slots__ = ("after", "behind", "lane", "pieces")

    def __init__(self, number: int, kind: int, body: Body, lane: object, after: int) -> None:
        self.pieces = _pieces(number, kind, body if isinstance(body, tuple) else (body,))
        self.lane = lane
        self.after = after
        self.behind: deque[tuple[int, Body]] = deque()


def _pieces(number: int, kind: int, parts: tuple[Part, ...]) -> Iterator[tuple[int, bytes, memoryview]]:
    """Cut a frame up: the kind of each piece, its head, and what is in it; LAST comes once, at the end."""
    last = _STREAM_KIND.pack(number, kind)
    for index, part in enumerate(parts):
        mark = 0 if index == 0 else _NEW_ARRAY if type(part) is bytearray else _NEW_BYTES
        view = memoryview(part)
        for at in range(0, len(view), CHUNK):
            if at + CHUNK >= len(view) and index == len(parts) - 1 and not mark:
                yield KIND_LAST, last, view[at:]
                return
            yield KIND_CHUNK, _STREAM.pack(number | mark), view[at : at + CHUNK]
            mark = 0
    yield KIND_LAST, last, view[:0]


class Outbox:
    """Frames waiting to be written.

    Guarantees:
        Frames of one lane leave in the order of `put`. Every `take` moves on: small frames
        first, and at least one piece of a big one, the big ones taking turns.
    """

    __slots__ = (
        *("_bulks", "_entering", "_growing", "_lanes", "_most", "_number", "_small", "_small_bytes", "_small_taken"),
        "buffered",
    )

    def __init__(self, max_message: int) -> None:
        self._most = max_message + ENVELOPE
        self._small: deque[Part] = deque()
        self._growing: Growing | None = None
        self._small_bytes = 0
        self._small_taken = 0
        self._entering: deque[_Bulk] = deque()
        self._bulks: deque[_Bulk] = deque()
        self._lanes: dict[object, _Bulk] = {}
        self._number = 0
        self.buffered = 0

    @property
    def bulk_streams(self) -> int:
        """How many big frames are on their way out."""
        return len(self._entering) + len(self._bulks)

    def put(self, kind: int, body: Body, lane: object) -> None:
        """Queue one frame.

        Raises:
            MessageTooLargeError: the other side would take it for corruption. Nothing was queued.
            ValueError: `kind` is one of the pieces'. Nothing was queued.
        """
        size = len(body) if isinstance(body, bytes) else sum(map(len, body))
        if size > self._most:
            raise MessageTooLargeError(f"a frame of {size} bytes, where {self._most} are allowed")
        if kind >= KIND_CHUNK:
            raise ValueError(f"kind {kind} is kept for pieces of big frames")
        if self._growing is not None:
            self._seal(self._growing)
        wire = size + HEADER_BYTES
        self.buffered += wire
        bulk = self._lanes.get(lane) if self._lanes else None
        if bulk is not None:
            bulk.behind.append((kind, body))
        elif not isinstance(body, bytes) or size > CHUNK:
            self._enter(kind, body, lane)
        else:
            # _enter's first case, spelled out: nearly every frame goes this way.
            self._small.append(HEADER.pack(size + 1, kind) + body)
            self._small_bytes += wire

    def begin(self, frame: Growing) -> bool:
        """Queue a frame that may grow until the next `put` or `take`; False: not now, it might have to wait.

        Of its bytes `buffered` has the header's, until it is whole.
        """
        if self._lanes:
            return False
        if self._growing is not None:
            self._seal(self._growing)
        self._growing = frame
        self.buffered += HEADER_BYTES
        return True

    def _seal(self, frame: Growing) -> None:
        self._growing = None
        wire = frame.seal()
        self._small.append(wire)
        self._small_bytes += len(wire)
        self.buffered += len(wire) - HEADER_BYTES

    def take(self, limit: int) -> bytes:
        """Take out about `limit` bytes of whole frames, joined; empty when there are none."""
        if self._growing is not None:
            self._seal(self._growing)
        parts: list[Part | memoryview] = []
        size = 0
        while True:
            if self._small and size < limit:
                size += self._take_small(parts, limit - size)
            # A big frame begins when the small ones queued before it are out: some of them are of its lane.
            while self._entering and self._entering[0].after <= self._small_taken:
                self._bulks.append(self._entering.popleft())
            if self._bulks:
                # One piece even if small frames have used up the limit, or a steady stream of them would starve it.
                size += self._take_piece(parts)
            if size >= limit or not self._bulks:
                return b"".join(parts)

    def _enter(self, kind: int, body: Body, lane: object) -> _Bulk | None:
        if isinstance(body, bytes) and len(body) <= CHUNK:
            self._small.append(pack(kind, body))
            self._small_bytes += len(body) + HEADER_BYTES
            return None
        self._number = (self._number + 1) & _STREAMS
        bulk = self._lanes[lane] = _Bulk(self._number, kind, body, lane, self._small_taken + self._small_bytes)
        self._entering.append(bulk)
        return bulk

    def _take_small(self, parts: list[Part | memoryview], limit: int) -> int:
        taken = self._small_bytes
        if taken <= limit:
            parts += self._small
            self._small.clear()
        else:
            taken = 0
            while taken < limit:
                part = self._small.popleft()
                taken += len(part)
                parts.append(part)
        self._small_bytes -= taken
        self._small_taken += taken
        self.buffered -= taken
        return taken

    def _take_piece(self, parts: list[Part | memoryview]) -> int:
        bulk = self._bulks.popleft()
        kind, head, piece = next(bulk.pieces)
        parts += (pack_header(kind, len(head) + len(piece)), head, piece)
        self.buffered -= len(piece)
        if kind == KIND_CHUNK:
            self._bulks.append(bulk)
        else:
            self.buffered -= HEADER_BYTES
            self._release(bulk)
        return len(piece)

    def _release(self, bulk: _Bulk) -> None:
        del self._lanes[bulk.lane]
        behind = bulk.behind
        while behind:
            kind, body = behind.popleft()
            following = self._enter(kind, body, bulk.lane)
            if following is not None:
                following.behind = behind
                return


class _Whole:
    """One big frame on its way in: the parts that are complete, and the one that grows."""

    __slots__ = ("_growing", "_parts", "size")

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._growing: BytesIO | bytearray = BytesIO()
        self.size = 0

    def begin(self, mark: int) -> None:
        """The next piece is the first one of a new part."""
        self._parts.append(self._grown())
        self._growing = bytearray() if mark == _NEW_ARRAY else BytesIO()

    def add(self, piece: memoryview) -> None:
        """Take one piece."""
        if isinstance(self._growing, BytesIO):
            self._growing.write(piece)
        else:
            self._growing += piece
        self.size += len(piece)

    def body(self) -> Body:
        """Return all of it."""
        if self._parts:
            return (*self._parts, self._grown())
        return bytes(self._grown())

    def _grown(self) -> Part:
        return self._growing.getvalue() if isinstance(self._growing, BytesIO) else self._growing


class Assembler:
    """Puts the pieces of big frames together again.

    Each piece is copied as it comes, into memory that grows, so that the last one has no more to do than any other:
    joining the pieces of 100 MB at the end held the loop for 60 ms (SH-10).

    Guarantees:
        Memory held per stream is what has arrived and an eighth, and never more than the cap and one piece allow.
    """

    __slots__ = ("_most", "_streams")

    def __init__(self, max_message: int) -> None:
        self._most = max_message + ENVELOPE
        self._streams: dict[int, _Whole] = {}

    @property
    def streams(self) -> int:
        """How many big frames have begun to arrive."""
        return len(self._streams)

    def accept(self, kind: int, body: bytes) -> tuple[int, Body] | None:
        """Take one frame off the wire; return the whole frame that it is or completes, if any.

        Raises:
            FrameError: a piece without a stream number, or a whole over the cap (SH-11).
        """
        if kind < KIND_CHUNK:
            return kind, body
        head = _STREAM if kind == KIND_CHUNK else _STREAM_KIND
        if len(body) < head.size:
            raise FrameError(f"a piece of {len(body)} bytes has no stream number")
        (marked,) = _STREAM.unpack_from(body)
        number, mark = marked & _STREAMS, marked & ~_STREAMS
        whole = self._streams.get(number) or _Whole()
        if mark:
            whole.begin(mark)
        whole.add(memoryview(body)[head.size :])
        size = whole.size
        if size > self._most:
            raise FrameError(f"a frame in pieces exceeds {self._most} bytes")
        if kind == KIND_CHUNK:
            self._streams[number] = whole
            return None
        self._streams.pop(number, None)
        return body[_STREAM.size], whole.body()


class Inbox:
    """Bytes in, whole frames out: what has arrived and waits to be delivered.

    Guarantees:
        `arrived` has the frames before a corrupt place, whatever the split, and none behind it.
    """

    __slots__ = ("_assembler", "_reader", "arrived", "corrupt")

    def __init__(self, max_message: int) -> None:
        self._reader = FrameReader(MAX_WIRE_FRAME)
        self._assembler = Assembler(max_message)
        self.arrived: deque[tuple[int, Body]] = deque()
        self.corrupt: str | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Take what was read; afterwards `corrupt` says whether, and why, the stream is (SH-11)."""
        if self.corrupt is not None:
            return
        try:
            frames = self._reader.feed(data)
        except FrameError as failure:
            frames, self.corrupt = failure.complete, str(failure)
        try:
            for frame in frames:
                whole = frame if frame[0] < KIND_CHUNK else self._assembler.accept(*frame)
                if whole is not None:
                    self.arrived.append(whole)
        except FrameError as failure:
            self.corrupt = str(failure)
