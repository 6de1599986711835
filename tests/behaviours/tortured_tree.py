"""The tree that is tortured: ten supervisors of a hundred children each, all of whom the census knows.

Each start has a number, its *ticket*, which the child is told, and which the board shows from the child's first
moment as the limit of its mailbox. The tickets of a branch's leaves begin with its own.

A child first tells the census, and traps exits until that has answered. Before, only the loss of its shard can
end it; so whoever is dead and was not lost with a shard is known to the census.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from msgspec import structs

from otpnode import ChildSpec, PartitionSupervisor, Supervisor, SupervisorSpec, child, process
from otpnode.behaviours.supervision.partition_supervisor import COUNT
from otpnode.errors import OtpnodeError, ProcessExit, ShardDownError
from otpnode.pid import Pid

SHARDS = 4
BRANCHES = 10
LEAVES = 100
MAX_RESTARTS = 1000
CENSUS = "census"
PARTS = "parts"

FIRST_TICKET = 1024
"""A supervisor's mailbox must hold some messages."""
TICKET_BITS = 16
TICKETS = "tickets"


class Told(logging.Handler):
    """Sends what supervisors of this OS process report to the census."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send the report's parts; the supervisor that reports is the process that runs."""
        fields = getattr(record, "otp", None)
        if fields is not None:
            process.send_nowait(CENSUS, ("report", fields["pid"], fields["report"], fields.get("what", "")))


def report_to_census() -> None:
    """Have the reports of this OS process sent to the census, and nowhere else."""
    log = logging.getLogger("otpnode.supervisor")
    if not any(isinstance(handler, Told) for handler in log.handlers):
        log.setLevel(logging.ERROR)
        log.handlers = [Told()]
        log.propagate = False


async def announce(sup: Pid, key: str, ticket: int) -> None:
    """Tell the census who the caller is, and return when it knows."""
    ref = process.alias()
    await process.send(CENSUS, ("born", ref, process.self(), sup, key, ticket, os.getpid()))
    await process.receive(ref=ref)
    process.unalias(ref)


# -- starts -------------------------------------------------------------------


async def numbered(
    start: Callable[..., Awaitable[Pid]], args: Sequence[object], kwargs: Mapping[str, object] | None, **options: Any
) -> Pid:
    """Start a child of the caller with a ticket; a start that fails is told to the census."""
    ticket = next(cast("Iterator[int]", process.get(TICKETS)))
    try:
        return await start(args, {**(kwargs or {}), "ticket": ticket}, mailbox_limit=ticket, **options)
    except OtpnodeError as error:
        await process.send(CENSUS, ("failed", process.self(), ticket, isinstance(error, ShardDownError)))
        raise


class Leaf:
    """What is killed most: it is born, and waits for the end."""

    @staticmethod
    async def start_link(args: list[object], kwargs: dict[str, object], **options: Any) -> Pid:
        """Start one linked to the caller."""
        return await numbered(_spawn_leaf, [process.self(), *args], kwargs, **options)


async def _spawn_leaf(args: list[object], kwargs: dict[str, object], **options: Any) -> Pid:
    return await process.spawn_link(leaf, args, kwargs, trap_exits=True, **options)


async def leaf(sup: Pid, key: str, *, ticket: int) -> None:
    """Be a leaf; what has come until the census knew ends it now, all else when it comes."""
    await announce(sup, key, ticket)
    process.process_flag("trap_exits", False)
    _, _, reason = cast("tuple[str, Pid, object]", await process.receive())
    raise ProcessExit(reason)


class _Numbered:
    """A supervisor that is started with a ticket."""

    @classmethod
    async def start_link(cls, args: Any = None, kwargs: Any = None, **options: Any) -> Pid:
        """Start one linked to the caller."""
        return await numbered(super().start_link, args, kwargs, **options)  # type: ignore[misc]


async def _begin_branch(root: Pid, number: int, ticket: int) -> None:
    report_to_census()
    process.put(TICKETS, itertools.count((ticket << TICKET_BITS) + 1))
    await announce(root, str(number), ticket)


class Branch(_Numbered, Supervisor):
    """A supervisor of leaves, on all shards; every tenth has a name."""

    async def init(self, root: Pid, number: int, *, ticket: int) -> SupervisorSpec:
        await _begin_branch(root, number, ticket)
        return SupervisorSpec(
            [
                child(Leaf, [key], id=key, name=f"leaf {key}" if at % 10 == 0 else None, on=at % SHARDS)
                for at, key in enumerate(leaves_of(number))
            ],
            max_restarts=MAX_RESTARTS,
        )


class Parts(_Numbered, PartitionSupervisor):
    """The last branch: its leaves all have names, and the process that has their number is one of them."""

    async def init(self, spec: ChildSpec, *, root: list[Pid], ticket: int, **options: Any) -> SupervisorSpec:  # type: ignore[override]
        await _begin_branch(root[0], BRANCHES - 1, ticket)
        plan = super().init(spec, **options)
        count, *parts = plan.children
        return structs.replace(plan, children=[structs.replace(count, start=Leaf, args=["part.of"]), *parts])


class Root(Supervisor):
    """The supervisor of the branches; some live beside it, some on shards that are killed."""

    async def init(self, main: Pid) -> SupervisorSpec:
        report_to_census()
        process.put(TICKETS, itertools.count(FIRST_TICKET))
        me = cast(Pid, process.self())
        await announce(main, "root", 0)
        return SupervisorSpec(
            [
                *(
                    child(Branch, [me, number], id=str(number), on=0 if number < 6 else number % SHARDS)
                    for number in range(BRANCHES - 1)
                ),
                child(
                    Parts,
                    [child(Leaf, ["part."])],
                    {"partitions": LEAVES, "max_restarts": MAX_RESTARTS, "root": [me]},
                    id=str(BRANCHES - 1),
                    name=PARTS,
                ),
            ],
            max_restarts=MAX_RESTARTS,
        )


def leaves_of(number: int) -> list[str]:
    """Return the ids of a branch's leaves."""
    if number == BRANCHES - 1:
        return [COUNT, *(str(at) for at in range(LEAVES))]
    return [f"{number}.{at}" for at in range(LEAVES)]
