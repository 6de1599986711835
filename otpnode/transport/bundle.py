"""Many messages of one sender to one receiver in one frame.

Who sends a row of messages to one process says in each frame who it is and to whom it
speaks, has a frame for each, and the other side does as much again to take them apart:
more than half of what such a message costs. So while a burst goes on (`Peer.bursts`), the
flat messages of one sender to one receiver are written behind each other into one frame
that stays open until another frame is queued or the turn ends. Over there they are one
call of the decoder, one lookup, and one `extend` of the mailbox.

    BUNDLE  [sender, to, [message, …]]

Nothing else changes by it: every message is encoded when it is sent and takes its own
credit, and an open frame is the last one in the queue, so that the order is the order of
the sends. Rejected: keeping the messages themselves and encoding all of them at the end of
the turn, which is faster still; whatever cannot travel would be found out when its sender
has long gone on (SD-07). Rejected, too: a frame of messages of everybody to everybody; it
saves the frames and none of the names.
"""

from __future__ import annotations

import struct

import msgspec

from otpnode.transport.framing import HEADER_BYTES, pack_header
from otpnode.transport.payload import EXACT

FULL_BYTES = 24 * 1024
"""A frame that is longer is not added to."""
LONGEST = 16 * 1024
"""A message that is longer has a frame of its own; together they stay below `otpnode.transport.bulk.CHUNK`."""

_ARRAY_OF_3 = b"\x93"
_COUNT = struct.Struct(">BI")
_LONG_ARRAY = 0xDD

_encoder = msgspec.msgpack.Encoder()
_encode = _encoder.encode
_encode_into = _encoder.encode_into


class Bundle:
    """One frame that grows.

    Args:
        kind: of the frame.
        sender: whose messages.
        to: whom they are for.
        max_message: cap of one message, in bytes.

    Attributes:
        open: whether messages may be added.
    """

    __slots__ = ("_buffer", "_count", "_count_at", "_kind", "_longest", "open")

    def __init__(self, kind: int, sender: str, to: str, max_message: int) -> None:
        self._kind = kind
        self._longest = min(LONGEST, max_message)
        self._buffer = bytearray(HEADER_BYTES)
        self._buffer += _ARRAY_OF_3 + _encode(sender) + _encode(to)
        self._count_at = len(self._buffer)
        self._buffer += bytes(_COUNT.size)
        self._count = 0
        self.open = True

    def add(self, message: object) -> bool:
        """Add `message`; False, and nothing has happened, if it is not flat or too long."""
        if type(message) is not tuple:
            return False
        for item in message:
            if type(item) not in EXACT:
                return False
        buffer = self._buffer
        before = len(buffer)
        try:
            _encode_into(message, buffer, -1)
        except (ValueError, OverflowError):
            del buffer[before:]
            return False  # A lone surrogate, or an int beyond 64 bits.
        size = len(buffer)
        if size - before > self._longest:
            del buffer[before:]
            return False
        self._count += 1
        if size > FULL_BYTES:
            self.open = False
        return True

    def seal(self) -> bytearray:
        """Return the whole frame; nothing is added any more."""
        self.open = False
        buffer = self._buffer
        buffer[:HEADER_BYTES] = pack_header(self._kind, len(buffer) - HEADER_BYTES)
        _COUNT.pack_into(buffer, self._count_at, _LONG_ARRAY, self._count)
        return buffer
