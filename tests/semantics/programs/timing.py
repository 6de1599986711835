"""TM and FS: timers, and turns for everybody."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, Ref
from tests.semantics.peers import (
    SOON,
    down,
    fill,
    finish,
    gone,
    linger,
    me,
    nothing_comes,
    one_loop,
    order,
    peer,
    spawn_monitor_there,
    spawn_there,
    there,
)
from tests.semantics.program import semantic
from tests.support import until


@semantic("TM-01")
async def tm01_timers_send_when_the_time_has_come() -> None:
    receiver = await peer()
    begun = time.monotonic()
    process.send_after(0.03, receiver.pid, "after")
    assert await order(receiver, process.receive, SOON) == "after"
    assert time.monotonic() - begun >= 0.029
    ref = process.start_timer(0.001, receiver.pid, "message")
    assert await order(receiver, process.receive, SOON) == ("timeout", ref, "message")
    alias = process.alias()
    process.send_after(0, alias, "by alias")
    assert await process.receive(SOON) == "by alias"


@semantic("TM-01", alone="nothing is armed")
async def tm01_bad_delays_and_targets_are_refused() -> None:
    for verb in (process.send_after, process.start_timer):
        for delay in (-1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="delay"):
                verb(delay, me(), "message")
        with pytest.raises(TypeError):
            verb(cast(float, "1"), me(), "message")
        with pytest.raises(TypeError):
            verb(1, cast(Pid, 3), "message")
    with pytest.raises(TypeError):
        await process.cancel_timer(cast(Ref, 3))


@semantic("TM-02")
async def tm02_cancel_is_a_barrier() -> None:
    receiver = await spawn_there(linger)
    sent = 0
    for number in range(150):
        ref = process.send_after(0.0005 * (number % 4), receiver, number)
        for _ in range(number % 9):
            await asyncio.sleep(0)
        if not await process.cancel_timer(ref):
            sent += 1
        assert await process.read_timer(ref) is None
        if sent == 90:
            break
    await until_messages(receiver, sent)


async def until_messages(pid: Pid, count: int) -> None:
    """Wait until exactly `count` messages are queued, and see that it stays so."""

    async def there() -> bool:
        return await process.process_info(pid, "message_queue_len") == count

    await until(there)
    await nothing_comes()
    assert await there()


@semantic("TM-02")
async def tm02_read_timer_tells_what_is_left() -> None:
    ref = process.send_after(100, await spawn_there(linger), "never")
    left = await process.read_timer(ref)
    assert left is not None
    assert 90 < left <= 100
    assert await process.cancel_timer(ref) is True
    assert await process.read_timer(ref) is None


@semantic("TM-03")
async def tm03_cancel_twice_unknown_or_by_a_stranger() -> None:
    ref = process.send_after(100, me(), "never")
    other = await peer()
    assert await order(other, process.read_timer, ref) is not None
    assert await order(other, process.cancel_timer, ref) is True
    assert await process.cancel_timer(ref) is False
    assert await order(other, process.cancel_timer, ref) is False
    assert await process.cancel_timer(process.make_ref()) is False
    await nothing_comes()


@semantic("TM-04")
async def tm04_a_dead_target_is_no_error() -> None:
    pid, down_ref = await spawn_monitor_there(linger)
    timer = process.send_after(100, pid, "never")
    await process.exit(pid, "kill")
    await down(down_ref)
    if one_loop():
        assert await process.read_timer(timer) is None
    process.send_after(0, pid, "dropped")
    process.send_after(0, "tm04", "dropped")
    await process.cancel_timer(timer)
    await nothing_comes()


@semantic("TM-04")
async def tm04_a_name_is_resolved_when_the_timer_fires() -> None:
    for delay in (0.02, 0.2, 2.0, 20.0):
        timer = process.send_after(delay, "tm04", "message")
        receiver = await peer(name="tm04")
        if await process.read_timer(timer) is not None:
            break
        # On a busy machine it has fired before there was anybody of that name.
        await process.exit(receiver.pid, "kill")
        await gone(receiver.pid)
    assert await order(receiver, process.receive, SOON) == "message"


async def arm(to: Pid) -> None:
    """Arm a timer and die."""
    process.send_after(0.01, to, "from the dead")


@semantic("TM-05")
async def tm05_the_death_of_its_maker_does_not_stop_a_timer() -> None:
    _, ref = await spawn_monitor_there(arm, me())
    assert await down(ref) == "normal"
    assert await process.receive(SOON) == "from the dead"


@semantic("TM-06")
async def tm06_the_target_may_live_on_another_shard() -> None:
    receiver = await peer()
    await order(receiver, process.send_after, 0, me(), "back")
    assert await process.receive(SOON) == "back"
    pid, ref = await spawn_monitor_there(linger)
    process.exit_after(0.005, pid, "late")
    assert await down(ref) == "late"
    dead = await spawn_there(finish)
    await gone(dead)
    process.exit_after(0, dead, "late")
    await nothing_comes()


STEP = 0.005
"""Seconds from one deadline to the next."""


@semantic("TM-07")
async def tm07_the_earlier_deadline_comes_first() -> None:
    took = STEP
    while took >= STEP:  # Where the machine stops in between, the later ones are too late.
        receiver = await peer(mailbox_limit=5)
        begun = time.monotonic()
        for number in (5, 3, 1, 4, 2, 0):
            process.send_after(0.02 + number * STEP, receiver.pid, number)
        took = time.monotonic() - begun
    assert [await order(receiver, process.receive, SOON) for _ in range(6)] == list(range(6))


@semantic("TM-07", "MB-09")
async def tm07_timer_messages_are_not_bounded() -> None:
    pid = await spawn_there(linger, mailbox_limit=5)
    room = fill(pid)
    for number in range(20):
        process.send_after(0, pid, number)
    await until_messages(pid, room + 20)


async def ping_oneself() -> None:
    """Never have to wait."""
    while True:
        await process.send(me(), "again")
        await process.receive()


async def send_for_ever(to: Pid) -> None:
    """Send through an alias nobody has: it never blocks."""
    nobody = process.make_ref()
    while True:
        await process.send(nobody, to)


async def answer_calls() -> None:
    """Answer every ``(ref, …)`` by its ref."""
    while True:
        ref, value = cast("tuple[Ref, object]", await process.receive())
        await process.send(ref, (ref, value))


@semantic("FS-01")
async def fs01_a_loop_that_never_waits_starves_nobody() -> None:
    for body, args in ((ping_oneself, []), (send_for_ever, [me()])):
        greedy = [await process.spawn(body, list(args), on=where) for where in ("local", there())]
        others = [await spawn_there(answer_calls) for _ in range(10)]
        took: list[float] = []
        for pid in others * 3:
            begun = time.monotonic()
            ref = process.alias(reply=True)
            await process.send(pid, (ref, "ping"))
            assert await process.receive(SOON, ref=ref) == (ref, "ping")
            took.append(time.monotonic() - begun)
        begun = time.monotonic()
        await process.sleep(0.01)
        took.append(time.monotonic() - begun)
        # Ten times the figure.
        assert max(took) < 0.5, f"{max(took):.3f} s beside {body.__name__}"
        for pid in greedy:
            await process.exit(pid, "kill")
            await gone(pid)


@semantic("TM-01", alone="it is the caller that sleeps")
async def tm01_sleep_suspends_and_messages_keep_coming() -> None:
    process.send_after(0.002, me(), "meanwhile")
    await process.sleep(0.01)
    assert await process.receive(0) == "meanwhile"
    with pytest.raises(ValueError, match="delay"):
        await process.sleep(-1)
