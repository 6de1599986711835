"""The one local/remote decision.

Everything that crosses from one process to another asks `Router.is_here` once and
goes one of two ways: to this shard's `Reception`, as a call, or to `Outbound`, as
a frame. On a node with one shard there is no outbound, and every foreign pid is
somebody dead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from otpnode.pid import Address, Pid, address
from otpnode.reasons import NOPROC
from otpnode.signals import Answer, Ask, Down, Exit, Link, Message, Monitor, Signal

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.spawning import Birth


class Way(Protocol):
    """The short way to one pid elsewhere, for who has nothing to wait for."""

    def send(self, sender: str, message: object) -> bool:
        """Send `message`; False, and nothing was sent, if that is not the usual case.

        Raises:
            UnserializableError, MessageTooLargeError: as `send`.
        """
        ...


class Outbound(Protocol):
    """The other shards, as one shard sees them."""

    def is_alive(self, owner: Address) -> bool:
        """Read the liveness board; never waits (PI-02)."""
        ...

    def post(self, owner: Address, signal: Signal) -> None:
        """Queue a signal; never blocked, never dropped while that incarnation is up (MB-09)."""
        ...

    async def send(self, owner: Address, message: Message, proc: Proc | None) -> None:
        """Encode, take a credit (waiting for one if need be), queue (SD-05, SD-07)."""
        ...

    def send_nowait(self, owner: Address, message: Message) -> bool:
        """Like `send`, but False where `send` would wait."""
        ...

    def request(self, sender: str, to: str, ref: str, message: tuple[object, ...]) -> bool:
        """Monitor `to` by `ref` and send it `message`, both or neither; False where `send` would wait or fail.

        Raises:
            UnserializableError, MessageTooLargeError: as `send`.
        """
        ...

    async def spawn(self, shard: int, birth: Birth, proc: Proc | None) -> Pid:
        """Make a process on `shard`; raises `ShardDownError` when it cannot answer (SP-08)."""
        ...

    def processes(self) -> list[Pid]:
        """Return the live pids of the other shards, from the board."""
        ...

    def schedulers(self) -> int:
        """Return the number of shards the node runs."""
        ...

    def shards_up(self) -> list[tuple[int, int]]:
        """Return ``(shard, incarnation)`` of every shard that is up."""
        ...


class Router:
    """Where a signal goes, for one shard incarnation."""

    __slots__ = ("_accept", "_incarnation", "_node", "_shard", "outbound")

    def __init__(self, node: str, shard: int, incarnation: int, accept: Callable[[Signal], None]) -> None:
        self._node = node
        self._shard = shard
        self._incarnation = incarnation
        self._accept = accept
        self.outbound: Outbound | None = None

    def is_here(self, owner: Address) -> bool:
        """Tell whether what `owner` names lives, or lived, in this very incarnation."""
        return owner.shard == self._shard and owner.incarnation == self._incarnation and owner.node == self._node

    def elsewhere(self, text: str) -> tuple[Outbound, Address] | None:
        """Return the way to the owner of a pid or ref on another shard; None when it is here or nowhere."""
        owner = address(text)
        if owner is None or self.outbound is None or owner.node != self._node or self.is_here(owner):
            return None
        return self.outbound, owner

    def post(self, signal: Signal) -> None:
        """Deliver one signal: here at once, elsewhere through the one FIFO stream (SO-04)."""
        way = self.elsewhere(signal.to)
        if way is not None:
            way[0].post(way[1], signal)
        elif self._is_ours(signal.to):
            self._accept(signal)
        else:
            self.bounce(signal, NOPROC)

    def _is_ours(self, to: str) -> bool:
        owner = address(to)
        return owner is not None and self.is_here(owner)

    def bounce(self, signal: Signal, reason: str) -> None:
        """Answer for somebody who is not there: the death signals that are owed, nothing else (LK-04, MO-03)."""
        if isinstance(signal, Link):
            self.post(Exit(signal.to, signal.sender, reason))
        elif isinstance(signal, Monitor):
            self.post(Down(signal.to, signal.sender, signal.ref, reason))
        elif isinstance(signal, Ask):
            self.post(Answer(signal.to, signal.sender, signal.ref, None))

    def is_alive(self, pid: str, live: dict[str, Proc]) -> bool:
        """Tell whether `pid` is alive, wherever it is (PI-02)."""
        if pid in live:
            return True
        way = self.elsewhere(pid)
        return way is not None and way[0].is_alive(way[1])
