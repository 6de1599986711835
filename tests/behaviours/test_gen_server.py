"""GS-03 … GS-08, GS-14: calls, casts and replies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.server.gen_server import GenServer
from tests.behaviours.servers import (
    SOON,
    Plain,
    Scripted,
    call_and_report,
    cut_short,
    exit_and_wait,
    hand_made_server,
    next_message,
    no_message,
    on_a_node,
    reply_for,
)
from tests.support import until


@on_a_node
async def test_gs03_a_call_takes_nothing_else_out_of_the_mailbox() -> None:
    me = process.self() or ""
    await process.send(me, "before")
    pid = await Scripted.start()
    assert await Scripted.call(pid, ("return", 1)) == 1
    await process.send(me, "after")
    assert await Scripted.call(pid, ("return", None)) is None
    assert [await next_message(), await next_message()] == ["before", "after"]
    assert await no_message()


@pytest.mark.parametrize("reason", ["normal", "boom", ("shutdown", 1)])
@on_a_node
async def test_gs03_a_server_that_ends_without_a_reply_gives_its_reason(reason: object) -> None:
    pid = await Scripted.start()
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(pid, ("exit", reason))
    assert caught.value.reason == reason
    assert caught.value.call == (pid, ("exit", reason))
    assert await no_message()


@on_a_node
async def test_gs03_a_dead_or_unknown_server_is_noproc() -> None:
    pid = await Scripted.start()
    await Scripted.stop(pid)
    for server in (pid, "nobody"):
        with pytest.raises(otpnode.CallExit) as caught:
            await Scripted.call(server, 1)
        assert caught.value.reason == "noproc"
        with pytest.raises(otpnode.CallExit) as caught:
            await Scripted.stop(server)
        assert caught.value.reason == "noproc"
    assert await no_message()


@on_a_node
async def test_gs03_a_server_killed_during_a_call_is_killed() -> None:
    me = process.self()
    pid = await Scripted.start()
    await process.spawn(call_and_report, [me, pid, ("wait", me)])
    message: Any = await next_message()
    assert message[0] == "waiting"
    await process.exit(pid, "kill")
    assert await next_message() == ("call exit", "killed")


@on_a_node
async def test_gs03_an_exception_of_the_server_is_reason_and_cause() -> None:
    pid = await Scripted.start()
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(pid, ("raise", KeyError("k")))
    assert isinstance(caught.value.reason, KeyError)
    assert isinstance(caught.value.__cause__, KeyError)


@on_a_node
async def test_gs04_a_call_that_times_out_leaves_nothing_and_the_server_goes_on() -> None:
    me = process.self()
    pid = await Scripted.start()
    with pytest.raises(otpnode.CallTimeoutError) as caught:
        await Scripted.call(pid, ("wait", me), timeout=0.02)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.reason == "timeout"
    assert "timed out" in str(caught.value)
    message: Any = await next_message()
    assert message[0] == "waiting"
    await process.send(pid, "go on")
    assert await Scripted.call(pid, ("return", "alive"), timeout=None) == "alive"
    assert await no_message()


@on_a_node
async def test_gs04_timeout_zero_is_legal_and_bad_timeouts_send_nothing() -> None:
    pid = await Scripted.start()
    with pytest.raises(otpnode.CallTimeoutError):
        await Scripted.call(pid, ("return", 1), timeout=0)
    with pytest.raises(ValueError, match="timeout"):
        await Scripted.call(pid, ("exit", "boom"), timeout=-1)
    assert await Scripted.call(pid, ("return", 1), timeout=float("inf")) == 1


@on_a_node
async def test_gs03_the_deadline_covers_the_wait_for_room() -> None:
    me = process.self()
    pid = await Scripted.start(mailbox_limit=2)
    await process.spawn(call_and_report, [me, pid, ("block", me), None])
    assert await next_message() == "blocked"

    async def full() -> bool:
        # Between shards the room of the message it has taken comes back a little later.
        while process.send_nowait(pid, ("filling",)):
            pass
        return await process.process_info(pid, "message_queue_len") == 2

    await until(full, "a full mailbox")
    with pytest.raises(otpnode.CallTimeoutError, match="mailbox stayed full"):
        await Scripted.call(pid, ("return", 1), timeout=0.05)
    # Not sent: what waits in the mailbox is what filled it.
    assert await process.process_info(pid, "message_queue_len") == 2
    await process.exit(pid, "kill")
    assert await next_message() == ("call exit", "killed")
    assert await no_message()


@on_a_node
async def test_gs03_a_cancelled_call_leaves_nothing() -> None:
    me = process.self()
    pid = await Scripted.start()
    with pytest.raises(TimeoutError) as caught:
        async with cut_short() as watcher:
            await Scripted.call(pid, ("wait", watcher))
    assert not isinstance(caught.value, otpnode.CallTimeoutError)
    message: Any = await next_message()
    await process.send(pid, "go on")
    assert await Scripted.call(pid, ("return", 1)) == 1
    assert message[0] == "waiting"
    assert await no_message()
    assert await process.process_info(me or "", "monitors") == []


@on_a_node
async def test_gs05_a_reply_that_is_there_when_the_call_is_cancelled_is_taken_away() -> None:
    me = process.self()
    pid = await Scripted.start()
    task = asyncio.create_task(GenServer.call(pid, ("later", me)))
    message: Any = await next_message()
    GenServer.reply(message[1], "reply")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await no_message()


@on_a_node
async def test_gs03_many_calls_at_once_in_child_tasks() -> None:
    me = process.self() or ""
    pids = [await Scripted.start() for _ in range(5)]
    calls = asyncio.gather(*(Scripted.call(pid, ("return", n)) for n, pid in enumerate(pids * 20)))
    calls.add_done_callback(lambda _: process.send_nowait(me, "answered"))
    assert await next_message() == "answered"
    assert await calls == list(range(100))
    assert await no_message()


@on_a_node
async def test_gs03_multi_call_and_abcast() -> None:
    pids = [await Plain.start([10 * n]) for n in range(3)]
    dead = await Plain.start()
    await Plain.stop(dead)
    await GenServer.abcast([pids[0], "nobody", dead], 100)
    replies, failed = await Plain.multi_call([*pids, dead, "nobody"], "next")
    assert replies == {pids[0]: 101, pids[1]: 11, pids[2]: 21}
    assert failed == {dead: "noproc", "nobody": "noproc"}
    assert await no_message()


@on_a_node
async def test_gs05_a_second_reply_never_arrives() -> None:
    pid = await Scripted.start()
    assert await Scripted.call(pid, ("twice", 1, 2)) == 1
    assert await Scripted.call(pid, ("return", 3)) == 3
    assert await no_message()


@on_a_node
async def test_gs06_any_process_may_reply_later() -> None:
    me = process.self()
    pid = await Scripted.start()
    await process.spawn(call_and_report, [me, pid, ("later", me)])
    message: Any = await next_message()
    assert message[0] == "reply to"
    assert await Scripted.call(pid, ("return", "not held up")) == "not held up"
    await process.spawn(reply_for, [message[1], "from elsewhere"])
    assert await next_message() == ("reply", "from elsewhere")


@on_a_node
async def test_gs07_casts_never_fail_and_come_before_a_later_call() -> None:
    pid = await Plain.start()
    await Plain.cast("nobody", 1)
    for n in range(50):
        await Plain.cast(pid, n)
    assert await Plain.call(pid, "next") == 50
    await Plain.stop(pid)
    await Plain.cast(pid, 1)
    with pytest.raises(TypeError):
        await GenServer.cast(7, 1)  # type: ignore[arg-type]


@on_a_node
async def test_gs14_a_client_killed_in_a_call_does_not_touch_the_server() -> None:
    me = process.self()
    pid = await Scripted.start([me])
    client = await process.spawn(call_and_report, [me, pid, ("wait", me)])
    await next_message()
    assert await exit_and_wait(client, "kill") == "killed"
    await process.send(pid, "go on")
    assert await Scripted.call(pid, ("return", "alive")) == "alive"
    assert await no_message()


@on_a_node
async def test_gs03_a_call_to_oneself_is_refused() -> None:
    me = process.self() or ""
    for attempt in (GenServer.call(me, 1), GenServer.stop(me)):
        with pytest.raises(otpnode.CallCycleError) as caught:
            await attempt
        assert caught.value.reason == "calling_self"
    assert await no_message()


@pytest.mark.parametrize("verb", ["call", "gather"])
@on_a_node
async def test_gs03_a_cycle_of_calls_is_refused_where_it_would_close(verb: str) -> None:
    first, second = await Scripted.start(), await Scripted.start()
    request = (verb, second, ("call", first, ("return", 1)))
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(first, request)
    reason = caught.value.reason
    # second refused, died of it, and first died of its call to second.
    assert isinstance(reason, otpnode.CallExit)
    inner = reason.reason
    assert isinstance(inner, otpnode.CallCycleError)
    assert inner.reason == ("cycle", [first, second])


class Background(GenServer[Any]):
    """Answers first, calls its client afterwards, from a child task that began in the callback."""

    def init(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def handle_call(self, request: Any, sender: Any, /) -> Any:
        self.tasks.append(asyncio.create_task(self.later(*request)))
        return "at once"

    async def later(self, client: str, watcher: str) -> None:
        await process.receive(ref=await_word(watcher))
        await process.send(watcher, ("called back", await GenServer.call(client, ("return", 1))))


def await_word(watcher: str) -> str:
    ref = process.alias(reply=True)
    process.send_nowait(watcher, ("answer me", ref))
    return ref


@on_a_node
async def test_gs03_the_chain_ends_with_the_callback() -> None:
    client, server = await Scripted.start(), await Background.start()
    assert await Scripted.call(client, ("call", server, (client, process.self()))) == "at once"
    message: Any = await next_message()
    await process.send(message[1], (message[1], "go"))
    assert await next_message() == ("called back", 1)


@on_a_node
async def test_gs03_any_process_can_be_a_server_or_a_client() -> None:
    server = await process.spawn(hand_made_server)
    assert await GenServer.call(server, "hello") == ("hello", 1)
    pid = await Scripted.start()
    ref = await process.monitor(pid, alias="reply_demonitor")
    await process.send(pid, ("$gen_call", (process.self(), ref), ("return", 5), []))
    assert await process.receive(SOON, ref=ref) == (ref, 5)
    # A malformed request is a message like any other.
    watched = await Scripted.start([process.self()])
    await process.send(watched, ("$gen_call", "nonsense"))
    assert await next_message() == ("info", ("$gen_call", "nonsense"))


async def wait_for_ever(server: str, watcher: str) -> None:
    await GenServer.call(server, ("wait", watcher), None)


@on_a_node
async def test_gs14_a_client_that_is_ended_in_a_call_takes_its_monitor_along() -> None:
    pid = await Scripted.start()
    caller = await process.spawn(wait_for_ever, [pid, process.self()])
    await next_message()
    assert await exit_and_wait(caller, "enough") == "enough"
    assert await process.process_info(pid, "monitored_by") == []
