"""References: unique for the life of the node, never reused.

A ref reads ``ref_<node>.<shard>.<incarnation>.<n>``; like a pid it is a plain
``str`` (SEMANTICS C17). A ref names the shard that made it, so that a message
to an alias finds its owner without a table.
"""

from __future__ import annotations

from typing import NewType

from otpnode.pid import address

Ref = NewType("Ref", str)

REF_PREFIX = "ref_"


def is_ref(value: object) -> bool:
    """Tell whether `value` is spelled like a ref (of any node, active or not)."""
    return isinstance(value, str) and value.startswith(REF_PREFIX) and address(value) is not None


class RefMaker:
    """Counts out the refs of one shard incarnation."""

    __slots__ = ("_next", "_prefix")

    def __init__(self, node: str, shard: int, incarnation: int) -> None:
        self._prefix = f"ref_{node}.{shard}.{incarnation}."
        self._next = 0

    def make(self) -> Ref:
        """Return a ref nobody has seen before."""
        self._next += 1
        return Ref(f"{self._prefix}{self._next}")
