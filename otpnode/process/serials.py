"""The serial numbers of a shard's processes: who may be made, and under which number."""

from __future__ import annotations

from typing import Protocol

from otpnode.errors import SystemLimitError


class Serials(Protocol):
    """Hands out serials, never the same twice in one incarnation (SP-01)."""

    def claim(self) -> int:
        """Return the serial of a new live process; raises `SystemLimitError` when the table is full."""
        ...

    def release(self, serial: int) -> None:
        """The process with this serial is dead (EX-10, step 1)."""
        ...

    def set_window(self, serial: int, limit: int | None) -> None:
        """Tell other shards a mailbox limit that is not the node's default; None for no limit."""
        ...


class LocalSerials:
    """Serials of a node with one shard: a counter and a bound."""

    __slots__ = ("_capacity", "_last", "_live")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._live = 0
        self._last = 0

    def claim(self) -> int:
        """Return the next serial."""
        if self._live >= self._capacity:
            raise SystemLimitError(
                f"the process table is full: {self._capacity} processes live on this shard; raise --max-processes"
            )
        self._live += 1
        self._last += 1
        return self._last

    def release(self, serial: int) -> None:
        """Count one process less."""
        self._live -= 1

    def set_window(self, serial: int, limit: int | None) -> None:
        """Nobody else to tell."""
