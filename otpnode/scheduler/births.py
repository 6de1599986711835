"""Spawns that cross shards: the request, the child made for it, the reply (§21.4).

The requester's side writes link and monitor when the reply *arrives*, before the
frames behind it are looked at, so a child that dies at once is still heard. A
requester that has gone meanwhile leaves no orphan: its child gets the exit signal
a link owes, or the end of its monitor (SP-09, R12).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, NamedTuple

from otpnode.errors import OtpnodeError
from otpnode.pid import Pid
from otpnode.process.mailbox import refs_in
from otpnode.process.proc import EXITING, Proc
from otpnode.process.reception import links_of
from otpnode.process.shard import Shard
from otpnode.process.spawning import ABANDONED, Birth, bind_parent, give_birth, shard_down, tell_late
from otpnode.reasons import NOCONNECTION
from otpnode.signals import Demonitor, Exit, SpawnReply, SpawnRequest, UnlinkId
from otpnode.transport.payload import CALL, PayloadError, check_size, dumps_call, loads_call
from otpnode.transport.reason import dumps_reason, loads_reason

if TYPE_CHECKING:
    from otpnode.transport.codec import AnySignal
    from otpnode.transport.mesh import Peer


class _Pending(NamedTuple):
    shard: int
    incarnation: int
    birth: Birth
    parent: Proc | None
    answered: asyncio.Future[Pid]


class Births:
    """Both ends of remote spawns, for one shard.

    Args:
        shard: which.
        write: queues a signal to a peer.
        is_seated: tells whether a peer has not been announced dead.
    """

    def __init__(
        self, shard: Shard, write: Callable[[Peer, AnySignal], None], is_seated: Callable[[Peer], bool]
    ) -> None:
        self._shard = shard
        self._write = write
        self._is_seated = is_seated
        self._pending: dict[str, _Pending] = {}
        self._named: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """The shard is gone: nobody waits for a name any more."""
        for task in self._named:
            task.cancel()

    def request(self, birth: Birth, ref: str) -> SpawnRequest:
        """Encode what is to be made.

        Raises:
            UnserializableError: the function or an argument cannot travel.
            MessageTooLargeError: they could were they smaller.
        """
        call = birth.call or dumps_call(birth.func, birth.args, birth.kwargs, birth.carried)
        check_size(call, self._shard.config.max_message, CALL)
        return SpawnRequest(
            sender=birth.sender,
            ref=ref,
            call=call,
            link=birth.link,
            monitor=birth.ref is not None,
            trap_exits=birth.trap_exits,
            mailbox=birth.mailbox,
            mailbox_limit=birth.mailbox_limit,
            name=birth.name,
            label=birth.label,
            spread=birth.spread,
            ancestors=birth.ancestors,
        )

    def expect(self, peer: Peer, ref: str, birth: Birth, parent: Proc | None) -> asyncio.Future[Pid]:
        """Remember a request that is about to leave."""
        answered: asyncio.Future[Pid] = self._shard.loop.create_future()
        self._pending[ref] = _Pending(peer.shard, peer.incarnation, birth, parent, answered)
        return answered

    def fail(self, shard: int, incarnation: int) -> None:
        """That incarnation is dead: no reply will come (R13)."""
        for ref, pending in list(self._pending.items()):
            if (pending.shard, pending.incarnation) == (shard, incarnation):
                del self._pending[ref]
                _refuse(pending, shard_down(shard))

    # -- the requester's side -------------------------------------------------

    def replied(self, reply: SpawnReply) -> None:
        """Take the answer to a request."""
        pending = self._pending.pop(reply.ref, None)
        if pending is None:
            return
        if reply.pid is None:
            error = loads_reason(reply.error or b"")
            _refuse(pending, error if isinstance(error, Exception) else OtpnodeError(f"the spawn failed: {error!r}"))
            return
        pid = Pid(reply.pid)
        parent = pending.parent
        given_up = pending.answered.done()
        if parent is not None and parent.state >= EXITING:
            given_up = self._shard.table.find(parent.pid) is None
        if given_up:
            if parent is not None and parent.state < EXITING and pending.birth.link:
                links_of(parent).linked(pid)
            self._disown(pending.birth, parent, pid)
            return
        if parent is not None:
            # One that is ending tells its child with the others, once its name is free (RG-06).
            bind_parent(parent, pid, pending.birth)
        if not pending.answered.done():
            pending.answered.set_result(pid)

    def given_up(self, birth: Birth, parent: Proc | None, pid: Pid) -> None:
        """The spawner was cancelled in the turn in which the pid came: it is abandoned as if it came later."""
        if parent is None or parent.state >= EXITING:
            return  # Its death tells the child.
        if birth.ref is not None:
            if parent.monitors:
                parent.monitors.pop(birth.ref, None)
            parent.mailbox.remove_refs(lambda message: birth.ref not in refs_in(message))
        self._disown(birth, parent, pid)

    def _disown(self, birth: Birth, parent: Proc | None, pid: Pid) -> None:
        if birth.link and parent is not None:
            if parent.state >= EXITING:
                self._shard.router.post(Exit(birth.sender, pid, parent.reason))
            else:
                self._abandon(parent, pid)
        if birth.ref is not None:
            self._shard.router.post(Demonitor(birth.sender, pid, birth.ref))

    def _abandon(self, parent: Proc, pid: Pid) -> None:
        """End a link of the living as by death; the unlink behind it meets a LINK that crosses (§21.2)."""
        unlink_id = links_of(parent).unlink(pid)
        if unlink_id:  # Else the child, or its shard, has ended the link already.
            self._shard.router.post(Exit(parent.pid, pid, ABANDONED))
            self._shard.router.post(UnlinkId(parent.pid, pid, unlink_id))

    # -- the owner's side -----------------------------------------------------

    def requested(self, peer: Peer, request: SpawnRequest) -> None:
        """Make the child, reply, and only then let it run."""
        try:
            func, args, kwargs, carried = loads_call(request.call)
        except (PayloadError, MemoryError) as error:
            self._reply(peer, request, None, error)
            return
        birth = Birth(
            func=func,
            args=args,
            kwargs=kwargs,
            sender=request.sender,
            name=request.name,
            mailbox=request.mailbox,
            mailbox_limit=request.mailbox_limit,
            trap_exits=request.trap_exits,
            label=request.label,
            link=request.link,
            ref=request.ref if request.monitor else None,
            spread=request.spread,
            ancestors=request.ancestors,
            carried=carried,
        )
        if birth.name is None:
            try:
                proc = self._shard.make(birth)
            except OtpnodeError as error:
                self._reply(peer, request, None, error)
                return
            self._reply(peer, request, proc.pid, None)
            self._shard.queue.put(proc)
            return
        # The birth is nobody's child, whoever's context the frame was read in.
        task = self._shard.loop.create_task(self._named_birth(peer, request, birth), context=Context())
        self._named.add(task)
        task.add_done_callback(self._named.discard)

    async def _named_birth(self, peer: Peer, request: SpawnRequest, birth: Birth) -> None:
        """Reserve, make, commit; the child's first step comes in a later turn than the reply."""
        try:
            proc = await give_birth(self._shard, birth)
        except (OtpnodeError, ValueError) as error:
            self._reply(peer, request, None, error)
            return
        self._reply(peer, request, proc.pid, None)
        tell_late(self._shard, proc, birth)
        if not self._is_seated(peer):
            # The spawner's shard has died since it asked, and its end was told before this process was here.
            accept = self._shard.reception.accept
            accept(Exit(birth.sender, proc.pid, NOCONNECTION))
            if birth.ref is not None:
                accept(Demonitor(birth.sender, proc.pid, birth.ref))

    def _reply(self, peer: Peer, request: SpawnRequest, pid: Pid | None, error: Exception | None) -> None:
        encoded = None if error is None else dumps_reason(error)
        sender = self._shard.system_pid if pid is None else pid
        self._write(peer, SpawnReply(sender, request.ref, pid, encoded))


def _refuse(pending: _Pending, error: Exception) -> None:
    if not pending.answered.done():
        pending.answered.set_exception(error)
        pending.answered.exception()  # Nobody need be there to take it.
