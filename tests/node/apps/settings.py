"""What the options of ``otpnode start`` do."""

from __future__ import annotations

import logging

from otpnode import MessageTooLargeError, SystemLimitError, process
from otpnode.process import Pid
from tests.node.apps.tools import echo, get_tagged, idle, me, passed, until

log = logging.getLogger("the.program")


async def shards() -> None:
    print(f"{process.schedulers()} shards", flush=True)


async def named(name: str) -> None:
    assert process.node_name() == name
    for where in (0, 1):
        pid = await process.spawn(idle, name=f"on {where}", on=where)
        assert pid.startswith(f"pid_{name}.{where}.1."), pid
    ref = await process.monitor("on 1")
    await process.exit("on 1", "kill")
    assert await process.receive(10, ref=ref) == ("DOWN", ref, "process", ("on 1", name), "killed")
    passed()


async def default_name(supervisor_is_parent: str) -> None:
    print(f"node {process.node_name()}", flush=True)


async def full_tables(limit: str) -> None:
    """Fill the table of each shard; a place that becomes free can be used again."""
    for where in (0, 1):
        mine = 1 if where == 0 else 0
        pids = await _fill(where, int(limit))
        assert len(pids) == int(limit) - mine, len(pids)
        try:
            await process.spawn_monitor(idle, on=where)
        except SystemLimitError:
            pass
        else:
            raise AssertionError("one too many")
        await process.exit(pids[0], "kill")
        await until(lambda gone=pids[0]: not process.is_alive(gone), "room")  # type: ignore[misc]
        again = await process.spawn(idle, on=where)
        assert again not in pids
    passed()


async def _fill(where: int, limit: int) -> list[Pid]:
    pids: list[Pid] = []
    while True:
        try:
            pids.append(await process.spawn(idle, on=where))
        except SystemLimitError:
            return pids
        assert len(pids) <= limit, "the table has no end"


async def large_messages(cap: str) -> None:
    """Under the cap all is well, over it the sender is told, within a shard there is none."""
    far = await process.spawn(echo, on=1)
    fits, over = b"x" * (int(cap) // 2), b"x" * (int(cap) + 1)
    for verb in (process.send, process.send_nowait):
        try:
            result = verb(far, (me(), over))
            if not isinstance(result, bool):
                await result
        except MessageTooLargeError:
            pass
        else:
            raise AssertionError("too large a message was taken")
    await process.send(far, (me(), fits))
    assert await get_tagged("echo") == ("echo", fits)
    near = await process.spawn(echo, on=0)
    await process.send(near, (me(), over))
    assert await get_tagged("echo") == ("echo", over)
    try:
        await process.spawn(idle_with, [2 * over], on=1)
    except MessageTooLargeError:
        pass
    else:
        raise AssertionError("too large a spawn was taken")
    passed()


async def idle_with(what: bytes) -> None:
    await idle()


async def placement(policy: str) -> None:
    places = {process.shard_of(await process.spawn(idle)) for _ in range(20)}
    assert places == ({0} if policy == "local" else {0, 1}), places
    explicit = await process.spawn(idle, on=1)
    assert process.shard_of(explicit) == 1
    passed()


async def logs() -> None:
    for where in (0, 1):
        pid, ref = await process.spawn_monitor(speak, on=where)
        await process.receive(10, ref=ref)
        assert not process.is_alive(pid)
    passed()


async def speak() -> None:
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("%s spoke", level)


async def arguments(*words: str) -> None:
    print(repr(words), flush=True)
