"""Strict mode: one loop copies and refuses what shards would (SD-06, ``copy_messages``)."""

from __future__ import annotations

from otpnode.errors import UnserializableError
from otpnode.transport.payload import dumps, loads


def copy_message(message: object) -> object:
    """Return what another shard would get.

    Raises:
        UnserializableError: the message could not travel.
    """
    return loads(dumps(message))


def copy_call(args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return arguments as another shard's child would get them; what cannot travel stays as it is."""
    return tuple(_copied(arg) for arg in args), {key: _copied(arg) for key, arg in kwargs.items()}


def _copied(value: object) -> object:
    try:
        return copy_message(value)
    except UnserializableError:
        return value
