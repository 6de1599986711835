"""How one program is run on a node, and what is checked behind it.

The program is a process of its own, and its end is that of a test in Erlang: whatever value it
returns, it leaves with ``'shutdown'``, so that everything linked to it ends with it, supervisors in
their order. Who is there then was linked to nobody, and is a leak.

The value, or the exception, comes out by a box that lives outside the node's mailboxes: a reason
would tell every linked process of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from otpnode.errors import ProcessExit
from otpnode.process.current import here
from otpnode.process.hosting import run_main
from otpnode.process.interrupted import Interrupted
from otpnode.reasons import mend
from otpnode.testing.leaks import processes_left
from otpnode.testing.stillness import described, shards_here
from otpnode.testing.topology import Program

REMEDY = (
    "link it to the program (spawn_link, start_link), end it before the program returns, "
    "or allow it: @pytest.mark.otpnode(leaks=True)"
)
LOOK_SECONDS = 0.2
OVERTIME_SECONDS = 1.0
"""How much later than the program's time is up what never awaits is interrupted."""


class Box:
    """What a program came to."""

    def __init__(self) -> None:
        self.returned = False
        self.value: object = None
        self.error: BaseException | None = None
        self.reason: object = None


async def conduct(
    program: Program,
    args: Sequence[object],
    within: float,
    *,
    over: Callable[[], object] = lambda: None,
    os_processes: bool = False,
    leaks: bool = False,
) -> object:
    """Run ``program(*args)`` as a process of the shard here; return what it returned or raise what it raised.

    Args:
        program: a coroutine function.
        args: its arguments.
        within: seconds of real time.
        over: called when the program has ended, before leaks are looked for.
        os_processes: this is main of a node whose shards have OS processes of their own.
        leaks: what the program leaves behind is nobody's business.

    Raises:
        TimeoutError: it took longer.
        AssertionError: it left processes behind, or was ended half-way.
    """
    box = Box()
    with _loops_interrupted(within + OVERTIME_SECONDS) as interrupted:
        end = await run_main(here(), _perform, (box, program, args, within), lambda pid: None)
    over()
    left = [] if leaks else await processes_left(os_processes=os_processes)
    if box.error is not None:
        if left:
            box.error.add_note("left behind: " + "; ".join(left))
        raise box.error
    if not box.returned:
        if interrupted:
            raise TimeoutError(f"{_late(program, within)}: {', '.join(interrupted)} computed without awaiting")
        raise _ended_early(program, end.ended_badly if box.reason is None else box.reason)
    if left:
        raise AssertionError(f"{_name(program)} left behind:\n" + "\n".join([*left, REMEDY]))
    return box.value


@contextmanager
def _loops_interrupted(seconds: float) -> Iterator[list[str]]:
    """After `seconds`, kill whatever holds a loop here: no timeout of the loop's own would come through.

    Yields whom it was. One that is met running twice in a row has held the loop all the time, or nearly.
    """
    interrupted: list[str] = []
    done = threading.Event()
    watchdogs = {shard: shard.watchdog for shard in shards_here()}

    def watch() -> None:
        met: set[str] = set()
        wait = seconds
        while not done.wait(wait):
            running = {shard: shard.running for shard in watchdogs}
            for shard, proc in running.items():
                if proc is not None and proc.pid in met:
                    interrupted.append(described(proc))
                    watchdogs[shard].order(0, proc.pid)
            met = {proc.pid for proc in running.values() if proc is not None}
            wait = LOOK_SECONDS

    thread = threading.Thread(target=watch, name="otpnode.testing", daemon=True)
    thread.start()
    try:
        yield interrupted
    finally:
        done.set()
        thread.join()


async def _perform(box: Box, program: Program, args: Sequence[object], within: float) -> None:
    """Be the process that runs the program."""
    try:
        async with asyncio.timeout(within) as bound:
            box.value = await cast("asyncio.Future[object]", program(*args))
        box.returned = True
    except ProcessExit as exit_:
        box.reason = exit_.reason
        raise
    except (asyncio.CancelledError, GeneratorExit, Interrupted):
        raise
    except BaseException as error:
        if isinstance(error, TimeoutError) and bound.expired():
            error = TimeoutError(_late(program, within))
        box.error = error
    raise ProcessExit("shutdown")


def _late(program: Program, within: float) -> str:
    """Say that its time was up."""
    return f"{_name(program)} did not end within {within:g} s"


def _ended_early(program: Program, reason: object) -> BaseException:
    if isinstance(reason, BaseException):
        return mend(reason)
    said = "in an orderly way" if reason is None else f"by {reason!r}"
    return AssertionError(f"{_name(program)} was ended half-way {said}")


def _name(program: Program) -> str:
    return str(getattr(program, "__qualname__", program))
