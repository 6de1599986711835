"""Calls from outside any process: a temporary process makes them and leaves nothing (CT-05)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from otpnode import process

T = TypeVar("T")

LOOK_AFTER = 1.0
"""Seconds between looks whether the temporary process is still there."""


async def inside(func: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run ``func(*args)`` in a process of its own on this shard and return what it returns.

    Raises:
        RuntimeError: no node runs here, or it stopped meanwhile.
        Exception: what `func` raised.

    Guarantees:
        The process is over, or told to end, when this returns (SEMANTICS CT-05).
        Cancelling cancels `func`, and waits until it has cleaned up.
    """
    result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    inner: asyncio.Task[Any] | None = None

    async def body() -> None:
        nonlocal inner
        inner = asyncio.current_task()
        try:
            value = await func(*args)
        except Exception as error:
            _settle(result, error)
        except BaseException:
            _settle(result, _stopped())
            raise
        else:
            if not result.done():
                result.set_result(value)

    pid = await process.spawn(body, on="local", label="a call from outside")
    try:
        # A process struck before its first step never enters its body (AC-02): nobody would settle the future.
        while not (await asyncio.wait({result}, timeout=LOOK_AFTER))[0]:
            if not process.is_alive(pid):
                _settle(result, _stopped())
        return result.result()
    finally:
        if not result.done():
            result.cancel()
            if inner is None:
                await process.exit(pid, "kill")
            else:
                # Not by an exit signal, after which `func` could not undo what it has begun (AC-04).
                inner.cancel()
                await asyncio.wait({inner})


def _settle(result: asyncio.Future[T], error: Exception) -> None:
    if not result.done():
        result.set_exception(error)


def _stopped() -> RuntimeError:
    return RuntimeError("the process that made this call from outside was stopped; is the node stopping?")
