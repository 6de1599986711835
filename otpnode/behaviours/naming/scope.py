"""The scope server of a shard: who of its processes is in which group, and what the other shards have told of theirs.

There is one a shard, ``$pg.<shard>``, started by whoever needs it first: the name decides
between several that start it at once. Each is the only one to change its own shard's part,
and tells the others::

    ('hello', scope, {group: {pid: times}})   all it has: "take this in place of what you knew of me"
    ('join' | 'leave', scope, group, [pid, …])

**The rule.** To a hello from a scope it does not know, a server answers with one of its own
and from then on tells that scope, its *peer*, every change. A new server says hello to
every shard that is up, and to each that comes up.

**Why every shard ends up with the truth.** Messages of one scope to another keep their
order. B is told A's changes from the moment A knows B; in that same step A sent its hello,
with all that came before. So what B knows of A is always A's part as it was at one moment,
and B lacks nothing but what is under way. If two start at once their hellos cross, each
answers, and the second hello of each is about what is known already: it replaces it. Of
two scopes that live, one says hello to the other: the later of the two finds the other's
shard up when it begins, or hears of it by ``shard_up`` as it has asked for news before it
looked.

**Restarts.** A scope is told apart by its pid, which has its shard's incarnation in it. A
change from one that is no peer is dropped: from a dead one it comes before the DOWN, as
everything it sent, and from a new one behind its hello. A hello of a scope that is dead
already is undone by the DOWN of the monitor it leads to.

**Nobody waits in a circle.** A scope may wait until a pipe has room, and never for the
other scope: its mailbox has no bound, and a shard goes on reading its pipes whatever its
processes do.

A gossip of versions was rejected: it would need memory for those who left, to tell a late
word of them from a new one. So was one server for the node: its shard's death would take
the groups of all others along.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from typing import Any, cast

from otpnode import process
from otpnode.behaviours.common.control import Sender
from otpnode.behaviours.common.locality import shard_here
from otpnode.behaviours.common.wire import reply
from otpnode.behaviours.naming.groups import Change, Groups
from otpnode.errors import (
    MessageTooLargeError,
    NameAlreadyRegisteredError,
    ProcessNotFoundError,
    ShardDownError,
    UnserializableError,
)
from otpnode.pid import Pid
from otpnode.ref import Ref

VIEWS: dict[str, tuple[Pid, Groups]] = {}
"""Shard and incarnation → its scope server and what that knows, while it lives."""


async def scope_on(shard: int) -> Pid | None:
    """Return the scope server of a shard, started if need be; None when the shard is down."""
    name = f"$pg.{shard}"
    while True:
        pid = process.whereis(name)
        if pid is not None:
            return pid
        try:
            return await process.spawn(serve, name=name, on=shard, mailbox_limit=None, label="process groups")
        except NameAlreadyRegisteredError:
            # Reserved for one that is just being made: the next look finds it.
            await asyncio.sleep(0)
        except ShardDownError:
            return None


async def serve() -> None:
    """Be a scope server; importable by name, so that it can be started from any shard."""
    scope = Scope()
    place = shard_here()
    VIEWS[place] = (scope.me, scope.groups)
    try:
        await scope.begin()
        while True:
            await scope.take(await process.receive())
    finally:
        if VIEWS.get(place) == (scope.me, scope.groups):
            del VIEWS[place]


class Scope:
    """The state of a scope server."""

    def __init__(self) -> None:
        self.me = cast(Pid, process.self())
        self.groups = Groups()
        self._joined: dict[Pid, Counter[Hashable]] = {}
        """Member here → its groups, and how often it has joined each."""
        self._peers: dict[Pid, Ref] = {}
        self._watched: dict[Pid, Ref] = {}
        self._subscribers: dict[Ref, tuple[Ref, Hashable]] = {}
        """The subscriber's alias → the monitor of it, and its group."""

    async def begin(self) -> None:
        """Ask for news of shards, then say hello to those that are up."""
        for shard, _ in await process.subscribe_shards():
            await self._greet(shard)

    async def take(self, message: Any) -> None:
        """Do what one message asks for; what nobody here sends is dropped."""
        match message:
            case ("$gen_call", sender, request, _):
                await self._serve(sender, request)
            case ("hello", scope, part):
                if scope not in self._peers:
                    self._peers[scope] = await process.monitor(scope)
                    await self._hello(scope)
                for change in self.groups.replace(scope, part):
                    self._notify(change)
            case ("join" | "leave" as verb, scope, group, pids) if scope in self._peers:
                self._change(scope, (verb, group, pids))
            case ("demonitor", alias):
                await self._unsubscribe(alias)
            case ("shard_up", shard, _):
                await self._greet(shard)
            case ("DOWN", ref, _, pid, _):
                await self._down(ref, pid)

    async def _serve(self, sender: Sender, request: Any) -> None:
        match request:
            case ("join", group, pid):
                answer = await self._join(group, pid)
            case ("leave", group, pid):
                answer = await self._leave(group, pid)
            case ("monitor", group, alias):
                self._subscribers[alias] = (await process.monitor(sender[0]), group)
                answer = ("ok", self.groups.members(group))
            case _:
                answer = ("failed", ValueError(f"unknown request to {self.me}: {request!r:.200}"))
        reply(sender, answer)

    # -- members here ---------------------------------------------------------

    async def _join(self, group: Hashable, pid: Pid) -> tuple[str, object]:
        try:
            await self._tell(("join", group, [pid]))
        except (UnserializableError, MessageTooLargeError) as error:
            return ("failed", error)
        if pid not in self._watched:
            self._watched[pid] = await process.monitor(pid)
        self._joined.setdefault(pid, Counter())[group] += 1
        self._change(self.me, ("join", group, [pid]))
        return ("ok", None)

    async def _leave(self, group: Hashable, pid: Pid) -> tuple[str, object]:
        joined = self._joined.get(pid, Counter())
        if group not in joined:
            return ("ok", False)
        joined[group] -= 1
        if not joined[group]:
            del joined[group]
        if not joined:
            del self._joined[pid]
            await process.demonitor(self._watched.pop(pid), flush=True)
        await self._changed(("leave", group, [pid]))
        return ("ok", True)

    async def _changed(self, change: Change) -> None:
        self._change(self.me, change)
        await self._tell(change)

    async def _tell(self, change: Change) -> None:
        """Tell every peer; one that cannot travel raises before anybody was told."""
        verb, group, pids = change
        for peer in list(self._peers):
            await _told(peer, (verb, self.me, group, pids))

    # -- other shards ---------------------------------------------------------

    async def _greet(self, shard: int) -> None:
        scope = await scope_on(shard)
        if scope is not None and scope != self.me:
            await self._hello(scope)

    async def _hello(self, scope: Pid) -> None:
        await _told(scope, ("hello", self.me, self.groups.part(self.me)))

    async def _down(self, ref: Ref, pid: Pid) -> None:
        if self._peers.get(pid) == ref:
            del self._peers[pid]
            for change in self.groups.drop(pid):
                self._notify(change)
        elif self._watched.get(pid) == ref:
            del self._watched[pid]
            for group, times in self._joined.pop(pid).items():
                await self._changed(("leave", group, [pid] * times))
        else:
            for alias in [alias for alias, (watch, _) in self._subscribers.items() if watch == ref]:
                del self._subscribers[alias]

    # -- subscribers ----------------------------------------------------------

    def _change(self, scope: Pid, change: Change) -> None:
        self.groups.apply(scope, change)
        self._notify(change)

    def _notify(self, change: Change) -> None:
        """Tell the subscribers, by alias: never waits, and is never lost for want of room."""
        verb, group, pids = change
        for alias, (_, wanted) in self._subscribers.items():
            if wanted == group:
                process.send_nowait(alias, (alias, verb, group, list(pids)))

    async def _unsubscribe(self, alias: Ref) -> None:
        found = self._subscribers.pop(alias, None)
        if found is not None:
            await process.demonitor(found[0], flush=True)


async def _told(scope: Pid, message: tuple[object, ...]) -> bool:
    """Send to another scope server; False when it is dead, of which its DOWN tells."""
    try:
        await process.send(scope, message)
    except ProcessNotFoundError:
        return False
    return True
