"""A shard's own copy of the name table, so that a lookup is a dictionary access."""

from __future__ import annotations

from otpnode.scheduler.control import Names, NameTable


class Replica:
    """The names as of `version`.

    Guarantees: it is never between two versions; a snapshot in parts shows when it is whole.
    """

    __slots__ = ("_names", "_next", "_pids", "version")

    def __init__(self) -> None:
        self.version = 0
        self._names: dict[str, str] = {}
        self._pids: dict[str, str] = {}
        self._next: dict[str, str] = {}

    def apply(self, record: Names | NameTable) -> None:
        """Take one record, in the order of the control channel."""
        if isinstance(record, Names):
            for name, pid in record.changes:
                self._change(name, pid)
            self.version = record.version
            return
        if record.first:
            self._next = {}
        self._next.update(record.names)
        if record.last:
            self._names, self._next = self._next, {}
            self._pids = {pid: name for name, pid in self._names.items()}
            self.version = record.version

    def whereis(self, name: str) -> str | None:
        """The pid registered as `name`; None when nobody is."""
        return self._names.get(name)

    def name_of(self, pid: str) -> str | None:
        """The name `pid` has; None when it has none."""
        return self._pids.get(pid)

    def registered(self) -> list[str]:
        """All names, in order of registration as far as this replica has seen it."""
        return list(self._names)

    def _change(self, name: str, pid: str | None) -> None:
        former = self._names.pop(name, None)
        if former is not None:
            self._pids.pop(former, None)
        if pid is not None:
            self._names[name] = pid
            self._pids[pid] = name
