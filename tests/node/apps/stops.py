"""An orderly stop: what processes may still do, and what a worker does on its way out."""

from __future__ import annotations

import asyncio
import atexit
import os
import sys

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import get, get_tagged, idle, me


def _farewell() -> None:
    # No newline and no flush: what is left in the buffer must come out all the same.
    sys.stdout.write(f"[bye from {os.getpid()}]")


atexit.register(_farewell)


async def child(number: int | str) -> None:
    """Clean up with an await when the parent says so."""
    try:
        await idle()
    finally:
        await asyncio.sleep(0.1)
        print(f"child {number} cleaned", flush=True)


async def parent(where: int, ready: Pid) -> None:
    """Trap exits as a supervisor does; at the stop end the children, on the other shard, in reverse order."""
    process.process_flag("trap_exits", True)
    children = [await process.spawn_link(begun, [me(), f"{where}.{number}"], on=1 - where) for number in range(3)]
    for _ in children:
        await get_tagged("begun")
    await process.send(ready, ("ready", where))
    source = (await get_tagged("EXIT", 600))[1:]
    print(f"parent on {where} is told {source[1]}", flush=True)
    for pid in reversed(children):
        ref = await process.monitor(pid)
        await process.exit(pid, "shutdown")
        down = await get(ref=ref)
        exit_message = await get_tagged("EXIT")
        print(f"parent on {where} saw {down[4]} {exit_message[2]} {exit_message[1] == pid}", flush=True)


async def starter(where: int, ready: Pid) -> None:
    """Start a parent and leave: then it is the root of a tree."""
    await process.spawn(parent, [where, ready], trap_exits=True, on=where)


async def trees() -> None:
    """Leave a tree on each shard whose children live on the other."""
    for where in (0, 1):
        await process.spawn(starter, [where, me()], on=where)
    for _ in range(2):
        await get_tagged("ready")
    print(f"shards {os.getpid()}", flush=True)
    await idle()


async def begun(parent: Pid, number: int | str) -> None:
    """Be a child that says when it has begun."""
    await process.send(parent, ("begun",))
    await child(number)


async def returns() -> None:
    """Return; the rest of the node ends by itself, in order."""
    for where in (0, 1):
        await process.spawn(begun, [me(), where], on=where)
    for _ in range(2):
        await get_tagged("begun")


async def calls_back(to: Pid, ready: Pid) -> None:
    """In the cleanup, send a last word to a process of another shard."""
    await process.send(ready, ("begun",))
    try:
        await idle()
    finally:
        await process.send(to, ("last word",))


async def listener(ready: Pid) -> None:
    process.process_flag("trap_exits", True)
    await process.send(ready, ("begun",))
    while True:
        message = await get(600)
        if message[0] == "last word":
            print("heard the last word", flush=True)
            return


async def last_words() -> None:
    """A process of shard 1 sends in its cleanup to one on shard 0 that outlives it."""
    pid = await process.spawn(listener, [me()], on=0)
    await process.spawn(calls_back, [pid, me()], on=1)
    for _ in range(2):
        await get_tagged("begun")
    print("shards ready", flush=True)
    await idle()
