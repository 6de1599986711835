"""`kill_shard`: the loss of a whole shard, as SIGKILL or the kernel's out-of-memory killer causes it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextvars import Context
from typing import Final, cast

import psutil

from otpnode import process
from otpnode.errors import ShardDownError
from otpnode.process.current import here, me
from otpnode.scheduler.loopback_node import LoopbackPort
from otpnode.scheduler.names import ReplicaNames
from otpnode.testing.asking import LABEL, ask

ANSWER_SECONDS: Final = 1.0
"""After which a shard is held to compute, and its OS process is found by elimination."""


async def kill_shard(shard: int, within: float = 10.0) -> None:
    """Kill a shard with every process on it, and return once this node's part of the caller knows.

    With OS processes it is the SIGKILL of that shard's; the supervisor starts the next incarnation,
    which `process.subscribe_shards` tells of. With two shards on one loop (`topology` ``loop``)
    the shard is silenced in the same way: no word more from it.

    Args:
        shard: its number, another than the caller's.
        within: seconds of real time.

    Raises:
        RuntimeError: a node on one loop has no shard that could be lost alone.
        ValueError: it is the caller's own, or there is none of that number up.
        TimeoutError: it was not seen to go down in time.
        NotInProcessError: called outside any process.

    Guarantees:
        On return the word of its end has been seen on the caller's shard: its processes are dead,
        its names free, and the DOWN or EXIT with ``'noconnection'`` of each of them that the
        caller watched is in its mailbox (SEMANTICS SH-03, §21.6). The caller's mailbox gets nothing else.
    """
    own = me("kill_shard").shard
    if process.schedulers() == 1:
        raise RuntimeError(
            "kill_shard needs a node of several shards, and this one runs on one loop: use the fixture `topology`, "
            "or @pytest.mark.otpnode(schedulers=2)"
        )
    if shard == own.number:
        raise ValueError(f"kill_shard({shard}) would end its caller: call it from a process on another shard")
    async with asyncio.timeout(within):
        _, ref = await process.spawn_monitor(_kill, [shard], on="local", label=LABEL)
        try:
            reason = cast("tuple[object, ...]", await process.receive(ref=ref))[4]
        finally:
            await process.demonitor(ref, flush=True)
    if reason != "normal":
        raise ValueError(f"shard {shard} cannot be killed: {cast('tuple[object, ...]', reason)[1]}")


async def _kill(shard: int) -> None:
    """Kill, and end when the word has come: the subscription and what it brings are this process's own."""
    up = dict(await process.subscribe_shards())
    if shard not in up:
        raise process.ProcessExit(("shutdown", f"the shards up are {sorted(up)}"))
    names = here().names
    port = names._port if isinstance(names, ReplicaNames) else None
    if isinstance(port, LoopbackPort):
        here().loop.call_soon(port._hub.crash, shard, context=Context())
    else:
        os.kill(await _os_pid_of(shard, [each for each in up if each != shard]), signal.SIGKILL)
    word = ("shard_down", shard, up[shard])
    await process.receive(match=lambda message: isinstance(message, tuple) and message[:3] == word)


async def _os_pid_of(shard: int, others: list[int]) -> int:
    """Ask it; one that computes is the child of the supervisor that no other shard is."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return cast(int, await ask(shard, os_pid))
    except TimeoutError:
        known = {await ask(other, os_pid) for other in others}
        left: list[int] = [child.pid for child in psutil.Process(os.getppid()).children() if child.pid not in known]
        if len(left) != 1:
            raise ShardDownError(f"shard {shard} computes, and could be any of the OS processes {left}") from None
        return left[0]


async def os_pid() -> int:
    """Return the number of the OS process of the shard that is asked."""
    return os.getpid()
