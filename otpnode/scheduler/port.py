"""A worker's end of its control channel.

Reading is synchronous: a lookup whose replica is behind must catch up *now*, inside a plain function, while the
event loop stands still. So records are read in `drain`, whoever calls it, and names go straight into the replica, in
the order of the channel; every other record goes to the handler. When a handler causes a lookup, `drain` is entered a
second time: it reads on, for the sake of the names, but leaves other records to the first, so that the handler never
sees record n + 1 before it is through with n.

asyncio and uvloop transports drop descriptors that come with a message; hence the loop is to watch the port by
``add_reader(port.fileno(), port.drain)``.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

from otpnode.scheduler.board import Board
from otpnode.scheduler.channel import CONGESTED, FULL, SEND_FLAGS
from otpnode.scheduler.control import (
    MAX_RECORD,
    FromWorker,
    Names,
    NameTable,
    Seat,
    SeatsTaken,
    ToWorker,
    decode_to_worker,
    encode,
)
from otpnode.scheduler.replica import Replica

_FD: Final = struct.Struct("i")
_ROOM_FOR_FD: Final = socket.CMSG_LEN(_FD.size)

Handler = Callable[[ToWorker, int | None], None]


def leave_at_once() -> None:
    """The supervisor is gone: so is this worker (SH-13)."""
    os._exit(1)


def _nothing() -> None:
    return


class ControlPort:
    """The control channel of one worker. For the worker's main thread.

    Args:
        sock: the worker's end, from `WorkerSeat`.
        board: where the published version of the names is read.
        handler: called with every record but `Names` and `NameTable`, in order; with a `Seat` comes its descriptor,
            which is the handler's from then on.
        on_eof: called once, when the channel is at its end. By default the worker leaves at once.
        on_backlog: called when a record could not be sent at once: have `pump` called when the descriptor is writable.

    Attributes:
        replica: the names, kept by this port.
    """

    def __init__(
        self,
        sock: socket.socket,
        board: Board,
        handler: Handler,
        *,
        on_eof: Callable[[], None] = leave_at_once,
        on_backlog: Callable[[], None] = _nothing,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._board = board
        self._handler = handler
        self._on_eof = on_eof
        self.on_backlog = on_backlog
        self._outbox: deque[bytes] = deque()
        self._inbox: deque[tuple[ToWorker, int | None]] = deque()
        self._handling = False
        self._seats_untold = 0
        self.replica = Replica()
        self.at_eof = False
        self._eof_told = False

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether records wait to be sent."""
        return bool(self._outbox)

    def send(self, record: FromWorker) -> None:
        """Send `record`, now or when the supervisor has read on. Never blocks.

        Raises:
            ValueError: the record is longer than `MAX_RECORD`.

        Guarantees: records arrive in the order of the calls.
        """
        self._outbox.append(encode(record))
        if len(self._outbox) == 1 and not self.pump():
            self.on_backlog()

    def pump(self) -> bool:
        """Send what waits; return whether nothing waits any more."""
        while self._outbox:
            try:
                self._sock.send(self._outbox[0], SEND_FLAGS)
            except OSError as error:
                if error.errno in FULL or error.errno in CONGESTED:
                    return False
                # The end is found by the reader too; it is told once, by `drain`.
                self._outbox.clear()
                return True
            self._outbox.popleft()
        return True

    def flush(self, timeout: float) -> bool:
        """Block until all is sent, `timeout` seconds at the most; for the last words before an exit."""
        poller = select.poll()
        poller.register(self._sock, select.POLLOUT)
        while not self.pump():
            if not poller.poll(timeout * 1000):
                return False
        return True

    def drain(self) -> None:
        """Read every record that is there now and have it handled; tell the supervisor of the seats taken.

        Guarantees: records are handled in order, one at a time; names are in the replica on return, even when called
        by a handler.
        """
        self._read()
        if not self._handling:
            self._handling = True
            try:
                while self._inbox:
                    self._handler(*self._inbox.popleft())
            finally:
                self._handling = False
        if self.at_eof and not self._eof_told:
            self._eof_told = True
            self._on_eof()

    def catch_up(self, version: int | None = None) -> None:
        """Drain until the replica is at `version` (the board's, when None) or later (RG-06, RG-07).

        It may wait for the supervisor, which has queued these records before it advanced the version and never
        blocks; it waits for no shard.
        """
        wanted = self._board.names_version if version is None else version
        if self.replica.version < wanted:
            self._read_until(lambda: self.replica.version >= wanted)

    def await_record(self, done: Callable[[], bool]) -> None:
        """Drain until the handler has brought about `done`, by a record the supervisor has queued already.

        It waits for no shard, and in a handler, to whom nothing more is handed, not at all.
        """
        if not self._handling:
            self._read_until(done)

    def _read_until(self, done: Callable[[], bool]) -> None:
        poller = select.poll()
        self.drain()
        while not (done() or self.at_eof):
            # The supervisor may wait for an acknowledgement that is still here.
            poller.register(self._sock, select.POLLIN | (select.POLLOUT if self._outbox else 0))
            poller.poll()
            self.pump()
            self.drain()

    def close(self) -> None:
        """Close this process's copy only: right in a child that user code forked (`os.register_at_fork`)."""
        self._outbox.clear()
        for _record, fd in self._inbox:
            if fd is not None:
                os.close(fd)
        self._inbox.clear()
        self._sock.close()

    def _read(self) -> None:
        while not self.at_eof:
            try:
                # Not `socket.recv_fds`: it drops its flags (in 3.11), and descriptors would be inherited by programs.
                data, extra, _, _ = self._sock.recvmsg(MAX_RECORD, _ROOM_FOR_FD, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                break
            except OSError:
                data, extra = b"", []
            if not data:
                self.at_eof = True
                break
            record = decode_to_worker(data)
            if isinstance(record, (Names, NameTable)):
                self.replica.apply(record)
                continue
            if isinstance(record, Seat):
                self._seats_untold += 1
            self._inbox.append((record, _descriptor(extra)))
        if self._seats_untold and not self.at_eof:
            count, self._seats_untold = self._seats_untold, 0
            self.send(SeatsTaken(count))


def _descriptor(extra: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            (fd,) = _FD.unpack_from(data)
            return int(fd)
    return None
