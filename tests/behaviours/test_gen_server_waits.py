"""GS-03, GS-04: what a call that times out says, and calls that wait for each other, across shards."""

from __future__ import annotations

import time
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.process import ProcessExit
from tests.behaviours.servers import (
    SOON,
    Scripted,
    call_and_report,
    hand_made_server,
    next_message,
    no_message,
    on_a_node,
)

UNANSWERED = "its shard did not answer within 0.1 s"
"""Stands in the text where a shard says nothing of its server: on a busy machine that may be any shard."""


def far() -> int:
    """Return the number of the shard that is farthest from the programs."""
    return process.schedulers() - 1


@on_a_node
async def test_gs04_the_text_of_a_timeout_says_what_the_server_is_doing() -> None:
    me = process.self() or ""
    pid = await Scripted.start(name="busy", label="the busy one")
    await process.spawn(call_and_report, [me, pid, ("block", me), None])
    assert await next_message() == "blocked"
    await process.send(pid, "queued")
    text, calls = UNANSWERED, 0
    while UNANSWERED in text:
        with pytest.raises(otpnode.CallTimeoutError) as caught:
            await Scripted.call("busy", ("return", 1), timeout=0.01)
        text, calls = str(caught.value), calls + 1
    assert text.startswith("call ('busy', ('return', 1)) timed out: ")
    assert f"{pid} (the busy one) has {1 + calls} messages queued" in text
    assert "servers.py:" in text
    assert "handle_call" in text
    assert await no_message()
    assert await process.process_info(me, "monitors") == []


@on_a_node
async def test_gs04_a_server_that_dies_at_the_last_moment_is_told_so() -> None:
    me = process.self() or ""
    pid = await Scripted.start()
    await process.spawn(call_and_report, [me, pid, ("block", me), None])
    assert await next_message() == "blocked"
    await process.exit(pid, "kill")
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(pid, ("return", 1), timeout=0)
    assert caught.value.reason in ("noproc", "killed", "timeout")
    assert await next_message() == ("call exit", "killed")
    assert await no_message()


class Computing(GenServer[Any]):
    """Holds its shard."""

    async def handle_call(self, request: Any, sender: Any, /) -> None:
        watcher, seconds = request
        await process.send(watcher, "computing")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass


@on_a_node(only=("pipe",), why="only a shard of its own can compute while the caller's answers")
async def test_gs04_a_shard_that_computes_is_said_not_to_answer() -> None:
    me = process.self() or ""
    pid = await Computing.start()
    await process.spawn(call_and_report, [me, pid, (me, 1.5), SOON], on="local")
    assert await next_message() == "computing"
    with pytest.raises(otpnode.CallTimeoutError, match=r"its shard did not answer within 0\.1 s") as caught:
        await Computing.call(pid, (me, 0), timeout=0.01)
    assert pid in str(caught.value)
    # The call that has timed out is served all the same.
    came = [await next_message(), await next_message()]
    assert sorted(came, key=str) == [("reply", None), "computing"]


@on_a_node
async def test_gs04_the_text_of_a_huge_request_is_short() -> None:
    pid = await Scripted.start()
    with pytest.raises(otpnode.CallTimeoutError) as caught:
        await Scripted.call(pid, ("return", "x" * 10**7), timeout=0)
    assert len(str(caught.value)) < 1500


@on_a_node
async def test_gs03_a_cycle_across_shards_is_refused_at_once() -> None:
    first, second = await Scripted.start(on=0), await Scripted.start(on=far())
    third = await Scripted.start(on=0)
    request = ("call", second, ("call", third, ("call", first, ("return", 1))))
    with pytest.raises(otpnode.CallExit) as caught:
        await Scripted.call(first, request)
    reasons = []
    reason: Any = caught.value
    while isinstance(reason, otpnode.CallExit):
        reasons.append(reason)
        reason = reason.reason
    assert isinstance(reasons[-1], otpnode.CallCycleError)
    assert reason == ("cycle", [first, second, third])


@on_a_node
async def test_gs03_the_chain_of_a_request_holds_64_pids_at_most() -> None:
    me = process.self()
    last = await process.spawn(hand_made_server, on=0)
    pid = await Scripted.start(on=far())
    ref = await process.monitor(pid, alias="reply_demonitor")
    long = [f"pid_elsewhere.0.1.{number}" for number in range(70)]
    await process.send(pid, ("$gen_call", (me, ref), ("call", last, "hello"), long))
    assert await process.receive(SOON, ref=ref) == (ref, ("hello", 64))


@on_a_node
async def test_gs04_simultaneous_calls_end_by_a_timeout_whose_text_shows_both_waits() -> None:
    first, second = await Scripted.start(on=0), await Scripted.start(on=far())
    text = UNANSWERED
    while UNANSWERED in text:
        text = await meeting(first, second)
    assert text.startswith(f"call ('{second}', ")
    assert f"{second} (Scripted)" in text
    assert f"handle_call, waiting for {first}" in text


async def meeting(first: str, second: str) -> str:
    """Have `second` call `first` and then `first` call `second` in vain; return what `first` is told."""
    me = process.self()
    for server, other, seconds in ((second, first, None), (first, second, 0.3)):
        await process.spawn(call_and_report, [me, server, ("meet", other, me, seconds)], on="local")
        message: Any = await next_message()
        assert message[0] == "waiting"
    await process.send(second, "go on")
    while f"waiting for {first}" not in str(await process.process_info(second, "current")):
        pass
    await process.send(first, "go on")
    word, text = await next_message()  # type: ignore[misc]
    assert word == "reply"
    assert await next_message() == ("reply", "in time")
    return str(text)


async def listen_by_ref(watcher: str, target: str) -> None:
    """Await the death of `target` in a child task's way: by ref."""
    ref = await process.monitor(target)
    await process.send(watcher, process.self())
    raise ProcessExit(await process.receive(ref=ref))


@on_a_node
async def test_gs04_current_says_for_whom_any_process_waits() -> None:
    pid = await Scripted.start()
    waiting: Any = await process.spawn(listen_by_ref, [process.self(), pid], on=far())
    assert await next_message() == waiting
    current: Any = await process.process_info(waiting, "current")
    while "waiting for" not in current:
        current = await process.process_info(waiting, "current")
    assert current.endswith(f"listen_by_ref, waiting for {pid}")
