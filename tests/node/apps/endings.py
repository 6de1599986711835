"""All the ways a program of ``otpnode start`` can end."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import cast

import otpnode
from otpnode import GenServer, Supervisor, child, process
from otpnode.process import Pid, ProcessExit
from tests.node.apps.tools import get_tagged, idle, kill_shard, me, tell_os_pid, until, up_again

not_callable = 42


async def returns() -> None:
    print("ran", flush=True)


async def returns_text() -> str:
    return "pid_of_nobody"


async def watched() -> bool:
    """Tell whether somebody waits for the caller's end, as main does for the process it returned."""
    return bool(await process.process_info(me(), "monitored_by"))


async def ends_with(reason: object) -> None:
    await until(watched, "main's watch")
    raise ProcessExit(reason)


async def crashes() -> None:
    await until(watched, "main's watch")
    raise ValueError("the tree fell")


async def returns_pid(how: str, where: str) -> Pid:
    """Return the pid of a process that ends a moment later."""
    if how == "crash":
        return await process.spawn(crashes, on=int(where))
    if how == "lost":
        pid = await process.spawn(idle, on=int(where))
        await process.spawn(tell_os_pid, [process.self()], on=int(where))
        os_pid = cast(int, (await get_tagged("os_pid"))[2])
        await process.spawn(kill_once_watched, [os_pid, pid], on=0)
        return pid
    return await process.spawn(ends_with, [("shutdown", "enough") if how == "shutdown tuple" else how], on=int(where))


async def kill_once_watched(os_pid: int, pid: Pid) -> None:
    async def is_watched() -> bool:
        return bool(await process.process_info(pid, "monitored_by"))

    await until(is_watched, "main's watch")
    os.kill(os_pid, signal.SIGKILL)


async def exits(code: str) -> None:
    raise SystemExit({"none": None}.get(code, int(code) if code.lstrip("-").isdigit() else code))


async def exits_process(reason: str) -> None:
    raise ProcessExit(reason)


async def stops(code: str, where: str) -> None:
    await process.spawn(stopper, [int(code)], on=int(where))
    await idle()


async def stops_by_default() -> None:
    otpnode.stop()
    await idle()


async def stopper(code: int) -> None:
    otpnode.stop(code)
    await idle()


async def raises() -> None:
    raise LookupError("what main looked for")


async def is_killed() -> None:
    """Be main, and lose the shard."""
    await process.spawn(tidy, [1, me()], on=1)
    await get_tagged("begun")
    os.kill(os.getpid(), signal.SIGKILL)


async def kills(shards: str, times: str) -> None:
    """Kill shards in turn, each when it is back, `times` in all; then wait."""
    victims = [int(one) for one in shards.split(",")]
    incarnations = dict(await process.subscribe_shards())
    for number in range(int(times)):
        victim = victims[number % len(victims)]
        await kill_shard(victim)
        print(f"killed {number + 1}", flush=True)
        if number + 1 < int(times):
            incarnations[victim] = await up_again(victim, incarnations[victim])
    await idle()


async def _clean_up(what: str) -> None:
    print(f"main {what}", flush=True)
    await asyncio.sleep(0.2)
    print("main cleaned", flush=True)


async def waits() -> None:
    """Live until stopped, and clean up with an await."""
    await process.spawn(tidy, [1], on=1)
    print(f"main on {os.getpid()}\nwaiting", flush=True)
    try:
        await idle()
    finally:
        await _clean_up("stopping")


async def waits_alone() -> None:
    print("waiting", flush=True)
    await idle()


async def tidy(number: int, main: Pid | None = None) -> None:
    try:
        if main is not None:
            await process.send(main, ("begun",))
        print(f"tidy {number} waiting", flush=True)
        await idle()
    finally:
        await asyncio.sleep(0.2)
        print(f"tidy {number} cleaned", flush=True)


async def refuses(where: str) -> None:
    """Have a process that swallows every cancellation."""
    await process.spawn(stubborn, on=int(where))
    await idle()


async def stubborn() -> None:
    print("refusing", flush=True)
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("swallowed", flush=True)


def plain() -> None:
    return


class Database(GenServer[None, object, None]):
    """A server that never starts."""

    def init(self) -> None:
        raise RuntimeError("no database")


async def starts_a_bad_server() -> object:
    return await Database.start_link()


async def starts_a_bad_tree() -> object:
    return await Supervisor.start_link([child(Database)])
