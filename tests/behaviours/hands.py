"""A server that does for a test what only a process itself can do: on any shard, from there."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from otpnode import process
from otpnode.behaviours.server.gen_server import GenServer


class Hand(GenServer[None, tuple[Callable[..., object], tuple[object, ...]], Any]):
    """Calls a function, importable by name, and answers what it returns or raises."""

    async def handle_call(self, request: tuple[Callable[..., object], tuple[object, ...]], sender: object, /) -> Any:
        func, args = request
        try:
            value = func(*args)
            return await value if isawaitable(value) else value
        except Exception as error:
            return error


def elsewhere() -> int:
    """Return the number of another shard than the first, where there is one."""
    return process.schedulers() - 1


async def by(hand: str, func: Callable[..., object], *args: object) -> Any:
    """Have a hand call ``func(*args)``."""
    return await Hand.call(hand, (func, args))
