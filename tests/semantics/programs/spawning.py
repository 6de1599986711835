"""SP: what a spawn promises."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import cast

import pytest

import otpnode
from otpnode import process
from otpnode.process import NameAlreadyRegisteredError, Pid, Ref, UnserializableError
from tests.semantics.peers import (
    SOON,
    Boom,
    down,
    exit_of,
    fail,
    finish,
    gone,
    is_peer,
    linger,
    me,
    nothing_comes,
    one_loop,
    settle,
    spawn_link_there,
    spawn_monitor_there,
    spawn_there,
    tell,
    there,
)
from tests.semantics.program import semantic

CARRIED: ContextVar[str] = otpnode.carry(ContextVar("tests_carried", default="unset"))
PLAIN: ContextVar[str] = ContextVar("tests_plain", default="unset")


def no_coroutine() -> None:
    """What is not to be spawned."""


async def takes_one(argument: object) -> None:
    """Want an argument."""


async def report_birth(answer: Ref, name: str) -> None:
    """Say what is installed at the first line."""
    mine = me()
    info = await process.process_info(mine, "links", "monitored_by", "registered_name")
    await process.send(answer, (answer, process.whereis(name) == mine, info))


async def report_inheritance(answer: Ref) -> None:
    """Say what a process has from its spawner."""
    info = await process.process_info(me(), "links", "trap_exits", "dictionary", "registered_name", "messages")
    await process.send(answer, (answer, info, PLAIN.get(), CARRIED.get()))


async def report_arguments(answer: Ref, *args: object, **kwargs: object) -> None:
    """Say what was given."""
    await process.send(answer, (answer, args, kwargs))


@semantic("SP-01")
async def sp01_each_spawn_returns_a_fresh_pid() -> None:
    pids = [await spawn_there(finish) for _ in range(30)]
    pids += [await process.spawn(finish, on="local") for _ in range(30)]
    assert len(set(pids)) == 60
    for pid in pids:
        await gone(pid)
    assert await spawn_there(finish) not in pids


@semantic("SP-01")
async def sp01_a_pid_can_be_used_before_the_child_has_run() -> None:
    answer = process.alias(reply=True)
    pid = await spawn_there(tell_first_message, answer)
    await process.send(pid, "early")
    assert cast("tuple[object, object]", await process.receive(SOON, ref=answer))[1] == "early"


async def tell_first_message(answer: Ref) -> None:
    """Send on the first message."""
    await process.send(answer, (answer, await process.receive()))


@semantic("SP-01")
async def sp01_a_wrong_call_is_the_failure_of_the_child() -> None:
    for func, args in ((takes_one, []), (no_coroutine, [])):
        _, ref = await spawn_monitor_there(func, *args)
        assert isinstance(await down(ref), TypeError)
    with pytest.raises(TypeError):
        await process.spawn(cast(object, 3))  # type: ignore[arg-type]


@semantic("SP-02", alone="the spawner's own step is of its own shard")
async def sp02_the_child_does_not_run_inside_the_spawn() -> None:
    trace: list[str] = []

    async def child() -> None:
        trace.append("child")

    await process.spawn(child)
    trace.append("spawned")
    await settle()
    assert trace == ["spawned", "child"]


@semantic("SP-02", "SP-06")
async def sp02_link_monitor_and_name_precede_the_first_line() -> None:
    answer = process.alias(reply=True)
    _, ref = await spawn_monitor_there(report_birth, answer, "sp02", link=True, name="sp02")
    _, named, info = cast("tuple[object, bool, object]", await process.receive(SOON, ref=answer))
    assert named
    assert info == {"links": [me()], "monitored_by": [me()], "registered_name": "sp02"}
    assert await down(ref) == "normal"


@semantic("SP-03")
async def sp03_spawn_link_delivers_the_true_reason_once() -> None:
    process.process_flag("trap_exits", True)
    for number in range(200):
        pid = await spawn_link_there(fail, f"boom {number}")
        reason = await exit_of(pid)
        assert isinstance(reason, Boom)
        assert reason.args == (f"boom {number}",)
    await nothing_comes()


@semantic("SP-04")
async def sp04_spawn_monitor_delivers_the_true_reason_once() -> None:
    for number in range(200):
        _, ref = await spawn_monitor_there(fail, f"boom {number}")
        reason = await down(ref)
        assert isinstance(reason, Boom)
        assert reason.args == (f"boom {number}",)
    await nothing_comes()


@semantic("SP-04")
async def sp04_no_down_comes_before_the_spawn_has_returned() -> None:
    pids = [await spawn_monitor_there(finish) for _ in range(50)]
    for pid, ref in pids:
        assert await process.receive(SOON) == ("DOWN", ref, "process", pid, "normal") or not one_loop()


@semantic("SP-05")
async def sp05_containers_are_captured_at_the_spawn() -> None:
    answer = process.alias(reply=True)
    args: list[object] = [answer, 1]
    kwargs: dict[str, object] = {"key": "value"}
    is_peer(await process.spawn(report_arguments, args, kwargs, on=there()))
    args.append(2)
    kwargs["other"] = 3
    assert await process.receive(SOON, ref=answer) == (answer, (1,), {"key": "value"})
    answer = process.alias(reply=True)
    await process.spawn(report_arguments, (answer,), None, on="local")
    assert await process.receive(SOON, ref=answer) == (answer, (), {})


@semantic("SP-05", alone="there is no peer: the spawn fails")
async def sp05_what_cannot_travel_is_refused_at_the_spawner() -> None:
    before = set(process.processes())
    if one_loop():
        await process.spawn(takes_one, [threading.Lock()], on=1)
        return
    with pytest.raises(UnserializableError):
        await process.spawn(takes_one, [threading.Lock()], on=1)
    with pytest.raises(UnserializableError):
        await process.spawn(lambda: finish(), on=1)
    await settle()
    # Processes of an earlier program may still have been ending when this one began.
    assert not set(process.processes()) - before


@semantic("SP-06")
async def sp06_a_taken_name_makes_no_process() -> None:
    holder = await spawn_there(linger, name="sp06")
    assert process.whereis("sp06") == holder
    await settle()
    before = set(process.processes())
    for where in ("local", there()):
        with pytest.raises(NameAlreadyRegisteredError):
            await process.spawn(tell, [me(), "ran"], name="sp06", on=where)
    assert not set(process.processes()) - before
    await nothing_comes()
    for name in ("", "undefined", "pid_x", "ref_x"):
        with pytest.raises(ValueError, match="name"):
            await process.spawn(finish, name=name, on=there())


@semantic("SP-07")
async def sp07_nothing_is_inherited_but_what_is_carried() -> None:
    process.process_flag("trap_exits", True)
    process.put("key", "value")
    await process.register("sp07")
    PLAIN.set("set")
    CARRIED.set("set")
    for spawn in (process.spawn, spawn_there):
        answer = process.alias(reply=True)
        if spawn is process.spawn:
            await process.spawn(report_inheritance, [answer], on="local")
        else:
            await spawn_there(report_inheritance, answer)
        _, info, plain, carried = cast("tuple[object, ...]", await process.receive(SOON, ref=answer))
        assert info == {"links": [], "trap_exits": False, "dictionary": {}, "registered_name": None, "messages": []}
        assert (plain, carried) == ("unset", "set")


@semantic("SP-10")
async def sp10_a_process_without_mailbox_cannot_receive() -> None:
    _, ref = await spawn_monitor_there(process.receive, mailbox=False)
    assert isinstance(await down(ref), RuntimeError)
    _, ref = await spawn_monitor_there(process.monitor, me(), mailbox=False)
    assert isinstance(await down(ref), RuntimeError)
    _, ref = await spawn_monitor_there(process.spawn_monitor, finish, mailbox=False)
    assert isinstance(await down(ref), RuntimeError)
    with pytest.raises(ValueError, match="mailbox"):
        await process.spawn(finish, mailbox=False, trap_exits=True, on=there())


@semantic("SP-10")
async def sp10_messages_to_it_are_dropped_and_signals_work() -> None:
    pid = await spawn_there(linger, mailbox=False)
    for number in range(300):
        await process.send(pid, number)
    assert await process.process_info(pid, "message_queue_len") == 0
    process.process_flag("trap_exits", True)
    await process.link(pid)
    await process.exit(pid, "enough")
    assert await exit_of(pid) == "enough"


@semantic("SP-01")
async def sp01_on_names_shards_pids_and_nothing_else() -> None:
    beside = await spawn_there(linger)
    pid: Pid = await process.spawn(finish, on=beside)
    assert process.shard_of(pid) == process.shard_of(beside)
    dead = await spawn_there(finish)
    await gone(dead)
    with pytest.raises(process.ProcessNotFoundError):
        await process.spawn(finish, on=dead)
    for bad in (-1, "somewhere", 1.5, None, True):
        with pytest.raises(ValueError, match="on="):
            await process.spawn(finish, on=cast(str, bad))
    if not one_loop():
        with pytest.raises(ValueError, match="shards 0 to 1"):
            await process.spawn(finish, on=2)
