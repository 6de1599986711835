"""A test's way to the board: what every shard has published, and a shard that stands still while it is read.

A SIGKILL leaves nothing to count by: `Counter` is written once a slice, and who lived at that moment is wiped
when the supervisor reaps. So a shard is *stopped* first, with SIGSTOP, which falls between any two instructions as
SIGKILL does; read; and then killed, of which it does not wake. The birth of a process is two words, the highest
serial and the slot, and a third that says who it is: its mailbox's limit, which a test may choose. Whoever finds a
shard between these words lets it go on, and stops it again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NamedTuple, cast

import psutil

from otpnode import process
from otpnode.process.current import here
from otpnode.scheduler.board import Area, Board, Counter
from otpnode.scheduler.neighbours import Neighbours
from otpnode.scheduler.slots import REUSE_FROM

TRIES = 1000
"""How often a shard may be found in the middle of a birth, which takes it some instructions."""


class Counted(NamedTuple):
    """What the board says of one incarnation.

    Attributes:
        births: how many processes it has ever had.
        deaths: how many of them are dead.
        living: the serials of the others, each with the limit of its mailbox; 0 is the node's.
    """

    births: int
    deaths: int
    living: dict[int, int]


def _area(shard: int, incarnation: int) -> Area:
    board: Board = cast(Neighbours, here().router.outbound)._board
    area = board.area(shard, incarnation)
    assert area is not None, f"the seat of incarnation {incarnation} of shard {shard} has been given away"
    return area


def _living(area: Area) -> dict[int, int]:
    return {serial: area.windows[area.windows_at + serial % area.capacity] for serial in area.serials()}


def counted(shard: int, incarnation: int) -> Counted:
    """Read the counters of an incarnation that lives; they are exact when it has been quiet for a slice."""
    area = _area(shard, incarnation)
    return Counted(area.counter(Counter.SPAWNS), area.counter(Counter.EXITS), _living(area))


def born_by_slots(shard: int, incarnation: int) -> int | None:
    """Return the highest serial, exact at any time; None once slots are used again, and it counts births no more."""
    highest = _area(shard, incarnation).high_water
    return highest if highest < REUSE_FROM else None


async def kill_counted(shard: int, incarnation: int, os_pid: int, is_known: Callable[[int], bool]) -> Counted:
    """Kill the OS process of a shard, and return what it had; all of it is dead.

    Args:
        shard: which.
        incarnation: of it.
        os_pid: its OS process.
        is_known: tells of a serial that is not alive whether it was a process that is known.

    Raises:
        AssertionError: it has had one that is not, or that has no limit of its own.
    """
    stopped = psutil.Process(os_pid)
    for _ in range(TRIES):
        stopped.suspend()
        while stopped.status() != psutil.STATUS_STOPPED:
            await process.sleep(0.001)
        births = born_by_slots(shard, incarnation)
        assert births is not None, f"shard {shard} has had more than {REUSE_FROM} processes: its births are not known"
        living = _living(_area(shard, incarnation))
        nameless = [n for n in range(1, births + 1) if not (living[n] if n in living else is_known(n))]
        if not nameless:
            os.kill(os_pid, signal.SIGKILL)
            return Counted(births, births, living)
        stopped.resume()
        await process.sleep(0.001)  # sleep: it is in the middle of a birth, and gets a moment to end it
    raise AssertionError(f"shard {shard} has had processes that nobody has heard of: {nameless}")
