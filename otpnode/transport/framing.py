"""The splitter: a byte stream in, whole frames out. Sans-IO.

A frame is a u32 little-endian length of what follows, a u8 kind, and the body.
An incomplete tail is held and, if its writer is dead, simply never returned (SH-03).
"""

from __future__ import annotations

import struct

from otpnode.errors import OtpnodeError

_LENGTH = struct.Struct("<I")
_PREFIX = _LENGTH.size

HEADER = struct.Struct("<IB")
HEADER_BYTES = HEADER.size
"""What a frame costs beside its body."""


class FrameError(OtpnodeError):
    """The stream is corrupt: no frame boundary can be trusted any more (SH-11).

    Not `PayloadError`: there the frame is sound and the next one can be read.

    Attributes:
        complete: the frames of the same chunk that ended before the corrupt place.
    """

    def __init__(self, text: str, complete: list[tuple[int, bytes]] | None = None) -> None:
        super().__init__(text)
        self.complete = complete or []


def pack(kind: int, body: bytes) -> bytes:
    """Spell one frame.

    Raises:
        struct.error: `kind` is no u8, or `body` is 4 GiB or more.
    """
    return HEADER.pack(len(body) + 1, kind) + body


def pack_header(kind: int, body_bytes: int) -> bytes:
    """Spell the header of a frame whose body is written by the caller, in parts."""
    return HEADER.pack(body_bytes + 1, kind)


class FrameReader:
    """Cuts a stream into frames, whatever the chunks it arrives in.

    Guarantees:
        The frames, and the place where corruption is found, do not depend on how the
        stream was split. No byte is copied more than twice, however many chunks a frame
        comes in; memory held is what has arrived, never what a header announces.
    """

    __slots__ = ("_corrupt", "_held", "_max", "_need", "_parts")

    def __init__(self, max_frame: int) -> None:
        """Make a reader that refuses frames longer than `max_frame` (kind and body)."""
        self._max = max_frame
        self._parts: list[bytes] = []
        self._held = 0
        self._need = _PREFIX
        self._corrupt = ""

    @property
    def partial(self) -> bool:
        """Whether an incomplete frame is held."""
        return self._held > 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Take the next chunk; return the frames that it completes, in order.

        Raises:
            FrameError: a length of 0 or over the cap; the error has the frames before it, and
                every later `feed` raises again.
        """
        chunk = data if type(data) is bytes else bytes(data)
        if self._corrupt:
            raise FrameError(self._corrupt)
        if self._held:
            self._parts.append(chunk)
            self._held += len(chunk)
            if self._held < self._need:
                return []
            chunk = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        elif len(chunk) > _PREFIX:
            # One frame, as of two that take turns.
            (length,) = _LENGTH.unpack_from(chunk)
            if length == len(chunk) - _PREFIX <= self._max:
                return [(chunk[_PREFIX], chunk[HEADER_BYTES:])]
        return self._cut(chunk)

    def _cut(self, chunk: bytes) -> list[tuple[int, bytes]]:
        frames: list[tuple[int, bytes]] = []
        unpack, most = _LENGTH.unpack_from, self._max
        at, end = 0, len(chunk)
        need = _PREFIX
        while end - at >= _PREFIX:
            (length,) = unpack(chunk, at)
            if not 0 < length <= most:
                self._corrupt = f"a frame announces {length} bytes, where 1 to {most} are allowed"
                raise FrameError(self._corrupt, frames)
            stop = at + _PREFIX + length
            if stop > end:
                need = _PREFIX + length
                break
            frames.append((chunk[at + _PREFIX], chunk[at + HEADER_BYTES : stop]))
            at = stop
        self._need = need
        if at < end:
            self._parts.append(chunk[at:] if at else chunk)
            self._held = end - at
        return frames
