"""Names: one per process, one process per name.

`Names` is what a shard asks, the same on one loop and on many: here it is one
dict, and between shards `otpnode.scheduler.names` keeps a replica of the
supervisor's table behind the same contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from otpnode.errors import NameAlreadyRegisteredError, ProcessNotFoundError
from otpnode.pid import PID_PREFIX, Pid
from otpnode.ref import REF_PREFIX

MAX_NAME = 4096
"""Longest name, in characters: it must fit a record between supervisor and shard."""


class Names(Protocol):
    """The name table as one shard sees it."""

    def whereis(self, name: str) -> Pid | None:
        """Return who has `name`, as of every change published before the call (RG-07)."""
        ...

    def name_of(self, pid: str) -> str | None:
        """Return the name of `pid`."""
        ...

    def registered(self) -> list[str]:
        """Return all names of the node."""
        ...

    async def register(self, name: str, pid: Pid) -> None:
        """Give `name` to `pid`; raises as the verb does."""
        ...

    async def unregister(self, name: str) -> None:
        """Take `name` away; raises `ProcessNotFoundError` when nobody has it."""
        ...

    async def reserve(self, name: str) -> None:
        """Keep `name` for a process about to be made; raises `NameAlreadyRegisteredError`."""
        ...

    async def commit(self, name: str, pid: Pid) -> None:
        """Give the reserved `name` to the process made for it."""
        ...

    def forget(self, name: str) -> None:
        """Give a reservation back: the process could not be made."""
        ...

    def holds(self, pid: str) -> bool:
        """Tell whether the dead `pid` has a name, so that `release` is needed."""
        ...

    def release(self, pid: str, then: Callable[[], None]) -> None:
        """Free the name of the dead `pid` everywhere, then call `then` (RG-06)."""
        ...


def check_name(name: object) -> str:
    """Return `name` when it may be registered.

    Raises:
        ValueError: it is not a non-empty ``str``, or reads like a pid or ref (RG-03).
    """
    if not isinstance(name, str) or not name or name == "undefined" or name.startswith((PID_PREFIX, REF_PREFIX)):
        raise ValueError(
            f"{name!r} cannot be a process name: a name is a non-empty str, not 'undefined', "
            f"and starts with neither '{PID_PREFIX}' nor '{REF_PREFIX}'"
        )
    if len(name) > MAX_NAME:
        raise ValueError(f"a process name has at most {MAX_NAME} characters, this one has {len(name)}")
    return name


def taken(name: str, holder: object) -> NameAlreadyRegisteredError:
    """Make the error for a name that is taken."""
    return NameAlreadyRegisteredError(f"the name {name!r} is taken by {holder}; unregister it first or choose another")


def second_name(name: str, pid: str, first: str) -> ValueError:
    """Make the error for a second name of one process (RG-02)."""
    return ValueError(f"{pid} is registered as {first!r} already and cannot be {name!r} too; a process has one name")


class LocalNames:
    """The name table of a node with one shard."""

    def __init__(self, is_alive: Callable[[str], bool]) -> None:
        self._is_alive = is_alive
        self._pids: dict[str, Pid | None] = {}
        self._names: dict[str, str] = {}

    def whereis(self, name: str) -> Pid | None:
        """Return who has `name`."""
        return self._pids.get(name)

    def name_of(self, pid: str) -> str | None:
        """Return the name of `pid`."""
        return self._names.get(pid)

    def registered(self) -> list[str]:
        """Return all names."""
        return [name for name, pid in self._pids.items() if pid is not None]

    async def register(self, name: str, pid: Pid) -> None:
        """Give `name` to `pid`, at once."""
        if name in self._pids:
            raise taken(name, self._pids[name])
        if pid in self._names:
            raise second_name(name, pid, self._names[pid])
        if not self._is_alive(pid):
            raise ProcessNotFoundError(f"cannot register {name!r}: {pid} is not alive")
        self._pids[name] = pid
        self._names[pid] = name

    async def unregister(self, name: str) -> None:
        """Take `name` away."""
        pid = self._pids.get(name)
        if pid is None:
            raise ProcessNotFoundError(f"no process is registered as {name!r}")
        del self._pids[name], self._names[pid]

    async def reserve(self, name: str) -> None:
        """Keep `name`."""
        if name in self._pids:
            raise taken(name, self._pids[name])
        self._pids[name] = None

    async def commit(self, name: str, pid: Pid) -> None:
        """Give the reserved `name` to `pid`."""
        self._pids[name] = pid
        self._names[pid] = name

    def forget(self, name: str) -> None:
        """Give a reservation back."""
        self._pids.pop(name, None)

    def holds(self, pid: str) -> bool:
        """Tell whether `pid` has a name."""
        return pid in self._names

    def release(self, pid: str, then: Callable[[], None]) -> None:
        """Free the name of `pid`, then call `then`."""
        name = self._names.pop(pid, None)
        if name is not None:
            del self._pids[name]
        then()
