"""What programs are made of: peers on the other shard, orders to them, and waits with an end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessExit, Ref

SOON = 20.0
"""Seconds after which what has not come is held to be lost."""

PEERS = "peers of another shard"


class Boom(Exception):
    """What test processes die of."""


def me() -> Pid:
    """Return the caller's pid."""
    pid = process.self()
    assert pid is not None
    return pid


def there() -> str | int:
    """Return the ``on=`` of a peer: the other shard, where there is one."""
    return "local" if process.schedulers() == 1 else 1


def one_loop() -> bool:
    """Tell whether the node has one shard."""
    return process.schedulers() == 1


def is_peer(pid: Pid) -> Pid:
    """Check that `pid` lives on the other shard, where there is one, and count it."""
    if not one_loop():
        assert process.shard_of(pid) != process.shard_of(me()), f"{pid} shares a shard with {me()}"
    process.put(PEERS, cast(int, process.get(PEERS) or 0) + 1)
    return pid


async def spawn_there(func: Callable[..., object], *args: object, **options: object) -> Pid:
    """Spawn on the other shard."""
    return is_peer(await process.spawn(func, list(args), on=there(), **options))  # type: ignore[arg-type]


async def spawn_link_there(func: Callable[..., object], *args: object, **options: object) -> Pid:
    """Spawn and link on the other shard."""
    return is_peer(await process.spawn_link(func, list(args), on=there(), **options))  # type: ignore[arg-type]


async def spawn_monitor_there(func: Callable[..., object], *args: object, **options: object) -> tuple[Pid, Ref]:
    """Spawn and monitor on the other shard."""
    pid, ref = await process.spawn_monitor(func, list(args), on=there(), **options)  # type: ignore[arg-type]
    return is_peer(pid), ref


# -- what peers do ------------------------------------------------------------


async def linger() -> None:
    """Live until somebody ends it, without ever receiving."""
    await asyncio.sleep(3600)


async def finish() -> None:
    """End at once."""


async def fail(text: str = "boom") -> None:
    """Die of an exception at once."""
    raise Boom(text)


async def leave(reason: object) -> None:
    """Die of a reason at once."""
    raise ProcessExit(reason)


async def leave_on_word(reason: object) -> None:
    """Die of a reason at the first message."""
    await process.receive()
    raise ProcessExit(reason)


async def tell(to: str, message: object) -> None:
    """Send one message and end."""
    await process.send(to, message)


async def collect(answer: Ref, count: int) -> None:
    """Receive `count` messages and report them."""
    got = [await process.receive() for _ in range(count)]
    await process.send(answer, (answer, got))


@dataclass(frozen=True)
class Peer:
    """A process that takes orders, and where it takes them."""

    pid: Pid
    gate: Ref


async def obey(report: Ref) -> None:
    """Carry out orders, which come by an alias to a child task: the mailbox is left alone and never parked on."""
    gate = process.alias()
    await process.send(report, (report, gate))
    while True:
        order = cast("tuple[Ref, Ref, Callable[..., object], tuple[object, ...]]", await in_child_task(gate))
        _, answer, func, args = order
        try:
            result = func(*args)
            result = await result if isawaitable(result) else result
        except Exception as exc:
            await process.send(answer, (answer, "raised", exc))
        else:
            await process.send(answer, (answer, "done", result))


async def in_child_task(ref: Ref) -> object:
    """Wait for `ref` beside the process's own mailbox."""
    return await asyncio.create_task(process.receive(ref=ref))


async def peer(*, here: bool = False, **options: object) -> Peer:
    """Start a process that takes orders, on the other shard unless `here`."""
    report = process.alias(reply=True)
    if here:
        pid = await process.spawn(obey, [report], on="local", **options)  # type: ignore[arg-type]
    else:
        pid = await spawn_there(obey, report, **options)
    return Peer(pid, cast(Ref, cast("tuple[object, object]", await process.receive(SOON, ref=report))[1]))


async def begin(to: Peer, func: Callable[..., object], *args: object) -> Ref:
    """Order `to` to call ``func(*args)``; the answer comes for the ref returned."""
    answer = process.alias(reply=True)
    await process.send(to.gate, (to.gate, answer, func, args))
    return answer


async def outcome(answer: Ref, within: float = SOON) -> object:
    """Return what an order returned, or raise what it raised."""
    _, how, value = cast("tuple[object, str, object]", await process.receive(within, ref=answer))
    if how == "raised":
        raise cast(Exception, value)
    return value


async def order(to: Peer, func: Callable[..., object], *args: object) -> object:
    """Have `to` call ``func(*args)`` and return what came of it."""
    return await outcome(await begin(to, func, *args))


async def exit_now(reason: object) -> None:
    """End whoever was ordered to call this."""
    raise ProcessExit(reason)


def fill(target: str) -> int:
    """Send until there is no room; return how many went in."""
    count = 0
    while count < 5000 and process.send_nowait(target, ("noise", count)):
        count += 1
    return count


# -- waits with an end --------------------------------------------------------


async def quickest(trial: Callable[[], Awaitable[float]], enough: float) -> float:
    """Return the shortest time of some trials: a busy machine delays a few of them, a broken rule all.

    Args:
        trial: does it once; returns the seconds it took.
        enough: seconds that need no further trial.
    """
    shortest = await trial()
    for _ in range(9):
        if shortest < enough:
            break
        shortest = min(shortest, await trial())
    return shortest


async def down(ref: Ref) -> object:
    """Wait for the DOWN of a monitor and return its reason."""
    message = cast("tuple[object, ...]", await process.receive(SOON, ref=ref))
    assert message[:3] == ("DOWN", ref, "process"), message
    assert len(message) == 5
    return message[4]


def is_exit(pid: str) -> Callable[[object], bool]:
    """Match the EXIT of one process."""
    return lambda message: isinstance(message, tuple) and message[:2] == ("EXIT", pid)


async def exit_of(pid: str) -> object:
    """Wait for the EXIT of `pid` and return its reason."""
    message = cast("tuple[object, ...]", await process.receive(SOON, match=is_exit(pid)))
    assert len(message) == 3
    return message[2]


async def gone(pid: Pid) -> object:
    """Wait for the end of `pid` and return its reason."""
    return await down(await process.monitor(pid))


async def _come_round() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def settle() -> None:
    """Return when what was sent to the other shard has arrived, and what that caused has come back.

    Who came round is dead by then: one that had only answered could still stand among `processes()`.
    """
    for _ in range(2):
        for where in {"local", there()}:
            _, ref = await process.spawn_monitor(_come_round, on=where)
            assert await down(ref) == "normal"


async def nothing_comes(match: Callable[[object], object] | None = None) -> None:
    """Check that no (matching) message is here or on its way."""
    await settle()
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0, match=match)


def os_pid() -> int:
    """Return the number of the OS process."""
    return os.getpid()
