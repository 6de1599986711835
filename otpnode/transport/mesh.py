"""Links by shard: who is seated, what arrives, what waits to leave.

A peer is one incarnation of one shard; its link is made when both of its ends have
been passed by the supervisor, and a new incarnation is a new peer. What arrives is
decoded here and handed on as signals, in the order of the stream.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Literal, Protocol

from otpnode.signals import Nack
from otpnode.transport.bulk import Body
from otpnode.transport.busywait import BusyWait
from otpnode.transport.codec import (
    BUNDLE,
    CREDIT,
    FLAT,
    REPLY,
    REQUEST,
    USER_MESSAGES,
    AnySignal,
    EnvelopeError,
    Frame,
    PayloadError,
    about,
    addressee,
    decode,
    decode_bundle,
    decode_flat,
    decode_request,
    encode,
    encode_flat,
)
from otpnode.transport.credit import Account
from otpnode.transport.link import Link, Tap
from otpnode.transport.socket_link import Around, SocketLink, call

log = logging.getLogger(__name__)

BURST_SECONDS = 50e-6
"""A frame that follows the last one sooner, with nothing heard between, belongs to the same row."""

EAGER_FRAMES = 4
"""So many frames of a row leave at once; those after them are a burst and wait for the end of the turn, to be written
with the others. Whoever says what it begins and then computes for ever in the same step must not hold that back; two
that take turns never burst. One frame was too few: a birth's own frames came just before what the child had to say."""


class Receiver(Protocol):
    """Who takes what the mesh brings."""

    def on_message(self, peer: Peer, to: str, message: object) -> None:
        """Take one user message of `peer`, in stream order."""
        ...

    def on_messages(self, peer: Peer, to: str, messages: list[tuple[object, ...]]) -> None:
        """Take several user messages of `peer` to one process, in stream order."""
        ...

    def on_request(self, peer: Peer, sender: str, to: str, ref: str, message: object) -> None:
        """Take a user message of `peer` and, before it, a monitor by `ref`."""
        ...

    def on_reply(self, ref: str, message: object) -> None:
        """Take the answer to a request by `ref`; the monitor that went with it is over on the other side."""
        ...

    def on_signal(self, peer: Peer, signal: AnySignal) -> None:
        """Apply one signal of `peer`, in stream order."""
        ...

    def on_dropped(self, peer: Peer, pid: str) -> None:
        """A user message of `peer` to `pid` could not be decoded; the credit it took is to be given back (SD-07)."""
        ...

    def on_corrupt(self, peer: Peer, why: str) -> None:
        """The stream of `peer` broke its format (SH-11)."""
        ...


class Peer:
    """One incarnation of another shard."""

    def __init__(self, mesh: Mesh, shard: int, incarnation: int) -> None:
        self._mesh = mesh
        self._on_message = mesh.receiver.on_message
        self._on_messages = mesh.receiver.on_messages
        self._on_request = mesh.receiver.on_request
        self._on_reply = mesh.receiver.on_reply
        self.shard = shard
        self.incarnation = incarnation
        self.link: Link | None = None
        self.accounts: dict[str, Account] = {}
        self.last_write = 0.0
        """When, by ``time.perf_counter``."""
        self.heard = False
        """Whether anything has come since."""
        self.spoken_by: object = None
        """Who wrote last, as far as it has said so."""
        self._row = 0
        self.waiting_for_pipe: deque[asyncio.Future[None]] = deque()
        self.undelivered: deque[Frame] = deque()
        """Frames written before both ends were here."""

    def write(self, kind: int, body: Body, lane: str | None, *, burst: bool = False, now: float = 0.0) -> None:
        """Queue one frame; never waits. In a `burst` it is as if one had just been written.

        Who has looked at the clock (``time.perf_counter``) says what it is `now`.
        """
        link = self.link
        if link is None:
            self.undelivered.append(Frame(kind, body, lane))
            return
        now = now or perf_counter()
        if self.heard or now - self.last_write > BURST_SECONDS:
            self.heard = False
            self._row = 0
        self.last_write = now
        if burst or self._row >= EAGER_FRAMES:
            link.write(kind, body, lane)
        else:
            self._row += 1
            link.write_at_once(kind, body, lane)
            self._mesh.busy_wait.begin(now)

    def reply(self, sender: str, ref: str, message: object) -> bool:
        """Answer the request by `ref`, and with it end its monitor; False, and nothing was written, if not flat."""
        if self.link is None or self.link.tapped:
            return False
        body = encode_flat(sender, ref, message, self._mesh.max_message)
        if body is None:
            return False
        self.write(REPLY, body, sender)
        return True

    def bursts(self, now: float) -> bool:
        """Whether a frame written `now` would be one of a burst, and wait for the end of the turn."""
        return not self.heard and now - self.last_write <= BURST_SECONDS and self._row >= EAGER_FRAMES

    @property
    def full(self) -> bool:
        """Whether user messages to this peer must wait (MB-10)."""
        return self.link is not None and self.link.full

    def connect(self, link: Link) -> None:
        """Both ends are here."""
        self.link = link
        while self.undelivered:
            self.write(*self.undelivered.popleft())

    def release_senders(self) -> None:
        """Let user messages go on."""
        while self.waiting_for_pipe:
            waiter = self.waiting_for_pipe.popleft()
            if not waiter.done():
                waiter.set_result(None)

    # -- LinkHandler ----------------------------------------------------------

    def on_frame(self, kind: int, body: Body) -> None:
        """Decode one frame and pass the signal on."""
        if kind != CREDIT:
            # Room for more is no answer: who has a burst to send goes on with it.
            self.heard = True
        try:
            if type(body) is bytes:
                if kind == FLAT:
                    _, to, message = decode_flat(body)
                    self._on_message(self, to, message)
                    return
                if kind == BUNDLE:
                    _, to, messages = decode_bundle(body)
                    self._on_messages(self, to, messages)
                    return
                if kind == REQUEST:
                    self._on_request(self, *decode_request(body))
                    return
                if kind == REPLY:
                    _, ref, message = decode_flat(body)
                    self._on_reply(ref, message)
                    return
            signal = decode(kind, body)
        except EnvelopeError as error:
            self.on_corrupt(str(error))
            return
        except PayloadError as error:
            what = about(kind, body)
            log.warning("dropped %s: it cannot be decoded here: %s", what, error)
            self.write(*encode(Nack(what, str(error)), 1 << 16))
            if kind in USER_MESSAGES:
                self._mesh.receiver.on_dropped(self, addressee(body))
            return
        self._mesh.receiver.on_signal(self, signal)

    def on_corrupt(self, why: str) -> None:
        """The stream cannot be trusted any more."""
        self._mesh.receiver.on_corrupt(self, why)

    def on_writable(self) -> None:
        """The pipe has drained."""
        self.release_senders()

    def on_closed(self) -> None:
        """A hint only: the supervisor's word is what counts (SH-07)."""


class Mesh:
    """The peers of one shard.

    Args:
        loop: the shard's loop.
        receiver: takes what arrives.
        max_message: cap of one message, in bytes.
        tap_for: makes the fault layer's tap for a peer; for tests.
        around: calls what reads from a socket that has become readable.
        busy_wait: how many seconds the loop stays awake for an answer.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receiver: Receiver,
        max_message: int,
        tap_for: Callable[[int], Tap | None] | None = None,
        *,
        around: Around = call,
        busy_wait: float = 0.0,
    ) -> None:
        self._loop = loop
        self._around = around
        self.busy_wait = BusyWait(loop, busy_wait)
        self.messages_in = self.messages_out = 0
        self.receiver = receiver
        self.max_message = max_message
        self._tap_for = tap_for
        self._peers: dict[int, Peer] = {}
        self._ends: dict[tuple[int, int], dict[str, socket.socket]] = {}

    def peer(self, shard: int, incarnation: int) -> Peer | None:
        """Return the peer seated as that incarnation."""
        peer = self._peers.get(shard)
        return peer if peer is not None and peer.incarnation == incarnation else None

    def current(self, shard: int) -> Peer | None:
        """Return whoever is seated as that shard."""
        return self._peers.get(shard)

    def peers(self) -> list[Peer]:
        """Return everybody seated."""
        return list(self._peers.values())

    def add(self, shard: int, incarnation: int) -> Peer:
        """Seat an incarnation whose link comes later."""
        peer = self._peers[shard] = Peer(self, shard, incarnation)
        return peer

    def seat(self, shard: int, incarnation: int, role: Literal["read", "write"], fd: int) -> None:
        """Take one passed end; with both, the peer is connected."""
        end = socket.socket(fileno=fd)
        end.setblocking(False)
        ends = self._ends.setdefault((shard, incarnation), {})
        ends[role] = end
        if len(ends) == 2:
            del self._ends[shard, incarnation]
            peer = self.peer(shard, incarnation) or self.add(shard, incarnation)
            tap = None if self._tap_for is None else self._tap_for(shard)
            peer.connect(
                SocketLink(
                    *(self._loop, ends["read"], ends["write"], peer),
                    max_message=self.max_message,
                    tap=tap,
                    around=self._around,
                )
            )

    def leave(self, shard: int, incarnation: int) -> Peer | None:
        """That incarnation is dead: deliver what it had written, then close (SH-03, §21.6)."""
        for end in self._ends.pop((shard, incarnation), {}).values():
            end.close()
        peer = self.peer(shard, incarnation)
        if peer is None:
            return None
        if peer.link is not None:
            peer.link.drain()
            peer.link.close()
        del self._peers[shard]
        peer.release_senders()
        for account in peer.accounts.values():
            account.closed()
        return peer

    def flush(self) -> int:
        """Write what is queued, as far as the sockets take it; returns the bytes left."""
        return sum(peer.link.flush_now() for peer in self._peers.values() if peer.link is not None)

    def close(self) -> None:
        """Close every end: at the end of the worker, and in children that user code forks."""
        for ends in self._ends.values():
            for end in ends.values():
                end.close()
        self._ends.clear()
        for peer in self._peers.values():
            if peer.link is not None:
                peer.link.close()
        self._peers.clear()
