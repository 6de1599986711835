"""A registry's entries on one shard, kept by a process there for all others there to read.

The registry's own process decides, and tells every replica each change in the order of
its decisions::

    ('add', key, pid, value)    ('remove', key, pid)    ('forget', pid)

It answers a registration by way of the caller's replica, ``('answer', sender, value)``
behind the change itself. So the caller's shard has what the caller is told of, which
an answer straight to the caller could not promise: that would race the replica.
"""

from __future__ import annotations

from typing import Any

from otpnode import process
from otpnode.behaviours.common.locality import shard_here
from otpnode.behaviours.common.wire import reply
from otpnode.behaviours.naming.entries import Entries
from otpnode.errors import ProcessExit

REPLICAS: dict[tuple[str, str], Entries] = {}
"""``(shard and incarnation, registry)`` → its entries there, while the process that keeps them lives."""


def entries_here(registry: str) -> Entries | None:
    """Return the entries of `registry` on the caller's shard; None when it has no replica there."""
    return REPLICAS.get((shard_here(), registry))


async def keep(registry: str, unique: bool) -> None:
    """Be the replica of one shard, linked to the registry and ending with it."""
    entries = Entries(unique=unique)
    place = (shard_here(), registry)
    REPLICAS[place] = entries
    try:
        while True:
            apply(entries, await process.receive())
    finally:
        # A registry that was started again may have its replica here before this one has ended.
        if REPLICAS.get(place) is entries:
            del REPLICAS[place]


def apply(entries: Entries, message: Any) -> None:
    """Do what the registry says, or end with it, even with ``'normal'``, which a mere link would not pass on."""
    match message:
        case ("add", key, pid, value):
            entries.add(key, pid, value)
        case ("remove", key, pid):
            entries.remove(key, pid)
        case ("forget", pid):
            entries.forget(pid)
        case ("answer", sender, value):
            reply(sender, value)
        case ("EXIT", _, reason):
            raise ProcessExit(reason)
