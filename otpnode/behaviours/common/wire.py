"""What travels between a server and its clients, and the client's side of a call.

The shapes are public, so that any process can be a server or a client::

    ('$gen_call', (pid, ref), request, chain)   answered (ref, reply) to the alias ref
    ('$gen_cast', request)
    ('$system', (pid, ref), request)            answered (ref, ('ok', value) | ('error', reason))

`chain` is the list of pids that wait already, the caller last: who finds the pid
it wants to call in there would wait for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from math import isfinite, isnan
from time import monotonic
from typing import NoReturn, TypeGuard

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.common.control import Name, Sender, Server
from otpnode.behaviours.common.outside import inside
from otpnode.errors import CallCycleError, CallExit, CallTimeoutError, ProcessNotFoundError
from otpnode.pid import PID_PREFIX, SYSTEM_SERIAL, Pid, address
from otpnode.reasons import NOPROC, SHUTDOWN, mend
from otpnode.ref import is_ref

CALL = "$gen_call"
CAST = "$gen_cast"
SYSTEM = "$system"
INFO = "info"

MAX_CHAIN = 64
"""Longest chain a request carries; of a longer one the oldest pids are left out."""


LOOK_SECONDS = 0.1
"""How long a call that has timed out waits for word of what its server is doing."""


class Serving(Struct):
    """The call that a callback serves: whom it is from, and who waits for it in turn."""

    sender: Sender
    chain: Sequence[str]

    def over(self) -> None:
        """Nobody waits for this call any more, also where a child task still has it in its context."""
        self.chain = ()


SERVING: ContextVar[Serving | None] = ContextVar("otpnode_serving", default=None)
"""The call being served, so that the callback's child tasks see it too; after it, one that is over."""


# -- telling messages apart ---------------------------------------------------


def kind_of(message: object) -> str:
    """Return `CALL`, `CAST`, `SYSTEM`, or `INFO` for everything else, malformed requests included."""
    if type(message) is not tuple or not message:
        return INFO
    if is_call(message):
        return CALL
    tag, size = message[0], len(message)
    if type(tag) is not str:
        return INFO
    if tag == CAST:
        return CAST if size == 2 else INFO
    return SYSTEM if tag == SYSTEM and size == 3 and _is_sender(message[1]) else INFO


def is_call(message: object) -> TypeGuard[tuple[str, Sender, object, list[str]]]:
    """Tell whether `message` is a `CALL`."""
    return (
        type(message) is tuple
        and len(message) == 4
        and type(message[0]) is str
        and message[0] == CALL
        and _is_sender(message[1])
        and type(message[3]) is list
    )


def _is_sender(value: object) -> bool:
    return type(value) is tuple and len(value) == 2 and type(value[0]) is str and type(value[1]) is str


def exit_message(message: object) -> tuple[Pid, object] | None:
    """Return ``(from, reason)`` of an ``('EXIT', from, reason)``, None for anything else."""
    if type(message) is tuple and len(message) == 3 and type(message[0]) is str and message[0] == "EXIT":
        return (Pid(message[1]), message[2]) if type(message[1]) is str else None
    return None


def is_stop_order(message: object, parent: Pid | None) -> bool:
    """Tell whether `message` is the EXIT of the parent, or the node's own order to stop."""
    found = exit_message(message)
    if found is None:
        return False
    sender, reason = found
    if sender == parent:
        return True
    owner = address(sender)
    return owner is not None and owner.serial == SYSTEM_SERIAL and type(reason) is str and reason == SHUTDOWN


# -- asking -------------------------------------------------------------------


async def call(server: Server, request: object, timeout: float | None = 5.0) -> object:
    """Ask `server` and wait for its reply.

    Args:
        server: a pid, a registered name, or a `Name` such as ``Via(registry, key)``.
        request: any object; sent as ``('$gen_call', (pid, ref), request, chain)``.
        timeout: seconds for all of it, the wait for room in the server's mailbox
            included; None for ever.

    Returns:
        The reply.

    Raises:
        CallExit: the server is dead or unknown (``'noproc'``), died without a reply (its
            reason, even ``'normal'``), or its shard did (``'noconnection'``).
        CallTimeoutError: no reply in time; the server goes on.
        CallCycleError: the server is the caller, or waits for it already.
        UnserializableError: the request cannot travel; nothing was sent.

    Guarantees:
        Takes nothing else out of the caller's mailbox and leaves nothing in it, also
        when it times out or is cancelled (SEMANTICS GS-03 … GS-05). Works from any
        number of child tasks at once (RC-10) and from outside a process (CT-05).
    """
    return replied(await exchange(server, CALL, request, timeout), server, request)


async def cast(server: Server, request: object) -> None:
    """Send ``('$gen_cast', request)``; waits only for room in the server's mailbox.

    Guarantees:
        No error when the server is dead or unknown; ordered before a later call of
        the same client (SEMANTICS GS-07).
    """
    check_server(server)
    target = server if isinstance(server, str) else await server.whereis()
    if target is None:
        return
    try:
        await process.send(target, (CAST, request))
    except ProcessNotFoundError:
        return


def reply(sender: Sender, value: object) -> None:
    """Answer a call, from any process, by ``(ref, value)`` to the alias of the caller.

    Guarantees:
        Never waits. A second reply, or one to a caller that is gone or was never there,
        is dropped (SEMANTICS SD-02, GS-05, GS-06).
    """
    try:
        process.send_nowait(sender[1], (sender[1], value))
    except ProcessNotFoundError:
        # Whoever wrote the request gave a pid or a name in place of an alias.
        return
    serving = SERVING.get()
    if serving is not None and serving.sender == sender:
        serving.over()


async def multi_call(
    servers: Iterable[Server], request: object, timeout: float | None = 5.0
) -> tuple[dict[Server, object], dict[Server, object]]:
    """Ask many servers at once.

    Returns:
        ``(replies, failed)``: server → reply, and server → the reason of its `CallExit`.

    Raises:
        UnserializableError: the request cannot travel.
    """
    wanted = list(dict.fromkeys(servers))
    seconds = check_timeout(timeout)
    if process.self() is None:
        return await inside(_multi_call, wanted, request, seconds)
    return await _multi_call(wanted, request, seconds)


async def _multi_call(
    servers: list[Server], request: object, timeout: float | None
) -> tuple[dict[Server, object], dict[Server, object]]:
    replies: dict[Server, object] = {}
    failed: dict[Server, object] = {}

    async def one(server: Server) -> None:
        try:
            replies[server] = await call(server, request, timeout)
        except CallExit as error:
            failed[server] = error.reason

    tasks = [asyncio.create_task(one(server)) for server in servers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return replies, failed


async def abcast(servers: Iterable[Server], request: object) -> None:
    """`cast` to each of `servers`."""
    for server in servers:
        await cast(server, request)


async def exchange(server: Server, tag: str, request: object, timeout: float | None) -> tuple[object, ...]:
    """Make a request of either kind, `CALL` or `SYSTEM`, and return what comes of it.

    Returns:
        ``(ref, reply)``, or ``('DOWN', ref, 'process', pid, reason)``.

    Raises:
        CallExit: as `call`, except that a death after the request was sent is returned.
    """
    me = process.self()
    if me is None:
        return await inside(exchange, server, tag, request, timeout)
    target: str
    if isinstance(server, str) and server.startswith(PID_PREFIX):
        target = server
    else:
        target, timeout = await _whereis(server, (server, request), timeout)
    chain: list[str] = [me]
    serving = SERVING.get()
    if serving is not None and serving.chain:
        chain = [*serving.chain, me]
    if target in chain:
        raise _cycle(target, chain, (server, request))
    if serving is not None:
        del chain[:-MAX_CHAIN]
    try:
        if tag == CALL:
            return await process.request(target, CALL, request, chain, timeout=timeout)
        return await process.request(target, tag, request, timeout=timeout)
    except ProcessNotFoundError:
        raise CallExit(NOPROC, (server, request)) from None
    except TimeoutError as error:
        full = ", its mailbox stayed full" if "no room" in str(error) else ""
        raise CallTimeoutError((server, request), await _seen(target) + full) from None


def replied(answer: tuple[object, ...], server: Server, request: object) -> object:
    """Return the reply in what has come of a request; raises the `CallExit` for a death."""
    if len(answer) == 2:
        return answer[1]
    raise_exit(answer[4], (server, request))


async def _seen(pid: str) -> str:
    """Say what a server that has not answered in time is doing, if its shard does within `LOOK_SECONDS`."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            found = await process.process_info(pid, "label", "message_queue_len", "current")
    except TimeoutError:
        return f"{pid}: its shard did not answer within {LOOK_SECONDS} s either"
    if not isinstance(found, dict):
        return f"{pid} is dead by now"
    label = f" ({found['label']})" if found["label"] else ""
    return f"{pid}{label} has {found['message_queue_len']} messages queued and is at {found['current']}"


async def _whereis(server: Server, call: object, timeout: float | None) -> tuple[str, float | None]:
    """Return who has a name, and the seconds that are left for the call."""
    check_server(server)
    left = check_timeout(timeout)
    if isinstance(server, str):
        pid = process.whereis(server)
    else:
        began = monotonic()
        try:
            async with asyncio.timeout(left):
                pid = await server.whereis()
        except TimeoutError:
            raise CallTimeoutError(call, "its name was not resolved") from None
        left = None if left is None else max(0.0, left - (monotonic() - began))
    if pid is None:
        raise CallExit(NOPROC, call)
    return pid, left


def _cycle(target: str, chain: list[str], call: object) -> CallCycleError:
    if target == chain[-1]:
        return CallCycleError("calling_self", call)
    return CallCycleError(("cycle", chain[chain.index(target) :]), call)


def raise_exit(reason: object, call: object) -> NoReturn:
    """Raise the `CallExit` for a server that ended with `reason`."""
    if isinstance(reason, BaseException):
        raise CallExit(reason, call) from mend(reason)
    raise CallExit(reason, call)


def check_server(server: object) -> None:
    """Raise TypeError unless `server` is a pid or a name."""
    if not isinstance(server, (str, Name)) or (isinstance(server, str) and is_ref(server)):
        raise TypeError(f"a server is a pid, a registered name or a Via, not {server!r}")


def check_timeout(timeout: float | None) -> float | None:
    """Return a valid timeout, None for 'for ever'; raises before anything is sent."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"a timeout is a number of seconds or None, not {timeout!r}")
    if isnan(timeout) or timeout < 0:
        raise ValueError(f"a timeout is at least 0 seconds, not {timeout!r}")
    return float(timeout) if isfinite(timeout) else None
