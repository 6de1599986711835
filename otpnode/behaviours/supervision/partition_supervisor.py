"""PartitionSupervisor: the same child once per shard, and the right one for a key.

::

    await PartitionSupervisor.start_link([child(KV)], name="kvs")
    await KV.call(PartitionSupervisor.via("kvs", "alice"), Get("alice"))

Whoever has a key finds its partition by itself: partition k of ``n`` is registered as
``"<name>/<k>"``, so a call costs one more look into the shard's own replica of names
and asks nobody. What the caller must know is ``n``, and it must know it while
partitions are down, too; so a small process beside them has the number in its name,
``"<name>/of/<n>"``. Rejected: asking the supervisor, which is busy just when
partitions restart, and would wait for itself when a partition's init asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal, Unpack

from msgspec import UNSET, UnsetType, structs

from otpnode import process
from otpnode.behaviours.common.control import Name, Server
from otpnode.behaviours.supervision.specs import ChildInfo, ChildSpec, SupervisorSpec, check_spec, child
from otpnode.behaviours.supervision.supervising import StartOptions, Supervising, arguments
from otpnode.behaviours.supervision.tree import supervise
from otpnode.pid import Pid

MAX_PARTITIONS = 1024

COUNT = "partitions"
"""The id of the child whose name holds their number."""


class Partition(Name, frozen=True):
    """The partition of `key` under the supervisor `name`: a server, wherever one is asked for."""

    name: str
    key: object

    async def whereis(self) -> Pid | None:
        """Return its pid; None while it is down."""
        count = how_many(self.name)
        return None if count is None else process.whereis(f"{self.name}/{partition_of(self.key, count)}")


class PartitionSupervisor(Supervising):
    """Supervisor of equal children, each of which has its part of the keys.

    Guarantees:
        Partition k lives on shard k (modulo the number of shards) whenever it is started
        while that shard is up, else on another (SEMANTICS SV-10). A key has the same
        partition everywhere, for as long as their number is the same.
    """

    _body = staticmethod(supervise)

    def init(self, spec: ChildSpec, *, name: str, partitions: int, **rest: Any) -> SupervisorSpec:
        """Return the partitions, and before them the process that has their number in its name."""
        count = child(hold_number, id=COUNT, name=f"{name}/of/{partitions}", on="local", shutdown="brutal_kill")
        shards = process.schedulers()
        return SupervisorSpec(
            [count, *(structs.replace(spec, id=k, name=f"{name}/{k}", on=k % shards) for k in range(partitions))],
            **rest,
        )

    @classmethod
    async def start_link(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        partitions: int | Literal["shards"] = "shards",
        max_restarts: int | UnsetType = UNSET,
        max_seconds: float | UnsetType = UNSET,
        **options: Unpack[StartOptions],
    ) -> Pid:
        """Start the partitions, linked to the caller, and wait until all run.

        Args:
            args: ``[child(…)]``, what each partition is; its `id`, `name` and `on` are set here.
            kwargs: `partitions`, `max_restarts` and `max_seconds`, as an alternative.
            partitions: their number; ``'shards'`` for one a shard.
            max_restarts: how many restarts within `max_seconds` are borne (SV-04).
            max_seconds: the window.
            options: `name`, which it must have, a `str`; `on`, `timeout`, `mailbox_limit` and
                `label`, as of `Startable.start_link`.

        Raises:
            ValueError, TypeError: no name, not one child, a bad number; nothing was started.
            StartError, AlreadyStartedError, NotInProcessError: as of `Supervisor.start_link`.
        """
        return await super().start_link(
            *_arguments(args, kwargs, options.get("name"), partitions, max_restarts, max_seconds), **options
        )

    @classmethod
    async def start(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        partitions: int | Literal["shards"] = "shards",
        max_restarts: int | UnsetType = UNSET,
        max_seconds: float | UnsetType = UNSET,
        **options: Unpack[StartOptions],
    ) -> Pid:
        """Start without a link, also from outside a process; arguments and errors as `start_link`."""
        return await super().start(
            *_arguments(args, kwargs, options.get("name"), partitions, max_restarts, max_seconds), **options
        )

    @staticmethod
    def via(name: str, key: object) -> Name:
        """Return the partition of `key` under the supervisor `name`: a server for calls, casts and the rest.

        Raises:
            TypeError: no stable hash can be made of `key`; see `partition_of`.
        """
        _encoded(key)
        return Partition(name, key)

    @staticmethod
    def partitions(name: str) -> int:
        """Return how many partitions the supervisor `name` has; 0 when there is none."""
        return how_many(name) or 0

    @staticmethod
    async def which_children(sup: Server) -> list[ChildInfo]:
        """Return every partition, the last one first; their ids are the numbers from 0."""
        return [info for info in await Supervising.which_children(sup) if info.id != COUNT]

    @staticmethod
    async def count_children(sup: Server) -> dict[str, int]:
        """Return how many ``'specs'``, ``'active'`` partitions, ``'supervisors'`` and ``'workers'`` there are."""
        infos = await PartitionSupervisor.which_children(sup)
        return {
            "specs": len(infos),
            "active": sum(info.pid not in (None, "restarting") for info in infos),
            "supervisors": sum(info.type == "supervisor" for info in infos),
            "workers": sum(info.type == "worker" for info in infos),
        }


def _arguments(
    args: object,
    kwargs: Mapping[str, object] | None,
    name: object,
    partitions: object,
    max_restarts: object,
    max_seconds: object,
) -> tuple[list[Any], dict[str, Any]]:
    given = {"max_restarts": max_restarts, "max_seconds": max_seconds}
    found, named = arguments(args, {"partitions": partitions, **(kwargs or {})}, given)
    if not isinstance(name, str) or not name:
        raise ValueError("a PartitionSupervisor needs a name, by which its partitions are found: name='kvs'")
    if len(found) != 1:
        raise ValueError(f"a PartitionSupervisor takes one child, what each partition is, not {len(found)}")
    check_spec(found[0])
    if found[0].name is not None:
        raise ValueError(f"partitions get names of their own; give the child no name, not {found[0].name!r}")
    if named["partitions"] == "shards":
        named["partitions"] = process.schedulers()
    count = named["partitions"]
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MAX_PARTITIONS:
        raise ValueError(f"partitions is 'shards' or a number from 1 to {MAX_PARTITIONS}, not {count!r}")
    SupervisorSpec(**{key: named[key] for key in given if key in named})
    return found, {**named, "name": name}


async def hold_number() -> None:
    """Exist, so that the name exists."""
    await asyncio.Event().wait()


def how_many(name: str) -> int | None:
    """Return the number of partitions of the supervisor `name`, from this shard's replica of names."""
    shards = process.schedulers()
    if process.whereis(f"{name}/of/{shards}") is not None:
        return shards
    if process.whereis(name) is None:
        return None
    return next((n for n in range(1, MAX_PARTITIONS + 1) if process.whereis(f"{name}/of/{n}") is not None), None)


# -- keys ---------------------------------------------------------------------


def partition_of(key: object, partitions: int) -> int:
    """Return the partition of `key`, the same in every OS process and every run.

    Args:
        key: a `str`, `bytes`, `int`, `float`, `bool`, None, or a tuple of such.
        partitions: how many there are.

    Raises:
        TypeError: a key of another type: ``hash()`` differs from one OS process to the next,
            and a `repr` need not say all.

    Guarantees:
        Keys that are equal, as keys of a dict are, have the same partition: 1, 1.0 and True do.
    """
    return int.from_bytes(blake2b(_encoded(key), digest_size=8).digest(), "big") % partitions


def _encoded(key: object) -> bytes:
    if isinstance(key, str):
        return b"s" + key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return b"b" + key
    if isinstance(key, float) and not key.is_integer():
        return b"f" + key.hex().encode()
    if isinstance(key, (int, float)):
        return b"i%x" % int(key)
    if key is None:
        return b"n"
    if isinstance(key, tuple):
        parts = [_encoded(part) for part in key]
        return b"t" + b"".join(b"%d:" % len(part) + part for part in parts)
    raise TypeError(
        f"no stable hash can be made of a {type(key).__name__}, so it cannot be the key of a partition; "
        "give a str, bytes, a number, None, or a tuple of such"
    )
