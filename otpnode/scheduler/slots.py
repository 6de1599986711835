"""The owner's side of the slot array: which serial the next process gets.

A serial names its slot (``serial % capacity``) and its turn in it (``serial // capacity``). So one 64-bit word per
slot says both that the slot is taken and by whom, a reader needs no second word, and handing out a slot again makes a
new serial by one addition: O(1), never onto a living process, and never one that has been before.

Slots are taken fresh until `REUSE_FROM` of them are in use, then from the front of a FIFO free list, and fresh again
when that is empty: a node with few processes keeps short pids, and a scan of the table stays as short as the most
processes that ever lived at once. Rejected: a bitmap (finding a free bit is a search) and "count up and skip the
living" (which probes for ever in a nearly full table).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from otpnode.errors import SystemLimitError

if TYPE_CHECKING:
    from otpnode.scheduler.board import Area

REUSE_FROM: Final = 4096
_UNBOUNDED: Final = 0xFFFFFFFF


class Slots:
    """Hands out the serials of one incarnation. Not for two threads at once.

    With an area each claim and release shows on the board at once. Without one (`area` None: a single-loop node)
    numbers and limit are the same, and who lives is known to the process table alone.
    """

    __slots__ = ("_at", "_capacity", "_free", "_high", "_high_at", "_reuse_from", "_windowed", "_windows", "_words")

    def __init__(self, area: Area | None, capacity: int) -> None:
        if area is not None and area.capacity != capacity:
            raise ValueError(f"the board has {area.capacity} slots, not {capacity}")
        self._capacity = capacity
        self._reuse_from = min(REUSE_FROM, capacity)
        self._free: deque[int] = deque()
        self._high = 0
        self._windowed: set[int] = set()
        self._words = None if area is None else area.words
        self._at = 0 if area is None else area.slots_at
        self._high_at = 0 if area is None else area.high_water_at
        self._windows = None if area is None else (area.windows, area.windows_at)

    @property
    def live(self) -> int:
        """How many serials are claimed and not released."""
        return self._high - len(self._free)

    def claim(self) -> int:
        """Take a slot; return the serial that is alive from now on.

        Raises:
            SystemLimitError: every slot is taken.

        Guarantees: the serial has never been returned before and is never 0.
        """
        high = self._high
        free = self._free
        words = self._words
        if free and high >= self._reuse_from:
            serial = free.popleft()
        elif high < self._capacity:
            self._high = serial = high + 1
            if words is not None:
                words[self._high_at] = serial
        else:
            raise SystemLimitError(f"this shard has {self._capacity} processes, as many as --max-processes allows")
        if words is not None:
            words[self._at + serial % self._capacity] = serial
        return serial

    def release(self, serial: int) -> None:
        """Give back the slot of `serial`, which was claimed and not yet released: it is dead from now on."""
        if self._words is not None:
            self._words[self._at + serial % self._capacity] = 0
            if self._windowed and serial in self._windowed:
                self._windowed.discard(serial)
                self._write_window(serial, 0)
        self._free.append(serial + self._capacity)

    def set_window(self, serial: int, limit: int | None) -> None:
        """Publish that the mailbox of `serial` takes `limit` messages (None: any number), not the node's default."""
        if self._words is not None:
            self._windowed.add(serial)
            self._write_window(serial, _UNBOUNDED if limit is None else min(limit, _UNBOUNDED - 1))

    def _write_window(self, serial: int, value: int) -> None:
        if self._windows is not None:
            windows, at = self._windows
            windows[at + serial % self._capacity] = value
