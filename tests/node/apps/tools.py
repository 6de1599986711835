"""What the programs under test share: kill a shard, wait for its end and for its return, check."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import cast

from otpnode import process
from otpnode.process import Pid, Ref, ShardDownError

PATIENCE = 60.0


async def until(probe: Callable[[], object | Awaitable[object]], what: str, within: float = PATIENCE) -> object:
    """Return the first true answer of `probe`."""
    end = time.monotonic() + within
    while True:
        answer = probe()
        if isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {within} s: {what}"
        await asyncio.sleep(0.002)


def me() -> Pid:
    """Return the caller's pid."""
    pid = process.self()
    assert pid is not None
    return pid


async def get(timeout: float = PATIENCE, *, ref: Ref | None = None) -> tuple[object, ...]:
    """Receive a tuple."""
    message = await process.receive(timeout, ref=ref)
    assert isinstance(message, tuple), message
    return message


async def get_tagged(tag: str, timeout: float = PATIENCE) -> tuple[object, ...]:
    """Receive a tuple whose first item is `tag`."""
    message = await process.receive(timeout, match=lambda one: isinstance(one, tuple) and one[:1] == (tag,))
    return cast("tuple[object, ...]", message)


async def _nothing() -> None:
    """End at once."""


async def silence() -> None:
    """Check that nothing more is in the caller's mailbox, once everything under way has come."""
    for shard in range(process.schedulers()):
        # The answer to a spawn comes behind everything that shard has written to us.
        with contextlib.suppress(ShardDownError):
            await process.spawn(_nothing, on=shard)
    left = await process.process_info(me(), "messages")
    assert left == [], f"unexpected messages: {left}"


async def idle() -> None:
    """Live, receiving nothing of interest."""
    while True:
        await process.receive()


async def deaf() -> None:
    """Live without ever receiving."""
    await process.sleep(600)


async def tell_os_pid(asker: Pid) -> None:
    await process.send(asker, ("os_pid", process.self(), os.getpid()))


async def os_pid_of(shard: int) -> int:
    """Return the OS pid of a shard."""
    await process.spawn(tell_os_pid, [me()], on=shard)
    return cast(int, (await get_tagged("os_pid"))[2])


async def kill_shard(shard: int, signum: int = signal.SIGKILL) -> int:
    """Kill a shard; return the OS pid it had."""
    victim = await os_pid_of(shard)
    assert victim != os.getpid()
    os.kill(victim, signum)
    return victim


async def up_again(shard: int, than: int) -> int:
    """Wait for ``shard_up`` of an incarnation above `than`; the caller must be subscribed."""
    while True:
        _, which, incarnation = await get_tagged("shard_up")
        if which == shard and cast(int, incarnation) > than:
            return cast(int, incarnation)


async def echo() -> None:
    """Answer each ``(pid, payload)`` with ``('echo', payload)``."""
    while True:
        asker, payload = await get(600)
        await process.send(cast(Pid, asker), ("echo", payload))


async def answers(pid: Pid) -> bool:
    """Tell whether an `echo` answers."""
    await process.send(pid, (me(), "are you there"))
    return (await get_tagged("echo"))[1] == "are you there"


def passed() -> None:
    """Say that the program has got to its end with nothing found wrong."""
    print("passed", flush=True)
