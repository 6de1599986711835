"""The other shards, as one shard sees them: `otpnode.process.routing.Outbound` over the mesh.

What the board can answer (who is alive, who is up) is read there, at once and
without a message. What must be said goes out as a frame; what must be waited for
is a credit, a reply, or room in a pipe, and each of these waits is ended by the
death of the other side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import cast

from otpnode.errors import ProcessNotFoundError
from otpnode.pid import Address, Pid, address, make_pid
from otpnode.process.blocking import Block
from otpnode.process.exits import is_text
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from otpnode.process.spawning import Birth, shard_down
from otpnode.reasons import KILL, NOCONNECTION, NOPROC
from otpnode.scheduler.arrivals import Arrivals
from otpnode.scheduler.births import Births
from otpnode.scheduler.board import UNBOUNDED_WINDOW, Board
from otpnode.scheduler.condemned import Condemned
from otpnode.scheduler.ways import Way
from otpnode.signals import Credit, Demonitor, Down, Exit, Exit2, Message, Nack, Signal, SpawnReply, SpawnRequest
from otpnode.transport.codec import UNHURRIED, AnySignal, encode, encode_message
from otpnode.transport.credit import Account, Room, first_window
from otpnode.transport.link import Tap
from otpnode.transport.mesh import Mesh, Peer

log = logging.getLogger(__name__)

MOST_WAYS = 4096
"""Ways kept at a time; nobody tells of the death of an unbounded mailbox, so they are not kept for ever."""


class Neighbours:
    """The rest of the node.

    Args:
        shard: whose neighbours.
        board: the shared board.
        await_record: reads the supervisor's words until something has been brought about by them.
        tell_corrupt: tells the supervisor of a broken stream.
        tap_for: the fault layer's hook, for tests.
        busy_wait: how many seconds the loop stays awake for an answer.
    """

    def __init__(
        self,
        shard: Shard,
        board: Board,
        *,
        await_record: Callable[[Callable[[], bool]], None],
        tell_corrupt: Callable[[int, int, str], None],
        tell_silent: Callable[[int, int, str], None],
        tap_for: Callable[[int], Tap | None] | None = None,
        busy_wait: float = 0.0,
    ) -> None:
        self._shard = shard
        self._board = board
        self._await_record = await_record
        self._tell_corrupt = tell_corrupt
        self._node = shard.config.name
        self._ways = cast("dict[str, Way]", shard.ways)
        self._max_message = shard.config.max_message
        self.mesh = Mesh(
            *(shard.loop, self, self._max_message, tap_for), around=self._read_and_run, busy_wait=busy_wait
        )
        arrivals = Arrivals(shard, self.mesh, self.write)
        self.on_message, self.on_messages = arrivals.message, arrivals.messages
        self.on_request, self.on_dropped = arrivals.request, arrivals.dropped
        self.on_reply = shard.reception.answered
        self._context = Context()
        self._condemned = Condemned(board, shard, tell_silent)
        self.births = Births(shard, self.write, lambda peer: self.mesh.current(peer.shard) is peer)
        self._takes: dict[type, Callable[..., None]] = {
            Message: lambda peer, signal: arrivals.message(peer, signal.to, signal.message),
            Credit: self._credit,
            SpawnRequest: self.births.requested,
            SpawnReply: lambda _, signal: self.births.replied(signal),
            Nack: _complained,
        }
        self._up: dict[int, int] = {}
        self._lost: dict[int, int] = {}
        """Shard → its incarnation announced dead, until the next one is up."""

    # -- reading the board ----------------------------------------------------

    def is_alive(self, owner: Address) -> bool:
        """Read the liveness slot (PI-02)."""
        return self._board.is_alive(owner.shard, owner.incarnation, owner.serial)

    def processes(self) -> list[Pid]:
        """Return the live pids of the other shards."""
        return [
            make_pid(self._node, shard, incarnation, serial)
            for shard, incarnation in self._up.items()
            if shard != self._shard.number
            for serial in self._board.alive_serials(shard, incarnation)
        ]

    def schedulers(self) -> int:
        """Return the number of shards the node runs."""
        return self._shard.config.schedulers

    def shards_up(self) -> list[tuple[int, int]]:
        """Return who is up, as far as the supervisor has said."""
        return sorted(self._up.items())

    # -- signals out ----------------------------------------------------------

    def write(self, peer: Peer, signal: AnySignal) -> None:
        """Encode and queue; never waits."""
        peer.write(*encode(signal, self._max_message))

    def post(self, owner: Address, signal: Signal) -> None:
        """Queue a signal to that incarnation, or answer for it when it is gone."""
        peer = self._peer(owner)
        if peer is not None:
            frame = encode(signal, self._max_message)
            if peer.link is not None and isinstance(signal, UNHURRIED):
                peer.link.write(*frame)
            else:
                peer.write(*frame)
            if isinstance(signal, Exit2) and is_text(signal.reason, KILL) and self.is_alive(owner):
                self._condemned.add(owner)
        else:
            lost = self._lost.get(owner.shard) == owner.incarnation
            self._shard.router.bounce(signal, NOCONNECTION if lost else NOPROC)

    def _peer(self, owner: Address) -> Peer | None:
        shard, incarnation = owner.shard, owner.incarnation
        peer = self.mesh.peer(shard, incarnation)
        if peer is None and shard != self._shard.number and self._board.is_up(shard, incarnation):
            # Its pid has come by a third shard before our seat was read. The seat is on its way: who is up has been
            # seated with everybody; or it is withdrawn, with the word of a death behind it.
            Context().run(self._await_record, lambda: self._is_settled(shard, incarnation))
            peer = self.mesh.peer(shard, incarnation)
        return peer

    def _is_settled(self, shard: int, incarnation: int) -> bool:
        return self.mesh.peer(shard, incarnation) is not None or not self._board.is_up(shard, incarnation)

    # -- user messages out ----------------------------------------------------

    async def send(self, owner: Address, message: Message, proc: Proc | None) -> None:
        """Encode, take a credit, queue; waits for credit and for the pipe."""
        frame = encode_message(message, self._max_message)
        peer = self._alive_peer(owner, message.to)
        while peer.full:
            waiter: asyncio.Future[None] = self._shard.loop.create_future()
            peer.waiting_for_pipe.append(waiter)
            await waiter
            if self.mesh.peer(owner.shard, owner.incarnation) is not peer:
                return
        account = self._account(peer, owner, message.to)
        self._remember(peer, owner, message.to, account)
        self.mesh.messages_out += 1
        if account is None or account.take():
            peer.write(*frame)
            return
        waiting: asyncio.Future[bool] = self._shard.loop.create_future()
        account.waiting.append(waiting)
        with Block(self._shard, proc, message.to, partial(account.overcommit, waiting)):
            try:
                granted = await waiting
            except BaseException:
                account.withdraw(waiting)
                raise
        if granted:
            # Who has had to wait for room, and was given more, has more to say; its reader has messages in hand.
            peer.write(*frame, burst=account.credits > 0)

    def send_nowait(self, owner: Address, message: Message) -> bool:
        """Queue now or return False."""
        frame = encode_message(message, self._max_message)
        peer = self._alive_peer(owner, message.to)
        if peer.full:
            return False
        account = self._account(peer, owner, message.to)
        if account is not None and not account.take():
            return False
        self.mesh.messages_out += 1
        peer.write(*frame)
        return True

    def request(self, sender: str, to: str, ref: str, message: tuple[object, ...]) -> bool:
        """Monitor and send, or neither."""
        way = self._ways.get(to)
        if way is None:
            found = self._shard.router.elsewhere(to)
            peer = None if found is None else self._peer(found[1])
            if found is None or peer is None or not self.is_alive(found[1]):
                return False
            way = self._remember(peer, found[1], to, self._account(peer, found[1], to))
        return way.request(sender, ref, message)

    def _alive_peer(self, owner: Address, pid: str) -> Peer:
        peer = self._peer(owner)
        if peer is None or not self.is_alive(owner):
            raise ProcessNotFoundError(f"{pid} is not alive")
        return peer

    def _account(self, peer: Peer, owner: Address, pid: str) -> Account | None:
        """Return the credit account towards `pid`; None when its mailbox is unbounded."""
        account = peer.accounts.get(pid)
        if account is not None:
            return account
        window = self._board.window(owner.shard, owner.incarnation, owner.serial)
        if window == UNBOUNDED_WINDOW:
            return None
        limit = window or self._shard.default_limit
        if limit is None:
            return None
        account = peer.accounts[pid] = Account(first_window(limit))
        return account

    def _remember(self, peer: Peer, owner: Address, pid: str, account: Account | None) -> Way:
        way = self._ways.get(pid)
        if way is None:
            if len(self._ways) >= MOST_WAYS:
                self._ways.clear()
            place = self._board.place(*owner[1:])
            way = self._ways[pid] = Way(self.mesh, peer, place, owner, pid, account, self._max_message)
        return way

    # -- spawns out -----------------------------------------------------------

    async def spawn(self, shard: int, birth: Birth, proc: Proc | None) -> Pid:
        """Make a process over there and wait for its pid."""
        ref = birth.ref or self._shard.refs.make()
        request = self.births.request(birth, ref)
        incarnation = self._up.get(shard)
        peer = None if incarnation is None else self.mesh.peer(shard, incarnation)
        if peer is None:
            raise shard_down(shard)
        answered = self.births.expect(peer, ref, birth, proc)
        self.write(peer, request)
        try:
            return await answered
        except asyncio.CancelledError:
            if not answered.cancelled() and answered.exception() is None:
                self.births.given_up(birth, proc, answered.result())
            raise

    # -- arriving -------------------------------------------------------------

    def on_signal(self, peer: Peer, signal: AnySignal) -> None:
        """Apply one signal of `peer`."""
        take = self._takes.get(type(signal))
        if take is None:
            self._shard.reception.accept(signal)  # type: ignore[arg-type]
        else:
            take(peer, signal)

    def on_corrupt(self, peer: Peer, why: str) -> None:
        """Have the writer of a broken stream killed."""
        self._tell_corrupt(peer.shard, peer.incarnation, why)

    def _read_and_run(self, read: Callable[[], None]) -> None:
        """Read, and run whom that has woken, without a turn of the loop between."""
        self.mesh.busy_wait.arrived()
        queue = self._shard.queue
        if queue.scheduled:
            read()
            return
        queue.scheduled = True
        try:
            read()
        finally:
            if queue.ready:
                self._context.run(queue.run)
            else:
                queue.scheduled = False

    def _credit(self, peer: Peer, credit: Credit) -> None:
        pid, n = credit
        if n == 0:
            self._ways.pop(pid, None)
            account = peer.accounts.pop(pid, None)
            if account is not None:
                account.closed()
            return
        account = peer.accounts.get(pid)
        if account is not None:
            account.granted(n)

    # -- shards that come and go ----------------------------------------------

    def shard_up(self, shard: int, incarnation: int) -> None:
        """The supervisor says that an incarnation may be given work."""
        self._up[shard] = incarnation
        self._lost.pop(shard, None)
        self._tell_subscribers(("shard_up", shard, incarnation))

    def shard_down(self, shard: int, incarnation: int, status: int) -> None:
        """The supervisor says that an incarnation is reaped: its words first, then its end (§21.6).

        Guarantees: subscribers hear of it if they have heard that it was up.
        """
        self.mesh.leave(shard, incarnation)
        self._ways.clear()
        was_up = self._up.get(shard) == incarnation
        if was_up:
            del self._up[shard]
        self._lost[shard] = incarnation
        self.births.fail(shard, incarnation)
        self._end_questions(shard, incarnation)
        self._noconnection(shard, incarnation)
        if was_up:
            self._tell_subscribers(("shard_down", shard, incarnation, status))

    def _tell_subscribers(self, message: tuple[object, ...]) -> None:
        for pid in tuple(self._shard.subscribers):
            proc = self._shard.table.live.get(pid)
            if proc is not None:
                proc.mailbox.put_exempt(message)

    def _end_questions(self, shard: int, incarnation: int) -> None:
        for ref, (asked, waiter) in list(self._shard.questions.items()):
            if _lives_on(asked, shard, incarnation) and not waiter.done():
                waiter.set_result(None)
                del self._shard.questions[ref]

    def _noconnection(self, shard: int, incarnation: int) -> None:
        """Signal ``'noconnection'`` exactly once per link and monitor, and forget who watched from there."""
        table = self._shard.table
        accept = self._shard.reception.accept
        for proc in [*table.live.values(), *table.exiting.values()]:
            if isinstance(proc.mailbox.grants, Room):
                proc.mailbox.grants.forget(shard)
            for pid in list(proc.links.records) if proc.links is not None else ():
                if _lives_on(pid, shard, incarnation):
                    accept(Exit(pid, proc.pid, NOCONNECTION))
            for ref, record in list((proc.monitors or {}).items()):
                if _lives_on(record.target, shard, incarnation):
                    accept(Down(record.target, proc.pid, ref, NOCONNECTION))
            for ref, watcher in list((proc.monitored_by or {}).items()):
                if _lives_on(watcher, shard, incarnation):
                    accept(Demonitor(watcher, proc.pid, ref))


def _complained(peer: Peer, nack: Nack) -> None:
    log.warning("shard %d could not decode a signal of this shard (%s): %s", peer.shard, nack.to, nack.why)


def _lives_on(pid: str, shard: int, incarnation: int) -> bool:
    owner = address(pid)
    return owner is not None and owner.shard == shard and owner.incarnation == incarnation
