"""GS-08 … GS-13, GS-15: ends, continuations, timeouts, bad returns, system messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.common.control import Continue, Init, Reply, Stop, Timeout
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.process import ProcessExit
from tests.behaviours.servers import (
    SOON,
    NoState,
    Plain,
    Scripted,
    Secret,
    Trapping,
    call_and_report,
    ending_of,
    exit_and_wait,
    next_message,
    no_message,
    on_a_node,
    run,
    start_and_report,
)

# -- GS-08, GS-09: terminate --------------------------------------------------


@on_a_node
async def test_gs08_terminate_runs_before_the_reply_of_a_stop() -> None:
    pid = await Scripted.start([process.self()])
    assert await Scripted.call(pid, ("return", Stop("bye", reply="last words"))) == "last words"
    assert await next_message() == ("terminate", "bye")
    assert await ending_of(pid) in ("bye", "noproc")


@on_a_node
async def test_gs08_a_stop_without_reply_tells_the_caller_its_reason() -> None:
    pid = await Scripted.start([process.self()])
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(pid, ("return", Stop("normal")))
    assert caught.value.reason == "normal"
    assert await next_message() == ("terminate", "normal")


@on_a_node
async def test_gs08_a_stop_may_reply_none() -> None:
    pid = await Scripted.start()
    assert await Scripted.call(pid, ("return", Stop("normal", reply=None))) is None


@on_a_node
async def test_gs09_terminate_runs_after_an_exception_and_sees_it() -> None:
    pid = await Scripted.start([process.self()])
    await Scripted.cast(pid, ("raise", ValueError("v")))
    message: Any = await next_message()
    assert message[0] == "terminate"
    assert isinstance(message[1], ValueError)


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
@on_a_node
async def test_gs09_the_exit_of_the_parent_terminates_a_trapping_server(reason: str) -> None:
    me = process.self()
    parent = await process.spawn(start_and_report, [me, Trapping, [me]])
    _, server = await next_message()  # type: ignore[misc]
    if reason == "normal":
        await process.send(parent, "return")
    else:
        await process.exit(parent, reason)
    assert await next_message() == ("terminate", reason)
    assert await ending_of(server) in (reason, "noproc")


@on_a_node
async def test_gs09_an_exit_signal_ends_a_server_that_does_not_trap_without_terminate() -> None:
    pid = await Scripted.start([process.self()])
    assert await exit_and_wait(pid, "shutdown") == "shutdown"
    assert await no_message()
    pid = await Trapping.start([process.self()])
    assert await exit_and_wait(pid, "kill") == "killed"
    assert await no_message()


class Translating(GenServer[str]):
    """Makes an error, or an answer, of its own cancellation."""

    def init(self, watcher: str) -> str:
        return watcher

    async def handle_call(self, request: str, sender: object, /) -> Stop[str]:
        await process.send(self.state, "in the call")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if request == "raise":
                raise ValueError("cancelled, it seems") from None
        return Stop("of its own", reply="still here")

    def terminate(self, reason: object, /) -> None:
        process.send_nowait(self.state, ("terminate", reason))


@pytest.mark.parametrize("how", ["raise", "return"])
@on_a_node
async def test_gs09_an_exit_signal_that_a_callback_turns_into_something_else_is_still_one(how: str) -> None:
    me = process.self()
    pid = await Translating.start([me])
    await process.spawn(call_and_report, [me, pid, how])
    assert await next_message() == "in the call"
    assert await exit_and_wait(pid, "shutdown") == "shutdown"
    assert await next_message() == ("call exit", "shutdown")
    assert await no_message()


@on_a_node
async def test_gs09_the_exit_of_a_stranger_is_a_message_to_a_trapping_server() -> None:
    me = process.self()
    pid = await Trapping.start([me])
    await process.exit(pid, "shutdown")
    assert await next_message() == ("info", ("EXIT", me, "shutdown"))
    assert process.is_alive(pid)


def test_gs09_the_stop_of_the_node_terminates_a_trapping_server() -> None:
    seen: list[object] = []

    class Root(GenServer):
        trap_exits = True

        def terminate(self, reason: object, /) -> None:
            seen.append(reason)

    async def program() -> None:
        await Root.start()

    run(program)
    assert seen == ["shutdown"]


@on_a_node
async def test_gs09_an_exception_in_terminate_replaces_the_reason() -> None:
    pid = await Scripted.start()
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.stop(pid, "fail in terminate")
    assert isinstance(caught.value.reason, RuntimeError)


class Cancelled(GenServer[str]):
    """Its callback is cancelled by nobody."""

    def init(self, watcher: str) -> str:
        return watcher

    async def handle_call(self, request: object, sender: object, /) -> object:
        raise asyncio.CancelledError

    async def terminate(self, reason: object, /) -> None:
        await process.send(self.state, ("terminate", reason))


@on_a_node
async def test_gs09_a_cancellation_that_is_no_exit_signal_is_an_end_of_its_own_making() -> None:
    pid = await Cancelled.start([process.self()])
    with pytest.raises(otpnode.CallExit) as caught:
        await Cancelled.call(pid, 1)
    assert caught.value.reason == "cancelled"
    assert await next_message() == ("terminate", "cancelled")


# -- GS-10 … GS-12 ------------------------------------------------------------


@on_a_node
async def test_gs10_continue_runs_before_queued_messages() -> None:
    pid = await Scripted.start([process.self(), "continue"])
    await process.send(pid, "queued")
    assert await next_message() == ("continue", "init")
    assert await next_message() == ("info", "queued")
    await Scripted.cast(pid, ("return", Continue("cast")))
    await process.send(pid, "later")
    assert await Scripted.call(pid, ("then", 1, Continue("call"))) == 1
    assert [await next_message() for _ in range(3)] == [
        ("continue", "cast"),
        ("info", "later"),
        ("continue", "call"),
    ]


class Endless(GenServer[int]):
    """Goes on, by callbacks that await nothing, until it is ended, or has been left alone for too long."""

    def init(self, watcher: str) -> Init[int]:
        self.watcher = watcher
        return Init(0, Continue())

    def handle_continue(self, arg: object, /) -> Continue | Stop[Any]:
        if not self.state:
            process.send_nowait(self.watcher, "going on")
        self.state += 1
        return Continue() if self.state < 10**6 else Stop("left alone")


@pytest.mark.rule("FS-01")
@on_a_node
async def test_fs01_a_server_that_always_continues_gives_way_to_others_and_can_be_ended() -> None:
    pid = await Endless.start([process.self()])
    assert await next_message() == "going on"
    neighbour = await Plain.start(on=process.shard_of(pid))
    for count in range(1, 10):
        assert await Plain.call(neighbour, "next", SOON) == count
    assert await exit_and_wait(pid, "enough") == "enough"


@on_a_node
async def test_gs11_an_idle_server_gets_timeout() -> None:
    pid = await Scripted.start([process.self(), "timeout"])
    assert await next_message() == ("info", "timeout")
    await Scripted.call(pid, ("no reply then", Timeout(0)))
    assert await next_message() == ("info", "timeout")


@on_a_node
async def test_gs11_any_message_cancels_the_idle_timeout_and_zero_loses_to_what_is_queued() -> None:
    pid = await Scripted.start([process.self()])
    # Suspended, so that all three are queued before the first is served, wherever the server lives.
    await system.suspend(pid)
    await Scripted.cast(pid, ("return", Timeout(0)))
    await process.send(pid, "queued")
    await Scripted.cast(pid, ("return", None))
    await system.resume(pid)
    assert await next_message() == ("info", "queued")
    assert await Scripted.call(pid, ("return", 1)) == 1
    assert await no_message()


@pytest.mark.parametrize("bad", [Continue(1), Timeout(1), Init(1), Reply(1, then=7)])  # type: ignore[arg-type]
@on_a_node
async def test_gs12_a_bad_return_of_handle_call(bad: object) -> None:
    pid = await Scripted.start([process.self()])
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(pid, ("return", bad))
    assert caught.value.reason == ("bad_return_value", bad)
    assert await next_message() == ("terminate", ("bad_return_value", bad))


@pytest.mark.parametrize("bad", [1, Reply(1), Stop("normal", reply=1)])
@on_a_node
async def test_gs12_a_bad_return_of_handle_cast(bad: object) -> None:
    pid = await Scripted.start([process.self()])
    await Scripted.cast(pid, ("return", bad))
    assert await next_message() == ("terminate", ("bad_return_value", bad))


def test_gs12_a_server_without_handlers_logs_messages_and_dies_of_requests(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        pid = await NoState.start()
        await process.send(pid, "unexpected")
        assert await system.get_state(pid) == "set in init"
        with pytest.raises(otpnode.CallExit) as caught:
            await NoState.call(pid, "what")
        assert isinstance(caught.value.reason, NotImplementedError)
        pid = await NoState.start()
        await NoState.cast(pid, "what")
        assert isinstance(await ending_of(pid), NotImplementedError)

    run(program)
    assert "got an unexpected message: 'unexpected'" in caplog.text


# -- GS-13, GS-15 -------------------------------------------------------------


@on_a_node
async def test_gs13_stop_runs_terminate_and_returns_after_the_death() -> None:
    pid = await Scripted.start([process.self()], name="s")
    await GenServer.stop("s", "because")
    assert await next_message() == ("terminate", "because")
    assert not process.is_alive(pid)
    assert process.whereis("s") is None
    assert await no_message()


@on_a_node
async def test_gs13_a_stop_that_takes_too_long_times_out() -> None:
    me = process.self()
    pid = await Scripted.start()
    await process.spawn(call_and_report, [me, pid, ("block", me)])
    await next_message()
    with pytest.raises(otpnode.CallTimeoutError):
        await GenServer.stop(pid, timeout=0.02)
    assert await no_message()


def double(state: list[object]) -> list[object]:
    return state * 2


def fail(state: object) -> object:
    raise ProcessLookupError("no")


def leave(state: object) -> object:
    raise SystemExit("no")


def leave_as_a_process(state: object) -> object:
    raise ProcessExit("no")


def be_cancelled(state: object) -> object:
    raise asyncio.CancelledError


@on_a_node
async def test_gs15_the_state_can_be_looked_at_and_replaced() -> None:
    pid = await Scripted.start()
    await Scripted.cast(pid, "a")
    assert await system.get_state(pid) == ["a"]
    assert await system.replace_state(pid, double) == ["a", "a"]  # type: ignore[arg-type]
    with pytest.raises(otpnode.CallExit) as caught:
        await system.replace_state(pid, fail)
    assert isinstance(caught.value.reason, ProcessLookupError)
    assert await system.get_state(pid) == ["a", "a"]
    status = await system.get_status(pid)
    assert (status.pid, status.phase, status.state) == (pid, "running", ["a", "a"])
    assert status.behaviour.endswith("servers.Scripted")
    assert (await system.get_status(await Secret.start())).state == "***"


@pytest.mark.parametrize("func", [leave, leave_as_a_process, be_cancelled])
@on_a_node
async def test_gs15_whatever_a_function_for_the_state_raises_is_the_askers_affair(func: Any) -> None:
    pid = await Scripted.start([process.self()])
    with pytest.raises(otpnode.CallExit) as caught:
        await system.replace_state(pid, func)
    assert isinstance(caught.value.reason, (SystemExit, ProcessExit, asyncio.CancelledError))
    assert await system.get_state(pid) == []
    assert await no_message()


@on_a_node
async def test_gs15_a_suspended_server_serves_only_system_messages() -> None:
    me = process.self()
    pid = await Scripted.start([me])
    await system.suspend(pid)
    await process.send(pid, "queued")
    with pytest.raises(otpnode.CallTimeoutError):
        await Scripted.call(pid, ("return", 1), timeout=0.02)
    assert (await system.get_status(pid)).phase == "suspended"
    assert await no_message()
    await system.resume(pid)
    assert await next_message() == ("info", "queued")
    assert await Scripted.call(pid, ("return", 2)) == 2
    await system.suspend(pid)
    await GenServer.stop(pid)
    assert await next_message() == ("terminate", "normal")


@on_a_node
async def test_gs15_a_suspended_server_obeys_the_exit_of_its_parent() -> None:
    me = process.self()
    parent = await process.spawn(start_and_report, [me, Trapping, [me]])
    _, server = await next_message()  # type: ignore[misc]
    await system.suspend(server)
    await process.exit(parent, "over")
    assert await next_message() == ("terminate", "over")


# -- ends of one's own making --------------------------------------------------


class Leaving(GenServer):
    """Ends with what it is sent."""

    def handle_cast(self, request: object, /) -> None:
        raise ProcessExit(request)


@on_a_node
async def test_gs09_an_exit_raised_in_a_callback_ends_the_server_with_its_reason() -> None:
    pid, ref = await process.spawn_monitor(start_and_report, [process.self(), Leaving, []])
    _, server = await next_message()  # type: ignore[misc]
    await Leaving.cast(server, "left")
    down: Any = await process.receive(SOON, ref=ref)
    assert (down[3], down[4]) == (pid, "left")
