"""The socket between a supervisor and the process that called `otpnode.run`.

In: the request (8 bytes of length, then the pickled settings and program), then one
byte for each signal passed on. Out: one answer (kind, 4 bytes of code, 8 of length,
data), last of all. End of file on either side is the loss of the other.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

OUTCOME: Final = b"o"
DOWN: Final = b"d"
_LENGTH = struct.Struct("<Q")
_ANSWER = struct.Struct("<cIQ")


def write_request(sock: socket.socket, data: bytes) -> None:
    """Send the request."""
    sock.sendall(_LENGTH.pack(len(data)) + data)


def read_request(sock: socket.socket) -> bytes:
    """Read the request.

    Raises:
        EOFError: the caller is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    return _exactly(sock, length)


def read_answer(sock: socket.socket) -> tuple[bytes, int, bytes]:
    """Read ``(kind, code, data)``; an empty kind when the supervisor is gone."""
    try:
        kind, code, length = _ANSWER.unpack(_exactly(sock, _ANSWER.size))
        return kind, code, _exactly(sock, length)
    except (EOFError, ConnectionError):
        return b"", 0, b""


def _exactly(sock: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = sock.recv(min(1 << 20, length - len(parts)))
        if not part:
            raise EOFError("the other side of the pipe is gone")
        parts += part
    return bytes(parts)


class SocketCaller:
    """The supervisor's end: `otpnode.scheduler.stopping.CallerPipe`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.at_eof = False

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._sock.fileno()

    def receive(self) -> list[int]:
        """Return the signals passed on."""
        try:
            data = self._sock.recv(64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except ConnectionError:
            data = b""
        if not data:
            self.at_eof = True
        return list(data)

    def outcome(self, code: int, data: bytes) -> None:
        """Send the outcome."""
        self._sock.sendall(_ANSWER.pack(OUTCOME, code, len(data)) + data)

    def down(self, cause: str) -> None:
        """Say that there is no outcome, and why."""
        data = cause.encode(errors="replace")
        self._sock.sendall(_ANSWER.pack(DOWN, 1, len(data)) + data)

    def close(self) -> None:
        """Close this copy."""
        self._sock.close()
