"""EX and ER: exit signals, and the shape of reasons."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessExit, ProcessNotFoundError, Ref, UnserializableError
from tests.semantics.peers import (
    SOON,
    Boom,
    begin,
    down,
    exit_now,
    exit_of,
    fail,
    finish,
    gone,
    leave,
    leave_on_word,
    linger,
    me,
    nothing_comes,
    one_loop,
    order,
    peer,
    settle,
    spawn_link_there,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic
from tests.support import until

DIED = "died"
LIVED = "lived"


async def after_link_death(trapping: bool, reason: object) -> object:
    """Link a subject over there to a process that dies here; say what it came to."""
    subject = await peer(trap_exits=trapping)
    ref = await process.monitor(subject.pid)
    source = await process.spawn(leave_on_word, [reason], on="local")
    await order(subject, process.link, source)
    await process.send(source, "go")
    await gone(source)
    return await came_to(subject, ref, source)


async def after_exit(trapping: bool, reason: object) -> object:
    """Send an exit signal to a subject over there; say what it came to."""
    subject = await peer(trap_exits=trapping)
    ref = await process.monitor(subject.pid)
    await process.exit(subject.pid, reason)
    return await came_to(subject, ref, me())


async def after_own_exit(trapping: bool, reason: object) -> object:
    """Have a subject over there send an exit signal to itself; say what it came to."""
    subject = await peer(trap_exits=trapping)
    ref = await process.monitor(subject.pid)
    await begin(subject, process.exit, subject.pid, reason)
    return await came_to(subject, ref, subject.pid)


async def came_to(subject: object, ref: Ref, source: Pid) -> object:
    """Say whether the subject died, lived, or got a message."""
    pid = cast(Pid, subject.pid)  # type: ignore[attr-defined]
    await settle()
    messages = await process.process_info(pid, "messages")
    if messages is None:
        return DIED, await down(ref)
    await process.demonitor(ref, flush=True)
    got = cast("list[tuple[object, ...]]", messages)
    if not got:
        return LIVED
    assert [message[:2] for message in got] == [("EXIT", source)]
    return got[0][2]


@semantic("EX-01")
async def ex01_exit_signals_over_a_link() -> None:
    assert await after_link_death(False, "normal") == LIVED
    assert await after_link_death(True, "normal") == "normal"
    for reason in ("boom", "kill", "shutdown", ("shutdown", 1), "killed", None):
        assert await after_link_death(False, reason) == (DIED, reason)
        assert await after_link_death(True, reason) == reason


@semantic("EX-01")
async def ex01_exit_signals_by_exit() -> None:
    assert await after_exit(False, "kill") == (DIED, "killed")
    assert await after_exit(True, "kill") == (DIED, "killed")
    assert await after_exit(False, "normal") == LIVED
    assert await after_exit(True, "normal") == "normal"
    for reason in ("boom", "killed", "shutdown", "noproc", None):
        assert await after_exit(False, reason) == (DIED, reason)
        assert await after_exit(True, reason) == reason


@semantic("EX-01", "EX-06")
async def ex01_exit_signals_to_oneself() -> None:
    assert await after_own_exit(False, "normal") == (DIED, "normal")
    assert await after_own_exit(True, "normal") == "normal"
    assert await after_own_exit(False, "boom") == (DIED, "boom")
    assert await after_own_exit(True, "boom") == "boom"
    for trapping in (False, True):
        assert await after_own_exit(trapping, "kill") == (DIED, "killed")


@semantic("EX-02")
async def ex02_kill_arrives_as_killed_at_links_and_monitors() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_link_there(linger, trap_exits=True)
    ref = await process.monitor(pid)
    bystander = await peer()
    watch = await process.monitor(bystander.pid)
    await order(bystander, process.link, pid)
    await settle()
    await process.exit(pid, "kill")
    assert await exit_of(pid) == "killed"
    assert await down(ref) == "killed"
    assert await down(watch) == "killed"


@semantic("EX-03")
async def ex03_an_own_exit_with_kill_stays_kill() -> None:
    process.process_flag("trap_exits", True)
    pid, ref = await spawn_monitor_there(leave, "kill", link=True)
    assert await exit_of(pid) == "kill"
    assert await down(ref) == "kill"


@semantic("EX-04")
async def ex04_a_dead_target_is_no_error_and_a_bad_one_is() -> None:
    pid = await spawn_there(finish)
    await gone(pid)
    await process.exit(pid, "boom")
    with pytest.raises(ProcessNotFoundError):
        await process.exit("ex04", "boom")
    for bad in (None, 3, process.make_ref()):
        with pytest.raises(TypeError):
            await process.exit(cast(Pid, bad), "boom")
    named, ref = await spawn_monitor_there(linger, name="ex04")
    assert process.is_alive(named)
    await process.exit("ex04", "boom")
    assert await down(ref) == "boom"


@semantic("EX-05")
async def ex05_exit_returns_at_once_and_the_target_is_soon_gone() -> None:
    for reason in ("boom", "kill"):
        pid = await spawn_there(linger)
        await process.exit(pid, reason)
        if one_loop():
            assert not process.is_alive(pid)
        await until(lambda pid=pid: not process.is_alive(pid))  # type: ignore[misc]


@semantic("EX-06", alone="the exit is of the caller itself")
async def ex06_an_exit_of_oneself_does_not_return() -> None:
    reached: list[object] = []

    async def leaves(reason: object) -> None:
        await process.exit(me(), reason)
        reached.append(reason)

    for reason, trapping, expected in (("boom", False, "boom"), ("normal", False, "normal"), ("kill", True, "killed")):
        _, ref = await process.spawn_monitor(leaves, [reason], trap_exits=trapping)
        assert await down(ref) == expected
    assert reached == []


@semantic("EX-06", alone="the exit is of the caller itself")
async def ex06_a_child_task_ends_its_process() -> None:
    async def exits() -> None:
        await process.exit(me(), "by child")

    async def parent() -> None:
        await asyncio.gather(exits(), linger())

    _, ref = await process.spawn_monitor(parent)
    assert await down(ref) == "by child"


@semantic("EX-07")
async def ex07_the_first_fatal_signal_wins() -> None:
    pid, ref = await spawn_monitor_there(linger)
    await process.exit(pid, "first")
    await process.exit(pid, "second")
    await process.exit(pid, "kill")
    assert await down(ref) == "first"
    await nothing_comes()


@semantic("EX-08")
async def ex08_the_flag_at_reception_decides() -> None:
    subject = await peer()
    assert await order(subject, process.process_flag, "trap_exits", True) is False
    await process.exit(subject.pid, "first")
    assert await order(subject, process.process_flag, "trap_exits", False) is True
    assert await order(subject, process.receive, SOON) == ("EXIT", me(), "first")
    ref = await process.monitor(subject.pid)
    await process.exit(subject.pid, "second")
    assert await down(ref) == "second"


@semantic("EX-08")
async def ex08_trapping_from_the_spawn_closes_the_race() -> None:
    for _ in range(50):
        answer = process.alias(reply=True)
        pid = await spawn_there(report_first, answer, trap_exits=True)
        await process.exit(pid, "early")
        assert await process.receive(SOON, ref=answer) == (answer, ("EXIT", me(), "early"))


async def report_first(answer: Ref) -> None:
    """Report the first message."""
    await process.send(answer, (answer, await process.receive()))


@semantic("EX-09")
async def ex09_reasons_of_endings() -> None:
    _, ref = await spawn_monitor_there(returns_value)
    assert await down(ref) == "normal"
    _, ref = await spawn_monitor_there(fail, "why")
    reason = await down(ref)
    assert isinstance(reason, Boom)
    assert reason.args == ("why",)
    for given in ("boom", ("shutdown", 3), {"a": [1]}, None):
        _, ref = await spawn_monitor_there(leave, given)
        assert await down(ref) == given


async def returns_value() -> int:
    """Return what nobody asks for."""
    return 42


async def cleans_up(answer: Ref, names: list[str]) -> None:
    """Report what can be seen while cleaning up."""
    child = asyncio.create_task(linger())
    timer = process.send_after(1000, me(), "never")
    await process.register(names[0])
    await process.send(answer, (answer, timer))
    try:
        await linger()
    finally:
        alive = process.is_alive(cast(Pid, process.self()))
        await asyncio.sleep(0)
        await process.send(answer, (answer, alive, process.whereis(names[0]) == process.self(), child.done()))


@semantic("EX-10")
async def ex10_death_has_an_order() -> None:
    answer = process.alias()
    pid, ref = await spawn_monitor_there(cleans_up, answer, ["ex10"])
    timer = cast("tuple[object, Ref]", await process.receive(SOON, ref=answer))[1]
    assert process.whereis("ex10") == pid
    await process.exit(pid, "boom")
    # Dead to others at (1), the name its own until the cleanup of (2) is over, child tasks cancelled after it.
    assert await process.receive(SOON, ref=answer) == (answer, False, True, False)
    assert await down(ref) == "boom"
    assert process.whereis("ex10") is None
    assert not process.is_alive(pid)
    assert await process.read_timer(timer) is None


@semantic("EX-11")
async def ex11_mutual_kills_leave_nobody_hanging() -> None:
    for _ in range(20):
        one, other = await peer(here=True), await peer()
        refs = [await process.monitor(one.pid), await process.monitor(other.pid)]
        await begin(one, process.exit, other.pid, "kill")
        await begin(other, process.exit, one.pid, "kill")
        await settle()
        for ref, member in zip(refs, (one, other), strict=True):
            if process.is_alive(member.pid):
                await process.exit(member.pid, "kill")
            assert await down(ref) == "killed"


@semantic("EX-12")
async def ex12_an_exit_names_its_sender() -> None:
    process.process_flag("trap_exits", True)
    stranger = await peer()
    await order(stranger, process.exit, me(), "hello")
    assert await process.receive(SOON) == ("EXIT", stranger.pid, "hello")
    await process.link(stranger.pid)
    await begin(stranger, exit_now, "over")
    assert await process.receive(SOON) == ("EXIT", stranger.pid, "over")


@semantic("EX-13")
async def ex13_noproc_and_noconnection_are_ordinary_reasons() -> None:
    process.process_flag("trap_exits", True)
    for reason in ("noproc", "noconnection"):
        pid = await spawn_link_there(leave, reason)
        assert await exit_of(pid) == reason
        _, ref = await spawn_monitor_there(linger)
        member = await peer()
        watch = await process.monitor(member.pid)
        await order(member, spawn_linked_leaver, reason)
        assert await down(watch) == reason
        await process.demonitor(ref, flush=True)


async def spawn_linked_leaver(reason: object) -> None:
    """Be linked to somebody who dies of `reason`."""
    await process.spawn_link(leave, [reason], on="local")


@semantic("EX-14")
async def ex14_an_exit_signal_is_no_exception_to_carry_on_from() -> None:
    _, ref = await spawn_monitor_there(catches_exception)
    pid, ref = await spawn_monitor_there(catches_exception)
    await settle()
    await process.exit(pid, "boom")
    assert await down(ref) == "boom"
    _, ref = await spawn_monitor_there(catches_own_error)
    assert await down(ref) == "caught"


async def catches_exception() -> None:
    """Take every ordinary exception for no reason to stop."""
    while True:
        try:
            await linger()
        except Exception:
            continue


async def catches_own_error() -> None:
    """Go on after an error of one's own."""
    try:
        raise Boom("mine")
    except Boom:
        raise ProcessExit("caught") from None


@semantic("ER-01")
async def er01_an_exception_keeps_its_traceback_as_text() -> None:
    _, ref = await spawn_monitor_there(fail, "text")
    reason = cast(BaseException, await down(ref))
    assert reason.__traceback__ is None
    text = cast(str, reason.__otp_traceback__)  # type: ignore[attr-defined]
    assert "in fail" in text
    assert "Boom: text" in text


@semantic("ER-03")
async def er03_any_value_is_a_reason() -> None:
    for reason in ({"a": [1]}, (1, "two", None), b"bytes", 1.5, frozenset({1})):
        pid, ref = await spawn_monitor_there(linger)
        await process.exit(pid, reason)
        got = await down(ref)
        assert got == reason
        assert type(got) is type(reason)


@semantic("ER-03")
async def er03_what_cannot_travel_raises_at_the_caller_of_exit() -> None:
    pid, ref = await spawn_monitor_there(linger)
    if one_loop():
        await process.exit(pid, threading.Lock())
        await down(ref)
        return
    with pytest.raises(UnserializableError):
        await process.exit(pid, threading.Lock())
    assert process.is_alive(pid)
    _, ref = await spawn_monitor_there(leave_with_lock)
    reason = cast("tuple[str, str]", await down(ref))
    assert reason[0] == "unserializable"
    assert "lock" in reason[1]


async def leave_with_lock() -> None:
    """Die of what cannot travel."""
    raise ProcessExit(threading.Lock())
