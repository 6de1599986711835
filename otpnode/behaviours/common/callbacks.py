"""Running one callback, plain or async, and what its failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from msgspec import UNSET, Struct

from otpnode import process
from otpnode.behaviours.common.control import Sender
from otpnode.errors import ProcessExit
from otpnode.pid import Pid
from otpnode.reasons import CANCELLED

PLAIN = frozenset((type(None), bool, int, float, str, bytes, tuple, list, dict, set))
"""Types of results that nobody awaits: to look for a missing ``__await__`` takes as long as a small callback."""


class Ending(Struct, frozen=True):
    """A behaviour shall end.

    Attributes:
        reason: what it ends with.
        error: the exception behind the reason, for its traceback.
        sender: who gets `reply` after `terminate` (GS-08).
        reply: the reply; UNSET for none.
    """

    reason: object
    error: BaseException | None = None
    sender: Sender | None = None
    reply: object = UNSET


async def run_callback(callback: Callable[..., object], *args: object, **kwargs: object) -> object:
    """Call ``callback(*args, **kwargs)``, awaiting what it returns if that can be awaited.

    Returns:
        The result; an `Ending` when the callback raised, whatever it raised.

    Raises:
        asyncio.CancelledError: the process was ended by an exit signal. A cancellation
            that is none, raised in the callback, is an `Ending` with ``'cancelled'`` (AC-06).
        BaseException: it was killed while it computed (FS-03).
    """
    try:
        value = callback(*args, **kwargs)
        if type(value) not in PLAIN and hasattr(type(value), "__await__"):
            value = await value  # type: ignore[misc]
        return value
    except BaseException as error:
        return ending_by(error)


def is_struck() -> bool:
    """Tell whether an exit signal has ended the calling process already: what it still does is cleaning up (AC-04)."""
    return not process.is_alive(cast(Pid, process.self()))


def ending_by(error: BaseException) -> Ending:
    """Return the end that an exception out of a callback means; raises it where it is none, as `run_callback`."""
    if isinstance(error, ProcessExit):
        return Ending(error.reason, error)
    if isinstance(error, GeneratorExit):
        raise error
    if not isinstance(error, Exception) and is_struck():
        raise error
    return Ending(CANCELLED if isinstance(error, asyncio.CancelledError) else error, error)
