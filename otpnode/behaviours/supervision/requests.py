"""Requests about children: what the supervisors' functions send, and how they are answered.

On the wire ``('$gen_call', (pid, ref), Request(verb, arg), chain)``, answered
``(ref, ('ok', value))``, ``(ref, ('refused', reason, pid))`` or ``(ref, ('failed', reason))``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from msgspec import Struct

from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import Sender, Server
from otpnode.behaviours.common.crash import shown
from otpnode.behaviours.common.starting import raise_start
from otpnode.errors import ChildError, MessageTooLargeError, StartError, UnserializableError


class Request(Struct, frozen=True):
    """What is asked of a supervisor: a verb and its argument."""

    verb: str
    arg: object = None


async def ask(sup: Server, verb: str, arg: object = None) -> object:
    """Make a request and wait, for ever, for its answer.

    Raises:
        ChildError: it was refused.
        StartError: a child did not start.
        CallExit: the supervisor is dead.
    """
    answer = cast("tuple[Any, ...]", await wire.call(sup, Request(verb, arg), None))
    if answer[0] == "refused":
        raise ChildError(answer[1], answer[2])
    if answer[0] == "failed":
        raise_start(answer[1])
    return answer[1]


async def answer(sender: Sender, serve: Callable[[object], Awaitable[object]], request: object) -> None:
    """Do what a request asks for by ``serve(request)``, and answer."""
    said: tuple[object, ...]
    try:
        said = ("ok", await serve(request))
    except ChildError as error:
        said = ("refused", error.reason, error.pid)
    except StartError as error:
        said = ("failed", error.reason)
    try:
        wire.reply(sender, said)
    except (UnserializableError, MessageTooLargeError) as error:
        wire.reply(sender, ("failed", error))


def unknown(request: object) -> StartError:
    """Make the error of a request that no supervisor of this kind knows."""
    return StartError(ValueError(f"a supervisor does not know the request {shown(request, 200)}"))
