"""No way through a verb keeps anything: neither an object nor a count of one that lives on.

A compiled form counts references by hand, so each way is gone so often that a reference
kept each time would be seen among what Python itself keeps now and then.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessNotFoundError
from otpnode.process.current import caller
from otpnode.process.proc import Proc
from tests.support import perform, until

TIMES = 20_000
SPARE = 1 / 4
"""How many for each time may differ for other reasons: cancelled deadlines are swept only now and then."""

MESSAGE: tuple[object, ...] = ("message", ["of a list"])
TAG = "".join(["t", "ag"])
NAME = "".join(["a", "lasting", "name"])

Way = Callable[[Proc, Pid], Awaitable[object]]


def reply(message: Any) -> None:
    process.send_nowait(message[1][1], (message[1][1], MESSAGE))


async def replies() -> None:
    """Answer requests by their alias, and return any other message to whoever sent it."""
    while True:
        message = await process.receive()
        if message[0] == TAG:  # type: ignore[index]
            reply(message)
        else:
            await process.send(message[1], MESSAGE)  # type: ignore[index]


async def replies_to_pids() -> None:
    """Answer requests by a message to the pid."""
    await process.register(NAME)
    while True:
        _, (sender, ref), *_ = await process.receive()  # type: ignore[misc]
        await process.send(sender, (ref, MESSAGE))


async def is_silent() -> None:
    """Take everything and say nothing."""
    while True:
        await process.receive()


# -- the ways --------------------------------------------------------------------


async def to_itself(me: Proc, peer: Pid) -> None:
    await process.send(me.pid, MESSAGE)
    await process.receive()


async def there_and_back(me: Proc, peer: Pid) -> None:
    await process.send(peer, ("back", me.pid))
    await process.receive()


async def by_keywords(me: Proc, peer: Pid) -> None:
    await process.send(message=MESSAGE, target=me.pid)
    await process.receive(timeout=None, match=None, ref=None)


async def by_the_whole_rule(me: Proc, peer: Pid) -> None:
    process.send_nowait(me.pid, MESSAGE)
    await process.receive(1.0, lambda message: message is MESSAGE)
    with suppress(TimeoutError):
        await process.receive(0)


async def to_nobody(me: Proc, peer: Pid) -> None:
    for verb in (process.send, process.request):
        with suppress(ProcessNotFoundError):
            await verb("nobody of this name", MESSAGE)
    with suppress(TypeError):
        await process.send([], MESSAGE)  # type: ignore[arg-type]


async def asking(me: Proc, peer: Pid) -> None:
    await process.request(peer, TAG, MESSAGE)


async def asking_in_time(me: Proc, peer: Pid) -> None:
    await process.request(peer, TAG, MESSAGE, timeout=60)


async def asking_one_that_answers_to_the_pid(me: Proc, peer: Pid) -> None:
    await process.request(process.whereis(NAME) or peer, TAG, MESSAGE, timeout=60)


async def asking_by_name(me: Proc, peer: Pid) -> None:
    await process.request(NAME, TAG, MESSAGE)  # type: ignore[arg-type]


async def misfits(me: Proc, peer: Pid) -> None:
    for verb in (process.send, process.receive, process.request, process.send_nowait):
        with suppress(TypeError):
            verb(MESSAGE, nothing=MESSAGE)  # type: ignore[operator]


async def never_begun(me: Proc, peer: Pid) -> None:
    for coro in (process.send(peer, MESSAGE), process.receive(match=repr), process.request(peer, TAG, MESSAGE)):
        coro.close()


async def left_in_every_way(me: Proc, peer: Pid) -> None:
    for make in (process.receive, lambda: process.receive(5), lambda: process.request(peer, TAG, MESSAGE, timeout=60)):
        dropped, closed, broken = (make() for _ in range(3))
        dropped.send(None)
        del dropped
        closed.send(None)
        closed.close()
        broken.send(None)
        with suppress(KeyError):
            broken.throw(KeyError(MESSAGE))
        with suppress(RuntimeError):
            await broken
    await asyncio.sleep(0)


async def in_a_child(me: Proc, peer: Pid) -> None:
    task = asyncio.create_task(process.receive())
    await asyncio.sleep(0)
    await asyncio.create_task(process.send(me.pid, MESSAGE))
    await task


async def cancelled_in_a_child(me: Proc, peer: Pid) -> None:
    task = asyncio.create_task(process.request(peer, TAG, timeout=60))
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def after_a_future(me: Proc, peer: Pid) -> None:
    future = me.shard.loop.create_future()
    me.shard.loop.call_soon(future.set_result, MESSAGE)
    await future


async def dies(*, badly: bool) -> None:
    """End after a step."""
    await asyncio.sleep(0)
    if badly:
        raise process.ProcessExit("shutdown")


async def seeing_others_die(me: Proc, peer: Pid) -> None:
    for badly in (False, True):
        await process.spawn_monitor(dies, kwargs={"badly": badly})
        await process.receive()


WAYS: list[tuple[Way, int]] = [
    *((way, 1) for way in (to_itself, there_and_back, by_keywords, by_the_whole_rule, to_nobody)),
    *((way, 1) for way in (asking, asking_in_time, asking_one_that_answers_to_the_pid, asking_by_name)),
    *((way, 1) for way in (misfits, never_begun, after_a_future)),
    *((way, 10) for way in (left_in_every_way, in_a_child, cancelled_in_a_child, seeing_others_die)),
]
"""What is done, and the part of `TIMES` it is done: some take their time."""


def counted(me: Proc, peer: Pid) -> dict[str, int]:
    """Count what there is, and the references to what stays."""
    gc.collect()
    stays = {
        **{f"the number {number}": number for number in (-1, 0, 1, 2)},
        **{repr(each): each for each in (None, True, False, TAG, MESSAGE, peer, KeyError, TypeError, StopIteration)},
        **{f"the process's {slot}": getattr(me, slot) for slot in ("pid", "box", "bay", "context", "shard", "_coro")},
        **{f"process.{verb}": getattr(process, verb) for verb in ("send", "receive", "request", "send_nowait")},
        **{f"the shard's {slot}": getattr(me.shard, slot) for slot in ("loop", "queue", "deadlines", "refs")},
        "the process": me,
        "the class of a coroutine": type(process.receive),
    }
    counts = {name: sys.getrefcount(each) for name, each in stays.items()}
    return {**counts, "all objects": len(gc.get_objects()), "all blocks of memory": sys.getallocatedblocks()}


@pytest.mark.parametrize(("way", "part"), WAYS, ids=[way.__name__ for way, _ in WAYS])
def test_no_way_through_a_verb_keeps_anything(way: Way, part: int) -> None:
    async def body() -> None:
        me = caller()
        assert me is not None
        peer = await process.spawn(is_silent if "child" in way.__name__ or "left" in way.__name__ else replies)
        await process.spawn(replies_to_pids)
        await until(lambda: process.whereis(NAME))
        await process.send(me.pid, None)
        await process.receive()
        for times in (TIMES // part // 10, TIMES // part):
            before = counted(me, peer)
            for _ in range(times):
                await way(me, peer)
        after = counted(me, peer)
        changed = {name: after[name] - before[name] for name in after}
        assert {name: change for name, change in changed.items() if abs(change) > SPARE * times} == {}

    perform("asyncio", body)
