"""Who is in which process group, as one shard knows it: the parts that the scope servers have told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from otpnode.pid import Pid

Part = dict[Hashable, Counter[Pid]]
"""Group → its members on one shard, and how often each has joined."""

Change = tuple[str, Hashable, list[Pid]]
"""``('join' | 'leave', group, pids)``."""


class Groups:
    """The parts of all shards, each under the pid of the scope server it is from."""

    def __init__(self) -> None:
        self._parts: dict[Pid, Part] = {}

    def part(self, scope: Pid) -> Part:
        """Return a copy of what `scope` has."""
        return {group: Counter(pids) for group, pids in self._parts.get(scope, {}).items()}

    def members(self, group: Hashable) -> list[Pid]:
        """Return the members of `group`, one as often as it joined."""
        return [pid for scope in list(self._parts) for pid in self.members_of(scope, group)]

    def members_of(self, scope: Pid, group: Hashable) -> list[Pid]:
        """Return those on the shard of `scope`."""
        return list(self._parts.get(scope, {}).get(group, Counter()).elements())

    def names(self) -> list[Hashable]:
        """Return the groups that have members."""
        return list(dict.fromkeys(group for part in list(self._parts.values()) for group in part))

    def apply(self, scope: Pid, change: Change) -> None:
        """Make a change that `scope` has told."""
        verb, group, pids = change
        part = self._parts.setdefault(scope, {})
        found = part.setdefault(group, Counter())
        for pid in pids:
            found[pid] += 1 if verb == "join" else -1
            if found[pid] <= 0:
                del found[pid]
        if not found:
            del part[group]

    def replace(self, scope: Pid, part: Part) -> list[Change]:
        """Take `part` as all that `scope` has; returns what that changes."""
        before = self._parts.get(scope, {})
        self._parts[scope] = part
        changes: list[Change] = []
        for group in dict.fromkeys([*before, *part]):
            old, new = before.get(group, Counter()), part.get(group, Counter())
            changes += [("leave", group, list((old - new).elements())), ("join", group, list((new - old).elements()))]
        return [change for change in changes if change[2]]

    def drop(self, scope: Pid) -> list[Change]:
        """Forget `scope`; returns what that changes."""
        return [("leave", group, list(pids.elements())) for group, pids in self._parts.pop(scope, {}).items()]
