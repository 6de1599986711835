"""Names as a worker sees them: a replica, and requests to the one table (RG-rules).

A lookup compares one word on the board with the replica's version and, when it is
behind, reads what the supervisor has queued already; it waits for no shard. A change
is one round trip to the supervisor, which has published before it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Protocol

from otpnode.errors import NameAlreadyRegisteredError, ProcessNotFoundError
from otpnode.pid import Pid
from otpnode.process.registry import MAX_NAME, second_name, taken
from otpnode.scheduler.control import (
    FromWorker,
    NameCommit,
    NameRegister,
    NameRelease,
    NameReply,
    NameReserve,
    NamesGone,
    NameUnregister,
)
from otpnode.scheduler.replica import Replica


class NamePort(Protocol):
    """What names need of a control channel."""

    replica: Replica

    def send(self, record: FromWorker) -> None:
        """Send a request."""
        ...

    def catch_up(self) -> None:
        """Bring the replica to the board's version."""
        ...

    def await_record(self, done: Callable[[], bool]) -> None:
        """Read until `done`, which is brought about by a record that is under way."""
        ...


class ReplicaNames:
    """The name table of a node with many shards; see `otpnode.process.registry.Names`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: NamePort, fence: Callable[[], None]) -> None:
        self._loop = loop
        self._port = port
        self._fence = fence
        self._last = 0
        self._waiting: dict[int, Callable[[NameReply], None]] = {}

    # -- reading --------------------------------------------------------------

    def whereis(self, name: str) -> Pid | None:
        """Return who has `name`."""
        self._catch_up()
        pid = self._port.replica.whereis(name)
        return None if pid is None else Pid(pid)

    def name_of(self, pid: str) -> str | None:
        """Return the name of `pid`."""
        self._catch_up()
        return self._port.replica.name_of(pid)

    def registered(self) -> list[str]:
        """Return all names of the node."""
        self._catch_up()
        return self._port.replica.registered()

    def _catch_up(self) -> None:
        # What the supervisor says is handled on behalf of the shard, not of the process that happens to ask.
        Context().run(self._port.catch_up)

    # -- changing -------------------------------------------------------------

    async def register(self, name: str, pid: Pid) -> None:
        """Give `name` to `pid`."""
        self._raise_for(await self._ask(lambda req: NameRegister(req, _short(name), pid)), name, pid)

    async def unregister(self, name: str) -> None:
        """Take `name` away."""
        self._raise_for(await self._ask(lambda req: NameUnregister(req, _short(name))), name, None)

    async def reserve(self, name: str) -> None:
        """Keep `name` for a process this shard is about to make."""

        def unwanted(reply: NameReply) -> None:
            if not reply.error:
                self.forget(name)

        self._raise_for(await self._ask(lambda req: NameReserve(req, _short(name)), unwanted), name, None)

    async def commit(self, name: str, pid: Pid) -> None:
        """Give the reserved `name` to `pid`; a pid that has died meanwhile leaves it free (R23)."""
        reply = await self._ask(lambda req: NameCommit(req, name, pid))
        if reply.error not in ("", "not_found"):
            self._raise_for(reply, name, pid)

    def forget(self, name: str) -> None:
        """Give a reservation back."""
        self._port.send(NameRelease(name))

    def holds(self, pid: str) -> bool:
        """Tell whether the dead `pid` has a name; unnamed processes pay one comparison.

        Its slot was cleared before this call; the fence makes that visible before the
        version is read, so that a registration on its way is either seen here or sees
        the dead slot there (§21.5).
        """
        self._fence()
        return self.name_of(pid) is not None

    def release(self, pid: str, then: Callable[[], None]) -> None:
        """Free the name of the dead `pid` on every shard, then call `then`."""
        if self.holds(pid):
            self._request(lambda req: NamesGone(req, pid), lambda _: then())
        else:
            then()

    # -- requests -------------------------------------------------------------

    def replied(self, reply: NameReply) -> None:
        """Take the supervisor's answer."""
        then = self._waiting.pop(reply.req, None)
        if then is not None:
            then(reply)

    def _request(self, make: Callable[[int], FromWorker], then: Callable[[NameReply], None]) -> None:
        self._last += 1
        self._waiting[self._last] = then
        self._port.send(make(self._last))

    async def _ask(
        self, make: Callable[[int], FromWorker], unwanted: Callable[[NameReply], None] | None = None
    ) -> NameReply:
        """Ask and wait; `unwanted` takes the answer when the asker is gone by then, or is cancelled as it comes."""
        answered: asyncio.Future[NameReply] = self._loop.create_future()

        def take(reply: NameReply) -> None:
            if not answered.done():
                answered.set_result(reply)
            elif unwanted is not None:
                unwanted(reply)

        self._request(make, take)
        try:
            return await answered
        except asyncio.CancelledError:
            if unwanted is not None and not answered.cancelled():
                unwanted(answered.result())
            raise

    def _raise_for(self, reply: NameReply, name: str, pid: str | None) -> None:
        match reply.error:
            case "":
                return
            case "taken":
                raise self._taken(name)
            case "named":
                raise second_name(name, str(pid), self.name_of(str(pid)) or "another")
            case "unknown_name":
                raise ProcessNotFoundError(f"no process is registered as {name!r}")
            case "too_long":
                raise ValueError(_TOO_LONG)
            case _:
                raise ProcessNotFoundError(f"cannot register {name!r}: {pid} is not alive")

    def _taken(self, name: str) -> NameAlreadyRegisteredError:
        return taken(name, self.whereis(name) or "a process that is being made")


_TOO_LONG = f"a process name has at most {MAX_NAME} characters"


def _short(name: str) -> str:
    if len(name) > MAX_NAME:
        raise ValueError(_TOO_LONG)
    return name
