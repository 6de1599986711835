"""Processes that never await, and who ends them: a script for one loop and for two shards."""

from __future__ import annotations

import sys
import threading
from typing import cast

import otpnode
from otpnode import process
from otpnode.process import Pid, Ref


async def spins(parent: Pid) -> None:
    """Say that it begins, then hold the shard."""
    await process.send(parent, "spinning")
    number = 0
    while True:
        number += len(str(number)) and 1


async def swallows(parent: Pid, times: int) -> None:
    """Hold the shard, and shrug off what is raised in it a few times."""
    await process.send(parent, "spinning")
    swallowed = 0
    while True:
        try:
            while True:
                len(str(swallowed))
        except BaseException:
            swallowed += 1
            if swallowed > times:
                raise


async def ends_itself() -> None:
    """Arm a deadline for itself, then hold the shard."""
    process.exit_after(0.1, cast(Pid, process.self()), "kill")
    while True:
        len("spinning")


async def lives_on(parent: Pid) -> None:
    """Be a neighbour: answer what comes."""
    while True:
        await process.send(parent, ("answer", await process.receive()))


async def is_killed(ref: Ref) -> None:
    """Expect the DOWN of a killed process."""
    down = cast("tuple[object, ...]", await process.receive(timeout=20, ref=ref))
    assert down[4] == "killed", down


async def across_shards(me: Pid) -> None:
    """Kill from another shard: plain loops, a swallowing one, two at once; a neighbour is unharmed."""
    neighbour = await process.spawn(lives_on, [me], on=1)
    for func, args in ((spins, [me]), (swallows, [me, 2])):
        pid, ref = await process.spawn_monitor(func, cast("list[object]", args), on=1)
        assert await process.receive(timeout=20) == "spinning"
        await process.exit(pid, "kill")
        await is_killed(ref)
    await process.send(neighbour, "hello")
    assert await process.receive(timeout=20) == ("answer", "hello")


async def main() -> str:
    """Go through all of it."""
    me = cast(Pid, process.self())
    if process.schedulers() > 1:
        await across_shards(me)
    _, ref = await process.spawn_monitor(ends_itself, on="local")
    await is_killed(ref)
    pid, ref = await process.spawn_monitor(spins, [me], on="local")
    killer = threading.Timer(0.1, lambda: process.call_threadsafe(process.exit, pid, "kill"))
    killer.start()
    assert await process.receive(timeout=20) == "spinning"
    await is_killed(ref)
    harmless = process.exit_after(0.2, me, "kill")
    assert await process.cancel_timer(harmless)
    await process.sleep(0.4)
    return "all killed"


if __name__ == "__main__":
    assert otpnode.run(main, schedulers=int(sys.argv[1])) == "all killed"
