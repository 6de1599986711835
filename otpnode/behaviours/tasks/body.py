"""What runs in the process of a task, and how its failures are told."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, cast

from msgspec import Struct

from otpnode import process
from otpnode.errors import RemoteError
from otpnode.pid import Pid
from otpnode.reasons import guarded, strip, traceback_text
from otpnode.ref import Ref


class Failure(Struct, frozen=True):
    """Stands for the value of a call that has none."""

    reason: object


async def be_task(
    owner: Pid, token: Ref, func: Callable[..., object], args: list[object], kwargs: dict[str, object]
) -> None:
    """Run ``func(*args, **kwargs)`` and send ``(ref, value)`` to the alias that the owner names.

    What `func` raises is the exit reason. An owner that dies before it has named its
    alias ends the task, linked or not: nobody would take its value.
    """
    watch = await process.monitor(owner)

    def is_word(message: object) -> bool:
        return type(message) is tuple and len(message) > 1 and (message[0] == token or message[1] == watch)

    word = cast("tuple[object, ...]", await process.receive(match=is_word))
    await process.demonitor(watch, flush=True)
    if word[0] != token:
        raise process.ProcessExit(("shutdown", "the owner of the task is gone"))
    ref = cast(Ref, word[1])
    process.send_nowait(ref, (ref, await value_of(func, *args, **kwargs)))


async def value_of(func: Callable[..., Any], /, *args: object, **kwargs: object) -> object:
    """Call a plain function or a coroutine function."""
    value = func(*args, **kwargs)
    return await value if hasattr(type(value), "__await__") else value


def sendable(reason: object) -> object:
    """Return `reason`, or what stands for it if a message cannot carry it.

    An exit signal would carry any reason (ER-03); in a message one that does not come back
    the same from pickle would cost the message.
    """
    if isinstance(reason, BaseException):
        strip(reason)
    try:
        if type(pickle.loads(pickle.dumps(reason, 5))) is type(reason):
            return reason
    except Exception as failure:
        if not isinstance(reason, BaseException):
            return ("unserializable", guarded(repr, reason), guarded(str, failure))
    if not isinstance(reason, BaseException):
        return ("unserializable", guarded(repr, reason))
    kind = type(reason)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return RemoteError(name, guarded(str, reason), guarded(repr, reason.args), traceback_text(reason))
