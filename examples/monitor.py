"""A monitor: try something risky in a process of its own, and learn how it ended.

What it shows: the failure of a process is a message, ``('DOWN', ref, 'process', pid,
reason)``, and the reason is the exception itself, on one event loop as across OS
processes. The one who watches goes on. (otpnode also logs the crash, on stderr.)

    otpnode start --schedulers 2 --app-dir examples monitor:main
    python examples/monitor.py --schedulers 2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine

import otpnode
from otpnode import process
from otpnode.pid import Pid

Operation = Callable[[Pid, int, int], Coroutine[object, object, None]]


async def risky_operation(parent: Pid, dividend: int, divisor: int) -> None:
    """Divide and tell the parent."""
    await process.send(parent, ("result", dividend / divisor))


async def forgetful_operation(parent: Pid, dividend: int, divisor: int) -> None:
    """End without a word, as if it were done."""


async def endless_operation(parent: Pid, dividend: int, divisor: int) -> None:
    """Say that it has begun, then wait for ever."""
    await process.send(parent, ("begun", process.self()))
    await process.receive()


def handle_failure(reason: object) -> str:
    """Put a reason into words."""
    if isinstance(reason, ZeroDivisionError):
        return f"failed: {type(reason).__name__}: {reason}"
    return f"ended without a result: {reason!r}"


async def monitored_operation(func: Operation, dividend: int, divisor: int) -> str:
    """Run `func` in a process, watched; return its result or how it failed."""
    pid, ref = await process.spawn_monitor(func, [process.self(), dividend, divisor])
    while True:
        match await process.receive(timeout=30):
            case ("DOWN", down_ref, "process", _, reason) if down_ref == ref:
                return handle_failure(reason)
            case ("result", value):
                await process.demonitor(ref, flush=True)
                return f"returned {value}"
            case ("begun", _):
                await process.exit(pid, "kill")


async def main(*argv: str) -> None:
    """Go through one success and three failures."""
    print("10 / 4", await monitored_operation(risky_operation, 10, 4))
    print("10 / 0", await monitored_operation(risky_operation, 10, 0))
    print("a forgetful one", await monitored_operation(forgetful_operation, 10, 4))
    print("an endless one, killed,", await monitored_operation(endless_operation, 10, 4))
    me = process.self()
    print("and main is alive:", me is not None and process.is_alive(me))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    otpnode.run(main, schedulers=parser.parse_args().schedulers)
