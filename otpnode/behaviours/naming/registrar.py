"""The deciding half of a registry: who gets a key, whom to watch, which shards to tell.

The registry watches who is registered. It also links itself to them, as Elixir's does:
one that has died knows nothing any more, and a process that went on with a key that the
next registry gives to somebody else would break what unique keys are for.

While it tells a shard that reads slowly the registry serves nobody else. To let that
shard fall behind and catch up later would need a log of changes for each, for a case in
which callers wait for the same shard anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import cast

from otpnode import process
from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import Sender
from otpnode.behaviours.common.crash import shown, warn
from otpnode.behaviours.naming.entries import Entries
from otpnode.behaviours.naming.replica import keep
from otpnode.errors import MessageTooLargeError, ProcessNotFoundError, ShardDownError, UnserializableError
from otpnode.pid import Pid, address
from otpnode.ref import Ref

log = logging.getLogger("otpnode.registry")

Answer = tuple[str, object]
"""``('ok', value)``, ``('taken', pid)``, ``('failed', error)`` or `DUPLICATE`."""

OK: Answer = ("ok", None)
DUPLICATE: Answer = ("duplicate", None)
"""The question has an answer only where keys are unique."""


class Registrar:
    """The state of one registry; its methods run in the registry's process."""

    def __init__(self, name: str, *, unique: bool, starters: frozenset[Pid]) -> None:
        self.name = name
        self.entries = Entries(unique=unique)
        self._me = cast(Pid, process.self())
        self._starters = starters
        """Linked to the registry by its start: not to be unlinked by `unregister`."""
        self._watched: dict[Pid, Ref] = {}
        self._replicas: dict[tuple[int, int], Pid] = {}
        """``(shard, incarnation)`` → the replica there."""

    def __repr__(self) -> str:
        kind = "unique" if self.entries.unique else "duplicate"
        return f"<registry {self.name!r}: {self.entries.count} entries, {kind} keys, {len(self._replicas)} replicas>"

    @classmethod
    async def at_work(cls, name: str, *, unique: bool) -> Registrar:
        """Make one with a replica on every shard that is up."""
        links = cast("list[Pid]", await process.process_info(cast(Pid, process.self()), "links"))
        registrar = cls(name, unique=unique, starters=frozenset(links))
        for shard, _ in await process.subscribe_shards():
            await registrar.replicate(shard)
        return registrar

    # -- deciding -------------------------------------------------------------

    def holder(self, key: Hashable) -> Pid | None:
        """Return a live process that has `key`."""
        return next((pid for pid, _ in self.entries.of(key) if process.is_alive(pid)), None)

    async def register(self, key: Hashable, pid: Pid, value: object) -> Answer:
        """Give `key` to `pid`; a holder that is dead already, its DOWN still under way, is no holder."""
        if self.entries.unique:
            holder = self.holder(key)
            if holder is not None:
                return ("taken", holder)
            for dead, _ in self.entries.of(key):
                await self._forget(dead)
        if _place(pid) not in self._replicas:
            # Its shard has come up, of which the news is still under way.
            await self.replicate(process.shard_of(pid))
        try:
            await self._tell(("add", key, pid, value))
        except (UnserializableError, MessageTooLargeError) as error:
            return ("failed", error)
        self.entries.add(key, pid, value)
        if pid not in self._watched:
            self._watched[pid] = await process.monitor(pid)
            await process.link(pid)
        return OK

    async def unregister(self, key: Hashable, pid: Pid) -> Answer:
        """Take `key` from `pid`."""
        if self.entries.has(pid, key):
            self.entries.remove(key, pid)
            await self._tell(("remove", key, pid))
            if not self.entries.knows(pid):
                await process.demonitor(self._watched.pop(pid), flush=True)
                if pid not in self._starters:
                    await process.unlink(pid)
        return OK

    async def gone(self, pid: Pid, ref: Ref) -> None:
        """Take the DOWN of `pid`."""
        if self._watched.get(pid) == ref:
            await self._forget(pid)

    async def _forget(self, pid: Pid) -> None:
        await process.demonitor(self._watched.pop(pid), flush=True)
        self.entries.forget(pid)
        await self._tell(("forget", pid))

    # -- telling --------------------------------------------------------------

    async def answer(self, sender: Sender, answer: Answer) -> None:
        """Answer a caller by way of the replica on its shard, behind what that one has been told."""
        replica = self._replicas.get(_place(sender[0]))
        if replica is None or not await _told(replica, ("answer", sender, answer)):
            wire.reply(sender, answer)

    async def _tell(self, change: tuple[object, ...]) -> None:
        """Tell every replica; one that cannot travel raises before anybody was told: this shard's comes last."""
        here = process.shard_of(self._me)
        for _, replica in sorted(self._replicas.items(), key=lambda item: item[0][0] == here):
            await _told(replica, change)

    # -- replicas -------------------------------------------------------------

    async def replicate(self, shard: int) -> None:
        """Make the replica of a shard, unless there is one; of a shard that is down, news will come."""
        if any(number == shard and process.is_alive(pid) for (number, _), pid in self._replicas.items()):
            return
        try:
            replica = await process.spawn_link(
                keep,
                [self.name, self.entries.unique],
                on=shard,
                mailbox_limit=None,
                trap_exits=True,
                label=f"replica of {self.name}",
            )
        except ShardDownError:
            return
        self._replicas[_place(replica)] = replica
        for key, pid, value in self.entries:
            try:
                await _told(replica, ("add", key, pid, value))
            except (UnserializableError, MessageTooLargeError) as error:
                # Registered while no other shard was up.
                warn(log, f"registry {self.name!r}: shard {shard} cannot have key {shown(key, 200)}: {error}")

    def lost(self, pid: Pid) -> bool:
        """Take the EXIT of `pid`; tell whether it was a replica."""
        place = _place(pid)
        if self._replicas.get(place) != pid:
            return False
        del self._replicas[place]
        return True


def _place(pid: Pid) -> tuple[int, int]:
    owner = address(pid)
    return (-1, 0) if owner is None else (owner.shard, owner.incarnation)


async def _told(replica: Pid, change: tuple[object, ...]) -> bool:
    """Tell one replica; False when it is dead, of which its EXIT tells."""
    try:
        await process.send(replica, change)
    except ProcessNotFoundError:
        return False
    return True
