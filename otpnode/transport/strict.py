"""Strict mode: one loop copies and refuses what shards would (SD-06, ``copy_messages``)."""

from __future__ import annotations

import logging

from otpnode.errors import UnserializableError
from otpnode.signals import LOST
from otpnode.transport.payload import PayloadError, dumps, loads

log = logging.getLogger(__name__)


def copy_message(message: object) -> object:
    """Return what another shard would get; `LOST` when it could not decode the message and would drop it (SD-07).

    Raises:
        UnserializableError: the message could not travel.
    """
    try:
        return loads(dumps(message))
    except PayloadError as error:
        log.warning("dropped a message: it cannot be decoded: %s", error)
        return LOST


def copy_call(args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return arguments as another shard's child would get them; what cannot travel stays as it is."""
    return tuple(_copied(arg) for arg in args), {key: _copied(arg) for key, arg in kwargs.items()}


def _copied(value: object) -> object:
    try:
        copy = copy_message(value)
    except UnserializableError:
        return value
    return value if copy is LOST else copy
