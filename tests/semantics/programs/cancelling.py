"""AC: exit signals as asyncio sees them."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessExit, Ref
from tests.semantics.peers import (
    SOON,
    Boom,
    down,
    exit_of,
    fail,
    finish,
    leave,
    linger,
    me,
    nothing_comes,
    quickest,
    settle,
    spawn_link_there,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic
from tests.support import until


async def wait_on_future() -> None:
    """Wait for a future nobody will resolve."""
    await asyncio.get_running_loop().create_future()


async def wait_on_socket() -> None:
    """Wait for data that never comes."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        await server.serve_forever()


async def wait_on_child() -> None:
    """Wait for a child task."""
    async with asyncio.TaskGroup() as group:
        group.create_task(linger())


async def wait_for_message() -> None:
    """Wait in receive."""
    await process.receive(match=lambda message: False)


@semantic("AC-01")
async def ac01_an_exit_signal_reaches_whatever_is_awaited() -> None:
    for body in (linger, wait_on_future, wait_on_socket, wait_on_child, wait_for_message, process.receive):
        pid, ref = await spawn_monitor_there(body)
        await settle()
        await process.exit(pid, "boom")
        assert await down(ref) == "boom", body


async def say_started(answer: Ref) -> None:
    """Say that the body was entered."""
    await process.send(answer, (answer, "started"))


@semantic("AC-02", alone="only its own shard can strike a process before its first step")
async def ac02_killed_before_the_first_step() -> None:
    for reason, expected in (("boom", "boom"), ("kill", "killed")):
        answer = process.alias()
        pid, ref = await process.spawn_monitor(say_started, [answer], on="local")
        await process.exit(pid, reason)
        assert await down(ref) == expected
    await nothing_comes()


async def swallow(answer: Ref, turns: int) -> None:
    """Swallow every cancellation for a while, then say what the verbs did."""
    log: list[str] = []
    for _ in range(turns):
        try:
            await (process.receive() if len(log) else linger())
        except asyncio.CancelledError:
            log.append("cancelled")
    await process.send(answer, (answer, log, process.is_alive(cast(Pid, process.self()))))
    await linger()


@semantic("AC-03")
async def ac03_swallowing_a_cancellation_does_not_change_the_reason() -> None:
    answer = process.alias()
    pid, ref = await spawn_monitor_there(swallow, answer, 20)
    await settle()
    begun = time.monotonic()
    await process.exit(pid, "boom")
    assert await process.receive(SOON, ref=answer) == (answer, ["cancelled"] * 20, False)
    assert await down(ref) == "boom"
    # The grace of these nodes is 0.6 s, then comes a second cancellation, and `linger` takes that one.
    assert time.monotonic() - begun < 6


async def swallow_for_ever() -> None:
    """Never give in."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            await process.receive()
        except asyncio.CancelledError:
            continue


async def swallow_sleeping() -> None:
    """Never give in, without asking otpnode anything."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        try:
            async with asyncio.timeout(0.05):
                await linger()
        except (asyncio.CancelledError, TimeoutError):
            continue


@semantic("AC-03")
async def ac03_a_loop_that_swallows_does_not_stop_the_others() -> None:
    pid, ref = await spawn_monitor_there(swallow_for_ever)
    await settle()
    await process.exit(pid, "boom")
    begun = time.monotonic()
    await settle()
    # It goes on for ten seconds.
    assert time.monotonic() - begun < 5
    assert await down(ref) == "boom"


async def clean_up(answer: Ref) -> None:
    """Await several times while dying, and try every verb."""
    mine = me()
    other = await process.spawn(linger, on="local")
    try:
        await linger()
    finally:
        for _ in range(5):
            await asyncio.sleep(0)
        refused: list[str] = []
        attempts = {
            "receive": lambda: process.receive(timeout=0),
            "spawn": lambda: process.spawn(finish),
            "link": lambda: process.link(other),
            "monitor": lambda: process.monitor(other),
            "register": lambda: process.register("ac04"),
        }
        for name, attempt in attempts.items():
            try:
                await attempt()
            except asyncio.CancelledError:
                refused.append(name)
        await process.demonitor(process.make_ref())
        worked = (process.self() == mine, process.whereis("ac04") is None)
        await process.send(answer, (answer, refused, worked))


@semantic("AC-04")
async def ac04_cleanup_may_await_and_send() -> None:
    answer = process.alias()
    pid, ref = await spawn_monitor_there(clean_up, answer)
    await settle()
    await process.exit(pid, "boom")
    expected = ["receive", "spawn", "link", "monitor", "register"]
    assert await process.receive(SOON, ref=answer) == (answer, expected, (True, True))
    assert await down(ref) == "boom"


@semantic("AC-05")
async def ac05_kill_declares_dead_whoever_swallows() -> None:
    process.process_flag("trap_exits", True)
    assert await quickest(kill_who_swallows, 1) < 1


async def kill_who_swallows() -> float:
    """Kill it, and see what is left of it; return the seconds to its DOWN."""
    pid, ref = await spawn_monitor_there(swallow_sleeping, name="ac05", link=True)
    await settle()
    begun = time.monotonic()
    await process.exit(pid, "kill")
    assert await down(ref) == "killed"
    took = time.monotonic() - begun
    assert await exit_of(pid) == "killed"
    assert process.whereis("ac05") is None
    await process.register("ac05")
    await process.unregister("ac05")
    return took


@semantic("AC-05", "EX-07")
async def ac05_kill_shortens_the_grace_of_one_that_is_ending() -> None:
    assert await quickest(kill_who_cleans_up, 0.5) < 0.5


async def kill_who_cleans_up() -> float:
    """End and kill it; return the seconds to its DOWN."""
    pid, ref = await spawn_monitor_there(clean_up_for_long)
    await settle()
    begun = time.monotonic()
    await process.exit(pid, "boom")
    await process.exit(pid, "kill")
    assert await down(ref) == "boom"
    return time.monotonic() - begun


async def clean_up_for_long() -> None:
    """Need longer to die than there is."""
    try:
        await linger()
    finally:
        await asyncio.wait_for(linger(), 0.7)


async def raise_cancelled() -> None:
    """Raise what nobody asked for."""
    raise asyncio.CancelledError


async def cancel_oneself() -> None:
    """Ask for one's own cancellation."""
    cast("asyncio.Task[None]", asyncio.current_task()).cancel()
    await linger()


@semantic("AC-06")
async def ac06_a_cancellation_that_is_no_exit_signal() -> None:
    process.process_flag("trap_exits", True)
    for body in (raise_cancelled, cancel_oneself):
        pid = await spawn_link_there(body)
        assert await exit_of(pid) == "cancelled"


async def time_out_inside() -> None:
    """Use what cancels to time out."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await process.receive()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(linger(), 0.005)
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await linger()
    raise ProcessExit("went through")


async def time_out_always(answer: Ref) -> None:
    """Time out again and again; say so when that has come after the exit signal."""
    await process.send(answer, (answer,))
    while True:
        try:
            async with asyncio.timeout(0):
                await linger()
        except TimeoutError:
            if not process.is_alive(me()):
                await process.send(answer, "timed out after the signal")


@semantic("AC-07")
async def ac07_timeouts_and_groups_work_inside() -> None:
    _, ref = await spawn_monitor_there(time_out_inside)
    assert await down(ref) == "went through"


@semantic("AC-07")
async def ac07_an_exit_signal_wins_over_a_timeout() -> None:
    for _ in range(20):
        answer = process.alias()
        pid, ref = await spawn_monitor_there(time_out_always, answer)
        await process.receive(SOON, ref=answer)
        await process.exit(pid, "boom")
        assert await down(ref) == "boom"
    await nothing_comes()


async def shielded(answer: Ref) -> None:
    """Live longer than the process, and say what the verbs do then."""
    pid = process.self()
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        pass
    await until(lambda: process.self() is None)
    outcomes: list[str] = []
    for attempt in (lambda: process.send(answer, "seen"), lambda: process.receive(timeout=0)):
        try:
            await attempt()
        except ProcessExit as exit_:
            outcomes.append(str(exit_.reason))
    try:
        process.send_nowait(answer, "seen")
    except ProcessExit:
        outcomes.append("plain")
    OUTCOMES[str(pid)] = outcomes


OUTCOMES: dict[str, list[str]] = {}


@semantic("AC-08", alone="what the dead leave behind is asked where it lives")
async def ac08_what_outlives_its_process_is_cut_off() -> None:
    answer = process.alias()

    async def with_shield() -> None:
        await asyncio.shield(asyncio.ensure_future(shielded(answer)))

    pid, ref = await process.spawn_monitor(with_shield)
    await settle()
    await process.exit(pid, "boom")
    assert await down(ref) == "boom"
    await until(lambda: pid in OUTCOMES)
    assert OUTCOMES.pop(pid) == ["boom", "boom", "plain"]
    await nothing_comes()


async def leave_loop(kind: type[BaseException]) -> None:
    """Raise what would end a program."""
    raise kind("3")


@semantic("AC-09")
async def ac09_system_exit_ends_the_process_and_not_the_loop() -> None:
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit):
        _, ref = await spawn_monitor_there(leave_loop, kind)
        assert type(await down(ref)) is kind
    _, ref = await spawn_monitor_there(leave_loop, StopIteration)
    assert isinstance(await down(ref), RuntimeError)


@semantic("AC-01")
async def ac01_the_awaited_is_cancelled_once() -> None:
    answer = process.alias()
    pid, ref = await spawn_monitor_there(count_cancellations, answer)
    await settle()
    await process.exit(pid, Boom("instance"))
    assert await process.receive(SOON, ref=answer) == (answer, 1)
    reason = await down(ref)
    assert isinstance(reason, Boom)
    await process.exit(await spawn_there(linger), "kill")
    assert await gone_of(leave, "x") == "x"


async def gone_of(func: object, *args: object) -> object:
    """Spawn over there and return the reason of its end."""
    _, ref = await spawn_monitor_there(cast("type[object]", func), *args)
    return await down(ref)


async def count_cancellations(answer: Ref) -> None:
    """Count how often one is cancelled while cleaning up."""
    count = 0
    try:
        await linger()
    except asyncio.CancelledError:
        count += 1
    for _ in range(10):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            count += 1
    await process.send(answer, (answer, count))
