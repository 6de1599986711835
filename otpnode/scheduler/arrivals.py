"""User messages from other shards, on their way into the mailboxes, and the credits that go back for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context

from otpnode.process.mailbox import IDLE, PARKED, UNBOUNDED, WOKEN
from otpnode.process.proc import Proc
from otpnode.process.reception import watched_by
from otpnode.process.shard import Shard
from otpnode.signals import Credit, Monitor
from otpnode.transport.codec import AnySignal
from otpnode.transport.credit import Room
from otpnode.transport.mesh import Mesh, Peer


class Arrivals:
    """One shard's intake of user messages.

    Args:
        shard: whose.
        mesh: where they come from.
        write: queues a signal to a peer.
    """

    def __init__(self, shard: Shard, mesh: Mesh, write: Callable[[Peer, AnySignal], None]) -> None:
        self._shard = shard
        self._mesh = mesh
        self._write = write
        self._live = shard.table.live
        self._context = Context()

    def message(self, peer: Peer, to: str, message: object) -> None:
        """Put a user message of `peer` into the mailbox of `to`."""
        self._mesh.messages_in += 1
        proc = self._live.get(to)
        if proc is None:
            # Its death was told before this message came: the sender's shard must not wait for credits (MB-05).
            self._write(peer, Credit(to, 0))
            return
        box = proc.box or proc.mailbox
        # As in `send`: the usual cases in place.
        gate = box.gate
        if gate <= IDLE:
            box.queue.append(message)
        elif gate == PARKED:
            box.queue.append(message)
            box.gate = WOKEN
            self._shard.queue.put(proc)
        else:
            box.put(message)
        if box.limit != UNBOUNDED:
            self._count(peer, proc, 1)

    def messages(self, peer: Peer, to: str, messages: list[tuple[object, ...]]) -> None:
        """Put several, as `message` would one after the other."""
        self._mesh.messages_in += len(messages)
        proc = self._live.get(to)
        if proc is None:
            self._write(peer, Credit(to, 0))
            return
        box = proc.box or proc.mailbox
        gate = box.gate
        if gate > PARKED or type(box.queue) is not deque:
            for message in messages:
                box.put(message)
        else:
            box.queue.extend(messages)
            if gate == PARKED:
                box.gate = WOKEN
                self._shard.queue.put(proc)
        if box.limit != UNBOUNDED:
            self._count(peer, proc, len(messages))

    def request(self, peer: Peer, sender: str, to: str, ref: str, message: object) -> None:
        """Apply the monitor, then put the message; the answer of `to` will end the monitor (`Peer.reply`)."""
        proc = self._live.get(to)
        if proc is None:
            self._shard.reception.accept(Monitor(sender, to, ref))
        else:
            watched_by(proc)[ref] = sender
            askers = proc.askers
            if askers is None:
                proc.askers = askers = {}
            askers[ref] = peer
        self.message(peer, to, message)

    def dropped(self, peer: Peer, pid: str) -> None:
        """A message to `pid` could not be decoded: it took a credit, and no room."""
        proc = self._live.get(pid)
        if proc is None:
            self._write(peer, Credit(pid, 0))
        elif proc.mailbox.limit != UNBOUNDED:
            self._count(peer, proc, 1)

    def _count(self, peer: Peer, proc: Proc, messages: int) -> None:
        """Account for messages of `peer` to `proc`, which took credits because its mailbox has a bound."""
        box = proc.box or proc.mailbox
        room = box.grants if type(box.grants) is Room else self._open_account(proc)
        if not room.counted(peer.shard, messages):
            room.arrived(peer.shard, box.users, messages)
            box.care = box.care or room.due

    def _open_account(self, proc: Proc) -> Room:
        """Make the account of senders elsewhere, at the first message from one."""
        pid = proc.pid
        box = proc.mailbox

        def put_off() -> bool:
            if box.blocked:  # Senders of this shard would take the slot meanwhile (MB-03).
                return False
            self._shard.loop.call_soon(settle, context=self._context)
            return True

        def settle() -> None:
            (room.on_park if box.parked else room.settle)(box.users, box.bound)
            box.care = box.care or room.due

        room = Room(box.bound, lambda shard, n: self._grant(shard, pid, n), put_off)
        box.grants = room
        return room

    def _grant(self, shard: int, pid: str, n: int) -> None:
        # Whoever is seated, announced or not: a new incarnation may write to us before we read that it is up.
        peer = self._mesh.current(shard)
        if peer is not None:
            self._write(peer, Credit(pid, n))
