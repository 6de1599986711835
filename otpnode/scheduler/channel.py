"""The supervisor's end of a control channel: it never blocks, and it owns what it has not sent yet.

A record is one ``SOCK_SEQPACKET`` message and carries at most one descriptor. When the kernel takes no more (the
worker does not read: it computes, or is stopped), records wait here in order. Two things must not pile up behind such
a worker: descriptors (the seating plan waits for an empty queue) and names. A queue with more than `NAMES_BEHIND`
name records is *collapsed*: they give way to one snapshot in the place of the first of them, made only when the worker
reads again. Moving names forward in the queue is harmless, a replica may always know more than it must; moving them
back, behind a `ShardDown`, would break SH-04. Rejected: bounding the queue and blocking (one stopped shard would stop
the node), and killing the slow reader (CPU-bound code is not a fault).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from otpnode.scheduler.control import MAX_RECORD, FromWorker, ToWorker, decode_from_worker, encode

logger = logging.getLogger(__name__)

NAMES_BEHIND: Final = 1000
FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})
CONGESTED: Final = frozenset({errno.ENOBUFS, errno.ETOOMANYREFS, errno.ENOMEM})
SEND_FLAGS: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL

Snapshot = Callable[[], list[bytes]]
"""Encodes the whole name table as it is when called."""


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends of a control channel: the supervisor's, the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


class _Waiting(NamedTuple):
    data: bytes | Snapshot
    fd: int | None
    names: bool


class ControlChannel:
    """One worker's channel, as the supervisor sees it.

    Attributes:
        at_eof: the worker's end is closed, or what it wrote is no record; nothing more will come or go.
        congested: the kernel is short of room that is not this channel's; try `pump` again in a while.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._queue: deque[_Waiting] = deque()
        self._names_waiting = 0
        self._snapshot_waiting = False
        self.at_eof = False
        self.congested = False

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._sock.fileno()

    @property
    def queued(self) -> int:
        """How many records wait for the kernel to take them."""
        return len(self._queue)

    @property
    def wants_write(self) -> bool:
        """Whether `pump` should be called when the descriptor is writable."""
        return bool(self._queue) and not self.congested and not self.at_eof

    def send(self, record: ToWorker, fd: int | None = None) -> None:
        """Send `record`, now or as soon as the worker reads; with it goes `fd`, which is the channel's from now on.

        Guarantees: records arrive in the order of the calls, each whole, or the channel comes to its end.
        """
        self._push(_Waiting(encode(record), fd, names=False))

    def publish(self, names: bytes, table: Snapshot) -> None:
        """Send an encoded batch of names, or see to it that the waiting snapshot will hold it."""
        if self._snapshot_waiting:
            return
        self._push(_Waiting(names, None, names=True))
        if self._names_waiting > NAMES_BEHIND:
            self._collapse(table)

    def send_table(self, table: Snapshot) -> None:
        """Send the whole name table, as it is when its turn comes."""
        self._snapshot_waiting = True
        self._push(_Waiting(table, None, names=True))

    def pump(self) -> None:
        """Send what waits, until the kernel takes no more."""
        self.congested = False
        while self._queue and not self.at_eof:
            head = self._queue[0]
            if callable(head.data):
                self._unfold(head.data)
            elif self._transmit(head.data, head.fd):
                self._queue.popleft()
                self._names_waiting -= head.names
                _close(head.fd)
            else:
                return
        if self.at_eof:
            self._drop_queue()

    def receive(self, limit: int = 128) -> list[FromWorker]:
        """Read up to `limit` records that are there now."""
        records: list[FromWorker] = []
        while len(records) < limit:
            try:
                data = self._sock.recv(MAX_RECORD, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.at_eof = True
                break
            try:
                records.append(decode_from_worker(data))
            except msgspec.DecodeError as error:
                logger.error("a worker wrote what is no control record: %s", error)
                self.at_eof = True
                break
        return records

    def close(self) -> None:
        """Close this process's copies of the channel and of the descriptors that wait.

        The peer sees the end when no other process has a copy.
        """
        self.at_eof = True
        self._drop_queue()
        self._sock.close()

    def _push(self, waiting: _Waiting) -> None:
        if self.at_eof:
            _close(waiting.fd)
            return
        self._queue.append(waiting)
        self._names_waiting += waiting.names
        if len(self._queue) == 1:
            self.pump()

    def _transmit(self, data: bytes, fd: int | None) -> bool:
        try:
            if fd is None:
                self._sock.send(data, SEND_FLAGS)
            else:
                # Not `socket.send_fds`: it drops its flags (in 3.11).
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))
                self._sock.sendmsg([data], [rights], SEND_FLAGS)
        except OSError as error:
            if error.errno in CONGESTED:
                self.congested = True
            elif error.errno not in FULL:
                self.at_eof = True
            return False
        return True

    def _unfold(self, table: Snapshot) -> None:
        self._queue.popleft()
        self._snapshot_waiting = False
        parts = table()
        self._queue.extendleft(_Waiting(part, None, names=True) for part in reversed(parts))
        self._names_waiting += len(parts) - 1

    def _collapse(self, table: Snapshot) -> None:
        kept: deque[_Waiting] = deque()
        for waiting in self._queue:
            if not waiting.names:
                kept.append(waiting)
            elif not self._snapshot_waiting:
                self._snapshot_waiting = True
                kept.append(_Waiting(table, None, names=True))
        self._queue = kept
        self._names_waiting = 1

    def _drop_queue(self) -> None:
        for waiting in self._queue:
            _close(waiting.fd)
        self._queue.clear()
        self._names_waiting = 0
        self._snapshot_waiting = False


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)
