"""GS-01, GS-02: starting a server, and how it fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.server.gen_server import GenServer
from tests.behaviours.servers import (
    SOON,
    NoState,
    Plain,
    Scripted,
    Trapping,
    cut_short,
    exit_and_wait,
    next_message,
    no_message,
    on_a_node,
    start_and_report,
)


@on_a_node
async def test_gs01_a_server_starts_and_answers() -> None:
    pid = await Plain.start_link([41], name="plain")
    assert GenServer.whereis("plain") == pid
    assert await Plain.call("plain", "next") == 42
    assert await Plain.call(pid, "next") == 43
    await Plain.cast("plain", 7)
    assert await Plain.call("plain", "next") == 8
    assert await process.process_info(pid, "label") == "Plain"
    await Plain.stop("plain")
    assert GenServer.whereis("plain") is None
    assert await no_message()


@on_a_node
async def test_gs01_init_takes_keywords_and_may_set_the_state_itself() -> None:
    assert await Plain.call(await Plain.start(kwargs={"start": 9}), "next") == 10
    pid = await NoState.start(label="named")
    assert await process.process_info(pid, "label") == "named"
    assert await system.get_state(pid) == "set in init"


@pytest.mark.parametrize(
    ("how", "arg", "reason"),
    [
        ("stop", "no way", "no way"),
        ("stop", "normal", "normal"),
        ("exit", "gone", "gone"),
        ("ignore", None, "ignore"),
    ],
)
@on_a_node
async def test_gs01_a_refused_start_raises_its_reason(how: str, arg: object, reason: object) -> None:
    with pytest.raises(otpnode.StartError) as caught:
        await Scripted.start([None, how, arg], name="refused")
    assert caught.value.reason == reason
    assert process.whereis("refused") is None
    assert await no_message()


@on_a_node
async def test_gs01_an_exception_and_a_bad_return_of_init_are_reasons() -> None:
    with pytest.raises(otpnode.StartError) as caught:
        await Scripted.start([None, "raise", "x"])
    assert isinstance(caught.value.reason, ValueError)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(otpnode.StartError) as caught:
        await Scripted.start([None, "bad"])
    reason: Any = caught.value.reason
    assert reason[0] == "bad_return_value"
    with pytest.raises(otpnode.StartError) as caught:
        await Plain.start(["too", "many"])
    assert isinstance(caught.value.reason, TypeError)


@on_a_node
async def test_gs01_a_trapping_starter_gets_the_error_and_the_exit() -> None:
    process.process_flag("trap_exits", True)
    with pytest.raises(otpnode.StartError):
        await Scripted.start_link([None, "stop", "no way"])
    message: Any = await next_message()
    assert (message[0], message[2]) == ("EXIT", "no way")
    assert await no_message()


@on_a_node
async def test_gs01_a_starter_that_does_not_trap_dies_with_the_reason_whatever_it_catches() -> None:
    me = process.self()
    _, ref = await process.spawn_monitor(start_and_report, [me, Scripted, [None, "stop", "no way"]])
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "no way"


@on_a_node
async def test_gs01_ignore_kills_nobody() -> None:
    starter = await process.spawn(start_and_report, [process.self(), Scripted, [None, "ignore"]])
    assert await next_message() == ("start error", "ignore")
    assert process.is_alive(starter)


async def kill_what_says_in_init() -> None:
    message: Any = await process.receive(SOON, match=lambda m: m[0] == "in init")
    await process.exit(message[1], "kill")


@on_a_node
async def test_gs01_a_child_killed_during_init_is_a_start_error_and_leaves_no_exit() -> None:
    process.process_flag("trap_exits", True)

    killer = await process.spawn(kill_what_says_in_init)
    with pytest.raises(otpnode.StartError) as caught:
        await Scripted.start_link([killer, "wait"])
    assert caught.value.reason == "killed"
    assert await no_message()


@on_a_node
async def test_gs02_an_init_that_takes_too_long_is_killed() -> None:
    me = process.self()
    for seconds in (0.05, 0.5, 5):
        with pytest.raises(otpnode.StartError) as caught:
            await Trapping.start_link([me, "wait"], timeout=seconds, name="slow")
        assert caught.value.reason == "timeout"
        if not await no_message():
            break  # Otherwise its init had not even begun, on a busy machine.
    message: Any = await next_message()
    assert message[0] == "in init"
    assert not process.is_alive(message[1])
    assert process.whereis("slow") is None
    assert await no_message()


@on_a_node
async def test_gs02_a_cancelled_start_leaves_no_server() -> None:
    with pytest.raises(TimeoutError):
        async with cut_short() as watcher:
            await Scripted.start_link([watcher, "wait"])
    message: Any = await next_message()
    assert not process.is_alive(message[1])
    assert await no_message()


@on_a_node
async def test_gs02_a_taken_name_is_told_with_its_holder_and_init_does_not_run() -> None:
    holder = await Plain.start_link(name="one")
    with pytest.raises(otpnode.AlreadyStartedError) as caught:
        await Scripted.start_link([process.self(), "wait"], name="one")
    assert caught.value.pid == holder
    assert caught.value.reason == ("already_started", holder)
    assert await no_message()


@on_a_node
async def test_gs01_many_starts_in_child_tasks_leave_the_mailbox_alone() -> None:
    me = process.self() or ""
    starts = [asyncio.create_task(Plain.start_link([n])) for n in range(10)]
    failing = [asyncio.create_task(Scripted.start([None, "stop", "no"])) for _ in range(10)]
    gathered = asyncio.gather(*starts, *failing, return_exceptions=True)
    gathered.add_done_callback(lambda _: process.send_nowait(me, "all done"))
    assert await next_message() == "all done"
    results = await gathered
    assert [await Plain.call(str(pid), "next") for pid in results[:10]] == list(range(1, 11))
    assert all(isinstance(error, otpnode.StartError) for error in results[10:])
    assert await no_message()


@on_a_node
async def test_gs01_a_server_outlives_a_starter_that_died_during_init() -> None:
    me = process.self()
    starter = await process.spawn(start_unlinked, [me])
    message: Any = await next_message()
    assert await exit_and_wait(starter, "kill") == "killed"
    assert process.is_alive(message[1])


async def start_unlinked(watcher: str) -> None:
    await Scripted.start([watcher, "wait"])


def test_start_link_outside_a_process_says_what_to_do() -> None:
    async def outside() -> None:
        async with otpnode.node():
            with pytest.raises(otpnode.NotInProcessError, match=r"use start\(\)"):
                await Plain.start_link()
            pid = await Plain.start(name="x")
            assert process.processes() == [pid]
            assert await Plain.call("x", "next") == 1
            assert await Plain.multi_call(["x", "y"], "next") == ({"x": 2}, {"y": "noproc"})
            await Plain.cast("x", 9)
            assert await Plain.call("x", "next") == 10
            assert process.processes() == [pid]
            await Plain.stop("x")
            assert process.processes() == []

    asyncio.run(outside())


def test_a_subclass_with_an_init_method_of_python_is_refused() -> None:
    with pytest.raises(TypeError, match="define init"):

        class Wrong(GenServer):
            def __init__(self) -> None:
                pass


@on_a_node
async def test_gs01_bad_arguments_of_a_start() -> None:
    with pytest.raises(TypeError, match="args"):
        await Plain.start("ab")
    with pytest.raises(ValueError, match="timeout"):
        await Plain.start(timeout=-1)


@on_a_node
async def test_gs02_a_start_that_is_given_up_leaves_no_process_wherever_it_was_to_live() -> None:
    before = set(process.processes())
    for turns in range(12):
        start = asyncio.create_task(Scripted.start([None, "wait"], on=process.schedulers() - 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert set(process.processes()) == before
    assert await no_message()


@on_a_node
async def test_gs02_a_child_task_may_start_beside_the_receive_of_its_process() -> None:
    me = process.self() or ""
    process.process_flag("trap_exits", True)
    for watcher, timeout, reason in ((None, 0.01, "timeout"), (me, None, "killed")):
        start = asyncio.create_task(Trapping.start_link([watcher, "wait"], timeout=timeout))
        start.add_done_callback(lambda _: process.send_nowait(me, "ended"))
        if watcher is not None:
            _, server = await next_message()  # type: ignore[misc]
            await process.exit(server, "kill")
            # The receive that is under way has it.
            assert await next_message() == ("EXIT", server, "killed")
        assert await next_message() == "ended"
        with pytest.raises(otpnode.StartError) as caught:
            await start
        assert caught.value.reason == reason
    assert await no_message()


def test_gs02_a_start_from_outside_that_is_given_up_leaves_no_process() -> None:
    async def outside() -> None:
        async with otpnode.node():
            in_init = asyncio.Event()

            class Slow(GenServer):
                async def init(self) -> None:
                    in_init.set()
                    await asyncio.Event().wait()

            start = asyncio.create_task(Slow.start(name="slow"))
            await in_init.wait()
            start.cancel()
            with pytest.raises(asyncio.CancelledError):
                await start
            assert process.processes() == []
            assert process.whereis("slow") is None

    asyncio.run(outside())
