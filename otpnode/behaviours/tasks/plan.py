"""`Task.map` in four parts, and what they say to each other.

::

    map.py             coordinator.py           foreman.py           runner.py
    caller  ──next──▶  coordinator  ──batch──▶  foreman  ──spawn──▶  runner
            ◀─results─ beside its caller ◀─report─ one a shard  ◀─values─ one a chunk

The caller pulls items, because an iterator may ask who runs it, or receive. Everything
runs under the coordinator, which is linked to its foremen and only watches its caller:
nothing that happens down there can end the caller, and its end ends them. A foreman
starts runners on its own shard, where that costs a fraction of a spawn across shards, and
sends their values in batches.

Rejected: spawning each item's process from the caller's shard, one round trip each;
and a pool of workers that live on, in which a timeout could end an item only together
with its neighbours.

What is between the parts is an item's number, counted from 0. A *batch* is what travels
to a shard at once; a *chunk* what one process runs. With ``chunk=1`` a batch of small
items still becomes one process an item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from otpnode.pid import Pid

ITEMS = "items"
"""``('items', first, [item, …])`` to the coordinator: pulled."""
END = "end"
"""``('end', count)`` to the coordinator: there are no more than these."""
NEXT = "next"
"""``('next', count)``, the request of a call to the coordinator: so many were pulled; answered by `Results`."""
HIRED = "hired"
"""``('hired', shard, pid | exception)`` from the coordinator to itself: a foreman has, or has not, started."""
WORK = "work"
"""``('work', first, [item, …])`` to a foreman."""
SENT = "sent"
"""``('sent', first, reports)`` behind it, in scalars: if the items cannot be read there, this can. It also tells
how many reports have come, which the foreman need not keep any longer."""
LOST = "lost"
"""``('lost', foreman, first)`` from a foreman: the batch could not be read; its items come again, each on its own."""
REPORT = "report"
"""``('report', foreman, number, [Part, …], [pid, …])`` from a foreman: what is done, and the runners at work.
`number` counts those with parts, and a gap tells of one that could not be read; 0 beside the coordinator, and for
what comes again."""
IDLE = "idle"
"""``('idle', foreman, number)`` behind the report after which a foreman has nothing to do."""
AGAIN = "again"
"""``('again', number)`` to a foreman: send the values of that report, each on its own."""
GONE = "gone"
"""``('gone', foreman, first, count)`` behind those values, in scalars: what has not come now never will."""
VALUES = "values"
"""``('values', pid, [value, …], failed, seconds)`` from a runner to its foreman."""
PROBE = "probe"
"""``('probe', object)`` from a foreman to itself: does the same object come, or a copy?"""
PASSED = "passed"
"""``('passed', pid, left)`` behind each value of a runner where messages are copied, in scalars: so many items of the
process are behind it. If the value has not come by now it could not be rebuilt."""

Chunk = int | Literal["auto"]


class Plan(Struct, frozen=True):
    """What is to be done with each item.

    Attributes:
        func: the function.
        timeout: seconds for an item; None for any time.
        single: one process an item, whatever the size of a batch.
    """

    func: Callable[..., object]
    timeout: float | None
    single: bool


class Order(Struct, frozen=True):
    """What the coordinator is told.

    Attributes:
        plan: what to do with an item.
        chunk: as `Task.map`.
        limit: processes at once.
        ordered: whether results leave in the order of the items.
        on: as `Task.map`.
        length: how many items there are, where that is known.
    """

    plan: Plan
    chunk: Chunk
    limit: int
    ordered: bool
    on: str | int
    length: int | None


Part = tuple[int, list[object], bool, float]
"""``(first, values, failed, seconds)``: values of adjacent items, whether a `Failure` is among them, time taken."""


class Results(Struct, frozen=True):
    """The answer to `NEXT`.

    Attributes:
        parts: what is done.
        room: how many more items to pull.
        over: nothing more will come.
    """

    parts: list[Part]
    room: int
    over: bool


class Foreman(Struct):
    """What the coordinator knows of a foreman.

    Attributes:
        pid: its process.
        shard: where.
        slots: runners it has at once.
        held: batches handed to it and not done, by their first items.
        reports: how many with parts it has sent, as far as is known.
        runners: the pids at work, as last reported.
        reachable: False once a message could not be sent.
    """

    pid: Pid
    shard: int
    slots: int
    held: dict[int, Batch]
    reports: int
    runners: list[Pid]
    reachable: bool = True


class Batch(Struct):
    """Items handed to one foreman.

    Attributes:
        first: number of the first.
        size: how many.
        items: themselves, where they may have to be sent again.
        missing: the numbers of those without a value, once some but not all have one.
    """

    first: int
    size: int
    items: list[object]
    missing: set[int] | None = None

    def done(self, first: int, count: int) -> bool:
        """Take note of values; True when none is missing any more."""
        if count == self.size:
            return True
        if self.missing is None:
            self.missing = set(range(self.first, self.first + self.size))
        self.missing.difference_update(range(first, first + count))
        return not self.missing

    def left(self) -> list[int]:
        """Return the numbers of the items without a value."""
        return sorted(self.missing) if self.missing is not None else list(range(self.first, self.first + self.size))
