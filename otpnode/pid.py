"""Process identifiers: plain strings that name their owner.

A pid reads ``pid_<node>.<shard>.<incarnation>.<serial>``. It is a ``str`` at run
time (SEMANTICS C17): msgspec carries ``str`` natively and refuses subclasses of
it, dict lookups stay at native speed, and a pid survives any codec. ``Pid`` is a
``NewType`` for the type checker only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NewType

Pid = NewType("Pid", str)

PID_PREFIX = "pid_"
SYSTEM_SERIAL = 0
"""Serial of a shard's system pid: never alive, the sender of signals that no process sent (EX-12)."""

NODE_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ADDRESS = re.compile(r"(?:pid|ref)_([A-Za-z0-9_-]{1,32})\.(\d+)\.(\d+)\.(\d+)")


class Address(NamedTuple):
    """Where a pid or ref belongs: ``(node, shard, incarnation, serial)``."""

    node: str
    shard: int
    incarnation: int
    serial: int


def make_pid(node: str, shard: int, incarnation: int, serial: int) -> Pid:
    """Spell the pid of one process."""
    return Pid(f"pid_{node}.{shard}.{incarnation}.{serial}")


@lru_cache(maxsize=1 << 16)
def address(text: str) -> Address | None:
    """Read the address out of a pid or a ref; None when `text` is neither."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    node, shard, incarnation, serial = found.groups()
    return Address(node, int(shard), int(incarnation), int(serial))


def is_pid(value: object) -> bool:
    """Tell whether `value` is spelled like a pid (of any node, alive or not)."""
    return isinstance(value, str) and value.startswith(PID_PREFIX) and address(value) is not None
