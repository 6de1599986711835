"""The short way to one pid elsewhere: a send that needs to wait for nothing.

A send to another shard asks who its target is, where that lives, whether it does, whether
the pipe has room and whether there is a credit. For a pid that this shard has written to
before, the answers to the first two stand, and the rest are five words to read. So
`send` looks here first, in a dict, and goes the long way
(`otpnode.scheduler.neighbours.Neighbours.send`) for everything else: names, a first
message, the dead, and whoever has to wait.
"""

from __future__ import annotations

from time import perf_counter

from otpnode.pid import Address
from otpnode.scheduler.board import DEAD, EMPTY, Place
from otpnode.signals import Message, Monitor
from otpnode.transport.bundle import Bundle
from otpnode.transport.codec import BUNDLE, FLAT, REQUEST, encode, encode_flat, encode_message, encode_request
from otpnode.transport.credit import Account
from otpnode.transport.mesh import BURST_SECONDS, Mesh, Peer


class Way:
    """How to write to one pid, kept as long as its peer is seated and nobody has said that it is dead."""

    __slots__ = (
        *("_account", "_bundle", "_incarnation", "_max_message", "_mesh", "_peer", "_place", "_sender", "_serial"),
        "_to",
    )

    def __init__(
        self,
        mesh: Mesh,
        peer: Peer,
        place: Place,
        owner: Address,
        to: str,
        account: Account | None,
        max_message: int,
    ) -> None:
        self._mesh = mesh
        self._peer = peer
        self._place = (*place,)  # The interpreter takes a named one apart at half the speed.
        self._incarnation = owner.incarnation
        self._serial = owner.serial
        self._to = to
        self._account = account
        self._max_message = max_message
        self._sender = ""
        self._bundle: Bundle | None = None

    def send(self, sender: str, message: object) -> bool:
        """Send `message` if nothing has to be waited for; False: go the long way, nothing was sent.

        Raises:
            UnserializableError, MessageTooLargeError: as `send`.
        """
        account = self._account
        if account is not None and (account.credits <= 0 or account.waiting):
            return False
        peer = self._peer
        link = peer.link
        if link is None or link.full:
            return False
        # The incarnation last: while it is still the one, what was read before was its own.
        words, slot_at, state_at, incarnation_at = self._place
        if (
            words[slot_at] != self._serial
            or not EMPTY < words[state_at] < DEAD
            or words[incarnation_at] != self._incarnation
        ):
            return False
        now = perf_counter()
        bundle = self._bundle
        if (
            bundle is not None
            and bundle.open
            and not (peer.heard or now - peer.last_write > BURST_SECONDS)
            and self._sender == sender
            and bundle.add(message)
        ):
            peer.last_write = now
        else:
            self._write(sender, message, now)
        if account is not None:
            account.credits -= 1
        self._mesh.messages_out += 1
        return True

    def request(self, sender: str, ref: str, message: tuple[object, ...]) -> bool:
        """Monitor by `ref` and send `message`, which holds it, if nothing has to be waited for; else do nothing.

        Raises:
            UnserializableError, MessageTooLargeError: as `send`; nothing was sent.
        """
        account, peer, to = self._account, self._peer, self._to
        link = peer.link
        if link is None or link.full or not self._lives() or (account and (account.credits <= 0 or account.waiting)):
            return False
        body = None if link.tapped else encode_request(sender, to, ref, message, self._max_message)
        if body is not None:
            peer.write(REQUEST, body, sender)
        else:
            frame = encode_message(Message(sender, to, message), self._max_message)
            peer.write(*encode(Monitor(sender, to, ref), self._max_message), burst=True)
            peer.write(*frame)
        if account is not None:
            account.credits -= 1
        self._mesh.messages_out += 1
        return True

    def _lives(self) -> bool:
        """Read the board; `send` has this spelled out."""
        words, slot_at, state_at, incarnation_at = self._place
        return (
            words[slot_at] == self._serial
            and EMPTY < words[state_at] < DEAD
            and words[incarnation_at] == self._incarnation
        )

    def _write(self, sender: str, message: object, now: float) -> None:
        """Write a frame: one that more may join, if in the same burst the last one was of this sender and flat too."""
        peer, to = self._peer, self._to
        if peer.spoken_by is self and self._sender == sender and peer.bursts(now) and peer.link is not None:
            bundle = Bundle(BUNDLE, sender, to, self._max_message)
            if bundle.add(message) and peer.link.begin(bundle):
                self._bundle = bundle
                peer.last_write = now
                return
        self._bundle = None
        self._sender = sender
        body = encode_flat(sender, to, message, self._max_message)
        if body is not None:
            peer.spoken_by = self
            peer.write(FLAT, body, sender, now=now)
        else:
            peer.spoken_by = None
            peer.write(*encode_message(Message(sender, to, message), self._max_message))
