"""Who has which name: the node's one serialisation point, as pure rules (RG-01 … RG-10).

The supervisor owns the only `Directory`; the shards have replicas. It decides, and says what has to be published; it
sends nothing. Races between shards (R6, R14) end here because requests are taken one after the other. The race
between a registration and the death of its process (R23) is told in SEMANTICS §21.5:

1. the owner clears the pid's slot, then looks whether the pid has a name, and asks for `gone` if so;
2. the supervisor publishes name → pid, then calls `confirm`, which looks at the slot.

Whichever comes first, one of the two sees the other, so no name is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from otpnode.pid import address
from otpnode.process.registry import MAX_NAME

Refusal = Literal["", "taken", "named", "not_found", "unknown_name", "too_long"]
_LONGEST_PID: Final = 128
Change = tuple[str, str | None]
Owner = tuple[int, int]
"""``(shard, incarnation)``: who asked for a reservation, and who goes with it."""


class Verdict(NamedTuple):
    """The answer to one request.

    Attributes:
        error: ``''`` for done.
        changes: to be published before the answer.
        confirm: after publishing, `Directory.confirm` has to be asked about this request.
    """

    error: Refusal = ""
    changes: tuple[Change, ...] = ()
    confirm: bool = False


class Directory:
    """The name table, its reservations and its version.

    Args:
        is_alive: reads a pid's slot on the board.
    """

    def __init__(self, is_alive: Callable[[str], bool]) -> None:
        self._is_alive = is_alive
        self._pids: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._by_owner: dict[Owner, set[str]] = {}
        self._reserved: dict[str, Owner] = {}
        self.version = 0

    @property
    def table(self) -> dict[str, str]:
        """Every name with its pid; a copy."""
        return dict(self._pids)

    def advance(self) -> int:
        """Begin the next version; once per published batch."""
        self.version += 1
        return self.version

    def register(self, name: str, pid: str) -> Verdict:
        """Give `name` to `pid` (RG-01, RG-02, RG-03)."""
        if name in self._pids or name in self._reserved:
            return Verdict("taken")
        return self._give(name, pid)

    def unregister(self, name: str) -> Verdict:
        """Take `name` away; a reserved name belongs to nobody yet (RG-04)."""
        if name not in self._pids:
            return Verdict("unknown_name")
        return Verdict(changes=(self._take(name),))

    def reserve(self, name: str, owner: Owner) -> Verdict:
        """Keep `name` for a process that `owner` is about to make (R14)."""
        if name in self._pids or name in self._reserved:
            return Verdict("taken")
        if len(name) > MAX_NAME:
            return Verdict("too_long")
        self._reserved[name] = owner
        return Verdict()

    def commit(self, name: str, pid: str, owner: Owner) -> Verdict:
        """Give the name that `owner` reserved to its new process; the reservation ends, whatever the answer."""
        if self._reserved.get(name) == owner:
            del self._reserved[name]
        return self.register(name, pid)

    def release(self, name: str, owner: Owner) -> None:
        """Forget the reservation of `name`, if `owner` has it."""
        if self._reserved.get(name) == owner:
            del self._reserved[name]

    def confirm(self, name: str, pid: str) -> Verdict:
        """After publishing: take the name back when `pid` has died meanwhile (R23)."""
        if self._is_alive(pid):
            return Verdict()
        return Verdict("not_found", (self._take(name),) if self._pids.get(name) == pid else ())

    def gone(self, pid: str) -> Verdict:
        """`pid` died: its name is free (RG-06)."""
        name = self._names.get(pid)
        return Verdict() if name is None else Verdict(changes=(self._take(name),))

    def shard_down(self, shard: int, incarnation: int) -> Verdict:
        """That incarnation died: its processes' names and its reservations are free (SH-04)."""
        owner = (shard, incarnation)
        self._reserved = {name: holder for name, holder in self._reserved.items() if holder != owner}
        names = sorted(self._by_owner.get(owner, ()))
        return Verdict(changes=tuple(self._take(name) for name in names))

    def _give(self, name: str, pid: str) -> Verdict:
        if len(name) > MAX_NAME:
            return Verdict("too_long")
        place = address(pid) if len(pid) <= _LONGEST_PID else None
        # The dead stay dead, so looking here already is right, and spares everybody a name that comes and goes.
        if place is None or not self._is_alive(pid):
            return Verdict("not_found")
        if pid in self._names:
            return Verdict("named")
        self._pids[name] = pid
        self._names[pid] = name
        self._by_owner.setdefault((place.shard, place.incarnation), set()).add(name)
        return Verdict(changes=((name, pid),), confirm=True)

    def _take(self, name: str) -> Change:
        pid = self._pids.pop(name)
        del self._names[pid]
        place = address(pid)
        if place is not None:
            owner = (place.shard, place.incarnation)
            names = self._by_owner[owner]
            names.discard(name)
            if not names:
                del self._by_owner[owner]
        return (name, None)
