"""The supervisor's end of a control channel: it never blocks, and it owns what it has not sent yet.

A record is one ``SOCK_SEQPACKET`` message and carries at most one descriptor. When the kernel takes no more (the
worker does not read: it computes, or is stopped), records wait here in order, for as long as it takes, and nobody else
waits with them. Two things must not pile up behind such a worker: descriptors and names.

The kernel counts descriptors that were sent and not yet read per *user*, against RLIMIT_NOFILE, and answers
ETOOMANYREFS. So a channel has at most its share of them under way (`share_of_descriptors`; the worker acknowledges what
it has read), and the next waits here with all that is behind it. It waits for its own worker only: were there one
number for all channels, a few stopped shards could use it up. What waits is dropped as soon as it means nothing any
more, the seat of an incarnation that has died (`withdraw`). What that incarnation had written into it is lost: it was
never received.

A queue with more than `NAMES_BEHIND` name records is *collapsed*: they give way to one snapshot in the place of the
first of them, made only when the worker reads again. Moving names forward in the queue is harmless, a replica may
always know more than it must; moving them back, behind a `ShardDown`, would break SH-04. Rejected: bounding the queue
and blocking (one stopped shard would stop the node), and killing the slow reader (CPU-bound code is not a fault).
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
from array import array
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from otpnode.scheduler.control import MAX_RECORD, FromWorker, Seat, ToWorker, decode_from_worker, encode

logger = logging.getLogger(__name__)

NAMES_BEHIND: Final = 1000
MOST_UNDER_WAY: Final = 32
"""Descriptors that one channel has under way at most; more would make nothing faster."""
FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})
CONGESTED: Final = frozenset({errno.ENOBUFS, errno.ETOOMANYREFS, errno.ENOMEM})
SEND_FLAGS: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL

Snapshot = Callable[[], list[bytes]]
"""Encodes the whole name table as it is when called."""


def share_of_descriptors(channels: int) -> int:
    """Return how many descriptors each of `channels` may have under way: all together half of the kernel's limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(2, min(MOST_UNDER_WAY, limit // (2 * channels)))


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends of a control channel: the supervisor's, the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


class _Waiting(NamedTuple):
    data: bytes | Snapshot
    names: bool = False
    fd: int | None = None
    seat_of: tuple[int, int] | None = None


class ControlChannel:
    """One worker's channel, as the supervisor sees it.

    Args:
        sock: the supervisor's end.
        share: how many descriptors may be under way at most.

    Attributes:
        under_way: descriptors that were sent, and that the worker has not acknowledged.
        held: descriptors that wait here.
        at_eof: the worker's end is closed, or what it wrote is no record; nothing more will come or go.
        congested: the kernel is short of room that is not this channel's; try `pump` again in a while.
    """

    def __init__(self, sock: socket.socket, share: int = MOST_UNDER_WAY) -> None:
        self._sock = sock
        self._share = share
        self.under_way = 0
        self.held = 0
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
    def prompt(self) -> bool:
        """Whether a descriptor sent now would leave now."""
        return self.at_eof or not (self._queue or self.under_way >= self._share)

    @property
    def wants_write(self) -> bool:
        """Whether `pump` should be called when the descriptor is writable."""
        waits_for_room = bool(self._queue) and not self._owes(self._queue[0])
        return waits_for_room and not self.congested and not self.at_eof

    def send(self, record: ToWorker, fd: int | None = None) -> None:
        """Send `record`, now or as soon as the worker reads; with it goes `fd`, which is the channel's from now on.

        Guarantees: records arrive in the order of the calls, each whole, or the channel comes to its end.
        """
        seat_of = (record.shard, record.incarnation) if isinstance(record, Seat) else None
        self._push(_Waiting(encode(record), fd=fd, seat_of=seat_of))

    def taken(self, count: int) -> None:
        """The worker has read `count` more descriptors: as many may follow."""
        self.under_way = max(0, self.under_way - count)
        self.pump()

    def withdraw(self, shard: int, incarnation: int) -> None:
        """Drop the seats of that incarnation, which is dead, as far as they wait here."""
        kept: deque[_Waiting] = deque()
        for waiting in self._queue:
            if waiting.seat_of == (shard, incarnation):
                self._let_go(waiting)
            else:
                kept.append(waiting)
        self._queue = kept

    def publish(self, names: bytes, table: Snapshot) -> None:
        """Send an encoded batch of names, or see to it that the waiting snapshot will hold it."""
        if self._snapshot_waiting:
            return
        self._push(_Waiting(names, names=True))
        if self._names_waiting > NAMES_BEHIND:
            self._collapse(table)

    def send_table(self, table: Snapshot) -> None:
        """Send the whole name table, as it is when its turn comes."""
        self._snapshot_waiting = True
        self._push(_Waiting(table, names=True))

    def pump(self) -> None:
        """Send what waits, until the kernel takes no more."""
        self.congested = False
        while self._queue and not self.at_eof:
            head = self._queue[0]
            if callable(head.data):
                self._unfold(head.data)
            elif not self._owes(head) and self._transmit(head.data, head.fd):
                self._queue.popleft()
                self._names_waiting -= head.names
                self.under_way += head.fd is not None
                self._let_go(head)
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
        self.held += waiting.fd is not None
        if self.at_eof:
            self._let_go(waiting)
            return
        self._queue.append(waiting)
        self._names_waiting += waiting.names
        if len(self._queue) == 1:
            self.pump()

    def _owes(self, head: _Waiting) -> bool:
        """Whether `head` waits for the worker to acknowledge descriptors."""
        return head.fd is not None and self.under_way >= self._share

    def _let_go(self, waiting: _Waiting) -> None:
        if waiting.fd is not None:
            self.held -= 1
            os.close(waiting.fd)

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
        self._queue.extendleft(_Waiting(part, names=True) for part in reversed(parts))
        self._names_waiting += len(parts) - 1

    def _collapse(self, table: Snapshot) -> None:
        kept: deque[_Waiting] = deque()
        for waiting in self._queue:
            if not waiting.names:
                kept.append(waiting)
            elif not self._snapshot_waiting:
                self._snapshot_waiting = True
                kept.append(_Waiting(table, names=True))
        self._queue = kept
        self._names_waiting = 1

    def _drop_queue(self) -> None:
        for waiting in self._queue:
            self._let_go(waiting)
        self._queue.clear()
        self._names_waiting = 0
        self._snapshot_waiting = False
