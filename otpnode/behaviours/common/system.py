"""`otpnode.system`: looking into a running server, and holding it.

On the wire ``('$system', (pid, ref), request)`` with request ``'get_state'``,
``('replace_state', func)``, ``'suspend'``, ``'resume'``, ``'get_status'``, answered
``(ref, ('ok', value) | ('error', reason))``; and ``('terminate', reason)``, answered
by the server's death.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from otpnode import process
from otpnode.behaviours.common.callbacks import is_struck
from otpnode.behaviours.common.control import Sender, Server, Status
from otpnode.behaviours.common.outside import inside
from otpnode.behaviours.common.wire import SYSTEM, check_timeout, exchange, raise_exit, replied, reply
from otpnode.errors import MessageTooLargeError, UnserializableError
from otpnode.showing import shown


async def get_state(server: Server, timeout: float | None = 5.0) -> object:
    """Return the state of `server`: the object itself on the caller's shard, a copy from another.

    Raises:
        CallExit: as a call; with `UnserializableError`, which names what it is, when the state cannot travel.
    """
    return await _request(server, "get_state", timeout)


async def replace_state(server: Server, func: Callable[[object], object], timeout: float | None = 5.0) -> object:
    """Give `server` the state ``func(state)`` and return it; `func` runs in the server.

    Raises:
        CallExit: as a call; with the exception when `func` raised, the state is then as before; with
            `UnserializableError` when the new state, which the server has now, cannot travel.
        UnserializableError: `func` cannot travel: to another shard it must be importable.
    """
    return await _request(server, ("replace_state", func), timeout)


async def suspend(server: Server, timeout: float | None = 5.0) -> None:
    """Let `server` serve nothing but system messages and its parent's EXIT, until `resume`."""
    await _request(server, "suspend", timeout)


async def resume(server: Server, timeout: float | None = 5.0) -> None:
    """Let `server` serve again what has come meanwhile."""
    await _request(server, "resume", timeout)


async def get_status(server: Server, timeout: float | None = 5.0) -> Status:
    """Return the `Status` of `server`, as its `format_status` lets it be seen."""
    return cast(Status, await _request(server, "get_status", timeout))


async def stop(server: Server, reason: object = "normal", timeout: float | None = None) -> None:
    """End `server` orderly with `reason` and wait until it is dead.

    Raises:
        CallExit: it was dead already (``'noproc'``), or ended with another reason.
        CallTimeoutError: it is not dead in time; it ends all the same.
        CallCycleError: the server is the caller, or waits for it.

    Guarantees:
        `terminate` has run when this returns (SEMANTICS GS-13).
    """
    seconds = check_timeout(timeout)
    if process.self() is None:
        await inside(_stop, server, reason, seconds)
    else:
        await _stop(server, reason, seconds)


async def _stop(server: Server, reason: object, timeout: float | None) -> None:
    request = ("terminate", reason)
    down = await exchange(server, SYSTEM, request, timeout)
    if not _same(down[-1], reason):
        raise_exit(down[-1], (server, request))


def _same(ended: object, wanted: object) -> bool:
    """Compare reasons; an exception that came from another shard is a copy."""
    if ended is wanted:
        return True
    return type(ended) is type(wanted) and (isinstance(wanted, BaseException) or bool(ended == wanted))


async def _request(server: Server, request: object, timeout: float | None) -> object:
    answer = replied(await exchange(server, SYSTEM, request, timeout), server, request)
    word, value = cast("tuple[str, object]", answer)
    if word != "ok":
        raise_exit(value, (server, request))
    return value


# -- the server's side --------------------------------------------------------


class Inspected(Protocol):
    """What a server shows to system messages."""

    suspended: bool

    def get_state(self) -> object:
        """Return the state."""
        ...

    def replace_state(self, func: Callable[[object], object]) -> object:
        """Change the state and return it."""
        ...

    def status(self) -> Status:
        """Return what may be seen."""
        ...


class Terminate(Exception):
    """A system message orders the server to end."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


def serve_system(server: Inspected, sender: Sender, request: object) -> None:
    """Do what a system message asks for, and answer.

    Raises:
        Terminate: it asks for the end, which is the answer.
    """
    if type(request) is tuple and len(request) == 2 and request[0] == "terminate":
        raise Terminate(request[1])
    try:
        answer = ("ok", _served(server, request))
    except BaseException as error:
        # Whatever the function raises is the asker's affair, unless it is the end of this process (FS-03).
        if is_struck():
            raise
        answer = ("error", error)
    _answer(sender, answer)


def _served(server: Inspected, request: object) -> object:
    match request:
        case "get_state":
            return server.get_state()
        case "get_status":
            return server.status()
        case "suspend" | "resume":
            server.suspended = request == "suspend"
            return None
        case ("replace_state", func) if callable(func):
            return server.replace_state(func)
        case _:
            raise ValueError(f"unknown system request {shown(request, 200)}")


def _answer(sender: Sender, answer: object) -> None:
    try:
        reply(sender, answer)
    except (UnserializableError, MessageTooLargeError) as error:
        reply(sender, ("error", error))


__all__ = ["get_state", "get_status", "replace_state", "resume", "stop", "suspend"]
