"""Registry: processes found by keys of any kind, a key for one process or for many.

::

    await Registry.start_link(name="rooms", keys="unique")
    await Room.start(["lobby"], name=Via("rooms", "lobby"))
    await Room.call(Via("rooms", "lobby"), "who is there?")

One process, the registry, decides who has a key (`otpnode.behaviours.naming.registrar`); a
replica on every shard (`otpnode.behaviours.naming.replica`) lets everybody there look without
a message.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from msgspec import UNSET, UnsetType

from otpnode import process
from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import NO_REPLY, Name, Sender, Stop
from otpnode.behaviours.naming.entries import Entries, Entry
from otpnode.behaviours.naming.registrar import DUPLICATE, Registrar
from otpnode.behaviours.naming.replica import entries_here
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.specs import one_of
from otpnode.errors import AlreadyRegisteredError, CallExit, NotInProcessError, ProcessNotFoundError
from otpnode.pid import Pid
from otpnode.reasons import NOCONNECTION, is_quiet

Keys = Literal["unique", "duplicate"]

KEYS = ("unique", "duplicate")


class Registry(GenServer[Registrar, tuple[Any, ...], object]):
    """A registry; `on` is ``'local'``, so that its death does not come with that of another shard.

    Guarantees:
        An entry goes when its process or that one's shard dies, before or after the
        DOWN of it (SEMANTICS PG-01, PG-02). When the registry dies, all entries go,
        and those who had some get its exit signal: they end, or trap it and register
        again when there is a new one.
    """

    on: ClassVar[str | int] = "local"
    trap_exits: ClassVar[bool] = True

    # -- starting -------------------------------------------------------------

    @classmethod
    async def start_link(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        keys: Keys | UnsetType = UNSET,
        name: str | Name | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
        trap_exits: bool | None = None,
    ) -> Pid:
        """Start a registry linked to the caller, with a replica on every shard.

        Args:
            args: none.
            kwargs: ``{'keys': …}``, for a child spec.
            keys: ``'unique'`` (the default): a key has one process; ``'duplicate'``: any number.
            name: what it is called from now on; a plain name, and needed.
            on: where it lives.
            timeout: seconds the start may take; None for ever.
            mailbox_limit: bound on queued messages.
            label: shown in logs.
            trap_exits: as the class says.

        Raises:
            AlreadyStartedError: `name` is taken.
            ValueError, TypeError: no name, or `keys` is neither of the two.
            StartError, NotInProcessError: as ``GenServer.start_link``.
        """
        return await super().start_link(
            args, _given(kwargs, keys, name), name=name, on=on, timeout=timeout,
            mailbox_limit=mailbox_limit, label=label, trap_exits=trap_exits,
        )  # fmt: skip

    @classmethod
    async def start(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        keys: Keys | UnsetType = UNSET,
        name: str | Name | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
        trap_exits: bool | None = None,
    ) -> Pid:
        """Start a registry without a link, also from outside a process; arguments and errors as `start_link`."""
        return await super().start(
            args, _given(kwargs, keys, name), name=name, on=on, timeout=timeout,
            mailbox_limit=mailbox_limit, label=label, trap_exits=trap_exits,
        )  # fmt: skip

    # -- for the caller -------------------------------------------------------

    @staticmethod
    async def register(registry: str, key: Hashable, value: object = None) -> None:
        """Register the calling process under `key`, with a `value` for those who look it up.

        Raises:
            AlreadyRegisteredError: keys are unique and a process has it, even the caller.
            ProcessNotFoundError: no such registry.
            UnserializableError: key or value cannot travel to another shard; nothing was registered.
            NotInProcessError: called outside a process.

        Guarantees:
            The caller's shard has the entry when this returns, the others soon after.
            One process may have many keys, and with duplicate keys one key many times
            (SEMANTICS PG-02). Links the caller and the registry.
        """
        if process.self() is None:
            raise NotInProcessError("Registry.register registers the caller, and must be called from inside a process")
        await _change(registry, ("register", key, value))

    @staticmethod
    async def unregister(registry: str, key: Hashable) -> None:
        """Remove every entry of the calling process under `key`; nothing happens when there is none.

        Raises:
            ProcessNotFoundError: no such registry.
            NotInProcessError: called outside a process.

        Guarantees:
            The caller's shard has none of them when this returns, the others soon after.
        """
        if process.self() is None:
            raise NotInProcessError("Registry.unregister is about the caller, and must be called from inside a process")
        await _change(registry, ("unregister", key))

    @staticmethod
    async def dispatch(registry: str, key: Hashable, func: Callable[[list[Entry]], object]) -> None:
        """Call ``func([(pid, value), …])`` in the caller; not at all when `key` has no entries.

        Args:
            registry: its name.
            key: whose entries.
            func: plain or async. Some of the pids may die before it comes to them:
                ``GenServer.cast`` does not mind, ``process.send`` raises ProcessNotFoundError.

        Raises:
            ProcessNotFoundError: no such registry.
            Exception: what `func` raised.
        """
        entries = Registry.lookup(registry, key)
        if not entries:
            return
        done = func(entries)
        if hasattr(type(done), "__await__"):
            await cast(Any, done)

    @staticmethod
    def lookup(registry: str, key: Hashable) -> list[Entry]:
        """Return the entries ``[(pid, value), …]`` of `key`, in no particular order.

        Raises:
            ProcessNotFoundError: no such registry.

        Guarantees:
            Plain: reads the replica of the caller's shard. Nobody whose DOWN or EXIT has been seen is in it.
        """
        return [entry for entry in _read(registry).of(key) if process.is_alive(entry[0])]

    @staticmethod
    def keys(registry: str, pid: Pid) -> list[Hashable]:
        """Return the keys of `pid`, as the replica of the caller's shard has them; raises as `lookup`."""
        return _read(registry).keys(pid)

    @staticmethod
    def count(registry: str) -> int:
        """Return the number of entries, as the replica of the caller's shard has it; raises as `lookup`."""
        return _read(registry).count

    # -- the registry's own process -------------------------------------------

    async def init(self, registry: str, keys: Keys = "unique") -> Registrar:
        """Make a replica on every shard that is up."""
        one_of("keys", keys, KEYS)
        process.process_flag("trap_exits", True)
        return await Registrar.at_work(registry, unique=keys == "unique")

    async def handle_call(self, request: tuple[Any, ...], sender: Sender, /) -> object:
        """Decide, tell the replicas, and answer by way of the caller's."""
        registrar, pid = self.state, sender[0]
        unique = registrar.entries.unique
        match request:
            case ("whereis", key):
                return ("ok", registrar.holder(key)) if unique else DUPLICATE
            case ("claim", key):
                answer = await registrar.register(key, pid, None) if unique else DUPLICATE
            case ("register", key, value):
                answer = await registrar.register(key, pid, value)
            case ("unregister", key):
                answer = await registrar.unregister(key, pid)
            case _:
                raise ValueError(f"unknown request to registry {registrar.name!r}: {request!r:.200}")
        await registrar.answer(sender, answer)
        return NO_REPLY

    async def handle_info(self, message: Any, /) -> Stop[Any] | None:
        """Take deaths, and news of shards; a replica that fails ends the registry."""
        match message:
            case ("DOWN", ref, _, pid, _):
                await self.state.gone(pid, ref)
            case ("shard_up", shard, _):
                await self.state.replicate(shard)
            case ("EXIT", pid, reason) if self.state.lost(pid):
                if not is_quiet(reason) and not (type(reason) is str and reason == NOCONNECTION):
                    return Stop(reason)
        return None


class Via(Name, frozen=True):
    """The process that has `key` in a registry with unique keys: a server, or the name of a start.

    Guarantees:
        A key that the replica of the caller's shard does not have is asked for at the
        registry, before it is ``'noproc'`` (SEMANTICS PG-02).
    """

    registry: str
    key: Hashable

    async def whereis(self) -> Pid | None:
        """Return who has the key, or None; also None when there is no such registry.

        Raises:
            ValueError: the registry has duplicate keys.
        """
        entries = entries_here(self.registry)
        if entries is not None and entries.unique:
            found = next((pid for pid, _ in entries.of(self.key) if process.is_alive(pid)), None)
            if found is not None:
                return found
        owner = process.whereis(self.registry)
        if owner is None:
            return None
        try:
            answer = await wire.call(owner, ("whereis", self.key), None)
        except CallExit:
            return None
        return cast("Pid | None", _checked(self.registry, answer)[-1])

    async def claim(self) -> None:
        """Register the caller under the key.

        Raises:
            AlreadyRegisteredError: a process has it.
            ProcessNotFoundError: no such registry.
            ValueError: the registry has duplicate keys.
        """
        await _change(self.registry, ("claim", self.key))


# -- the caller's side --------------------------------------------------------


def _given(kwargs: Mapping[str, object] | None, keys: object, name: object) -> dict[str, object]:
    if not isinstance(name, str):
        raise TypeError(f"a registry is found by its name: give start_link(name='...'), a str, not {name!r}")
    given = {**(kwargs or {}), "registry": name}
    if keys is not UNSET:
        given["keys"] = keys
    one_of("keys", cast(str, given.get("keys", "unique")), KEYS)
    return given


def _read(registry: str) -> Entries:
    entries = entries_here(registry)
    if entries is None:
        _owner(registry)
        # A shard that has just come up gets its replica soon.
        return Entries(unique=True)
    return entries


def _owner(registry: str) -> Pid:
    owner = process.whereis(registry)
    if owner is None:
        raise ProcessNotFoundError(
            f"no registry {registry!r} runs; start one with Registry.start_link(name={registry!r})"
        )
    return owner


async def _change(registry: str, request: tuple[Any, ...]) -> None:
    hash(request[1])
    _checked(registry, await wire.call(_owner(registry), request, None))


def _checked(registry: str, answer: object) -> tuple[Any, ...]:
    match answer:
        case ("taken", pid):
            raise AlreadyRegisteredError(pid)
        case ("failed", error):
            raise cast(BaseException, error)
        case ("duplicate", _):
            raise ValueError(f"registry {registry!r} has duplicate keys; a Via needs a registry with unique ones")
    return cast("tuple[Any, ...]", answer)
