"""The entries of one registry: which process has which key, and with what value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator

from otpnode.pid import Pid

Entry = tuple[Pid, object]


class Entries:
    """Keys and their holders, found from either side: a death costs what it ends, however many share a key.

    Attributes:
        unique: whether a key has at most one entry; whoever adds sees to it.
        count: how many entries there are.
    """

    def __init__(self, *, unique: bool) -> None:
        self.unique = unique
        self.count = 0
        self._by_key: dict[Hashable, dict[Pid, list[object]]] = {}
        self._by_pid: dict[Pid, Counter[Hashable]] = {}

    def __iter__(self) -> Iterator[tuple[Hashable, Pid, object]]:
        """Walk over ``(key, pid, value)``."""
        return ((key, pid, value) for key in self._by_key for pid, value in self.of(key))

    def of(self, key: Hashable) -> list[Entry]:
        """Return the entries of `key`; those of one process together."""
        return [(pid, value) for pid, values in self._by_key.get(key, {}).items() for value in values]

    def keys(self, pid: Pid) -> list[Hashable]:
        """Return the keys of `pid`, one as often as it was registered."""
        return list(self._by_pid.get(pid, Counter()).elements())

    def has(self, pid: Pid, key: Hashable) -> bool:
        """Tell whether `pid` has `key`."""
        return pid in self._by_key.get(key, ())

    def knows(self, pid: Pid) -> bool:
        """Tell whether `pid` has any key."""
        return pid in self._by_pid

    def add(self, key: Hashable, pid: Pid, value: object) -> None:
        """Let `pid` have `key`."""
        self._by_key.setdefault(key, {}).setdefault(pid, []).append(value)
        self._by_pid.setdefault(pid, Counter())[key] += 1
        self.count += 1

    def remove(self, key: Hashable, pid: Pid) -> None:
        """Let `pid` not have `key` any more, however often it had it."""
        holders = self._by_key.get(key, {})
        self.count -= len(holders.pop(pid, ()))
        if not holders:
            self._by_key.pop(key, None)
        keys = self._by_pid.get(pid, Counter())
        keys.pop(key, None)
        if not keys:
            self._by_pid.pop(pid, None)

    def forget(self, pid: Pid) -> None:
        """Remove every entry of `pid`."""
        for key in list(self._by_pid.get(pid, ())):
            self.remove(key, pid)
