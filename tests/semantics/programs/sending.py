"""SD and SO: what a send promises, and the order of signals."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessNotFoundError, Ref
from tests.semantics.peers import (
    SOON,
    begin,
    collect,
    down,
    exit_of,
    fill,
    finish,
    gone,
    linger,
    me,
    nothing_comes,
    one_loop,
    order,
    outcome,
    peer,
    settle,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic
from tests.support import until


async def echo() -> None:
    """Send every ``(ref, message)`` back through its ref."""
    while True:
        ref, message = cast("tuple[Ref, object]", await process.receive())
        await process.send(ref, (ref, message))


async def mixed_signals(to: Pid) -> None:
    """Send messages and exit signals in turn, then die."""
    await process.send(to, "m1")
    await process.exit(to, "s1")
    await process.send(to, "m2")
    await process.exit(to, "s2")
    await process.send(to, "m3")


async def last_words(to: Pid, count: int) -> None:
    """Send `count` messages and die in the same step."""
    for number in range(count):
        await process.send(to, number)


async def row(to: Pid, name: str, count: int) -> None:
    """Send `count` flat messages, two at a time."""
    for number in range(count):
        await process.send(to, (name, number))
        if number % 2:
            await asyncio.sleep(0)


async def through_everything(to: Pid, alias: Ref) -> None:
    """Send by pid, by alias and by link, then die over the link."""
    await process.send(to, "plain")
    await process.send(alias, "alias")
    await process.link(to)
    await process.send(to, "linked")
    raise process.ProcessExit("over")


@semantic("SD-01")
async def sd01_targets_are_pids_names_and_refs() -> None:
    pid = await spawn_there(echo, name="sd01")
    for target in (pid, "sd01"):
        answer = process.alias(reply=True)
        assert await order(await peer(here=True), process.send, target, (answer, "hello")) is None
        assert await process.receive(SOON, ref=answer) == (answer, "hello")
    for bad in (None, 3, b"sd01", ("sd01", "node")):
        with pytest.raises(TypeError):
            await process.send(cast(str, bad), "message")
        with pytest.raises(TypeError):
            process.send_nowait(cast(str, bad), "message")


@semantic("SD-02")
async def sd02_a_dead_pid_raises_at_the_call() -> None:
    pid = await spawn_there(finish)
    await gone(pid)
    with pytest.raises(ProcessNotFoundError):
        await process.send(pid, "message")
    with pytest.raises(ProcessNotFoundError):
        process.send_nowait(pid, "message")
    process.send_after(0, pid, "message")
    await nothing_comes()


@semantic("SD-03")
async def sd03_an_unknown_name_raises_and_nothing_is_queued() -> None:
    with pytest.raises(ProcessNotFoundError):
        await process.send("sd03", "message")
    pid = await spawn_there(linger, name="sd03")
    assert await process.process_info(pid, "message_queue_len") == 0
    ref = await process.monitor(pid)
    await process.exit(pid, "kill")
    await down(ref)
    with pytest.raises(ProcessNotFoundError):
        await process.send("sd03", "message")
    with pytest.raises(ProcessNotFoundError):
        process.send_nowait("sd03", "message")


@semantic("SD-04")
async def sd04_a_name_is_resolved_once_at_the_call() -> None:
    first, second = await peer(name="sd04"), await spawn_there(linger)
    room = fill("sd04")
    blocked = asyncio.create_task(process.send("sd04", "in flight"))
    await settle()
    assert not blocked.done()
    await process.unregister("sd04")
    await process.register("sd04", second)
    for _ in range(room):
        await order(first, process.receive)
    assert await order(first, process.receive, SOON) == "in flight"
    await blocked
    assert await process.process_info(second, "message_queue_len") == 0


@semantic("SD-06")
async def sd06_sharing_inside_one_message_is_kept() -> None:
    pid = await spawn_there(echo)
    shared = [1, (2, 3), {"four": {5}}]
    answer = process.alias()
    await process.send(pid, (answer, [shared, shared]))
    _, (first, second) = cast("tuple[object, list[object]]", await process.receive(SOON, ref=answer))
    assert first == shared
    assert first is second
    assert (first is shared) == one_loop()


@semantic("SD-06")
async def sd06_pids_and_refs_are_equal_after_crossing() -> None:
    pid = await spawn_there(echo)
    answer = process.alias()
    await process.send(pid, (answer, (me(), answer)))
    assert await process.receive(SOON, ref=answer) == (answer, (me(), answer))


@semantic("SD-08")
async def sd08_send_nowait_says_when_there_is_no_room() -> None:
    full = await spawn_there(linger, mailbox_limit=10)
    assert fill(full) == 10
    assert process.send_nowait(full, "too much") is False
    dead = await spawn_there(finish)
    await gone(dead)
    with pytest.raises(ProcessNotFoundError):
        process.send_nowait(dead, "message")
    assert process.send_nowait(process.make_ref(), "dropped") is True


@semantic("SD-05", "SO-05")
async def sd05_process_info_is_ordered_behind_own_sends() -> None:
    pid = await spawn_there(linger)
    for number in range(1, 60):
        await process.send(pid, number)
        assert await process.process_info(pid, "message_queue_len") == number
    assert await process.process_info(pid, "messages") == list(range(1, 60))


@semantic("SO-01")
async def so01_messages_and_exit_signals_keep_their_order() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_there(mixed_signals, me())
    got = [await process.receive(SOON) for _ in range(5)]
    assert got == ["m1", ("EXIT", pid, "s1"), "m2", ("EXIT", pid, "s2"), "m3"]


@semantic("SO-01")
async def so01_a_peer_gets_them_in_order_too() -> None:
    receiver = await peer(trap_exits=True)
    for number in range(40):
        await process.send(receiver.pid, number)
        await process.exit(receiver.pid, number)
    expected: list[object] = []
    for number in range(40):
        expected += [number, ("EXIT", me(), number)]
    assert [await order(receiver, process.receive, SOON) for _ in range(80)] == expected


@semantic("SO-01")
async def so01_plain_alias_and_link_signals_share_one_order() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_there(through_everything, me(), process.alias())
    got = [await process.receive(SOON) for _ in range(4)]
    assert got == ["plain", "alias", "linked", ("EXIT", pid, "over")]


@semantic("SO-01")
async def so01_a_burst_keeps_its_order_whatever_it_is_made_of() -> None:
    rows: list[object] = [("row", number) for number in range(30)]
    others: list[object] = ["text", (("nested",), 1), ("long", "x" * 20_000), b"y" * 200_000, ("\ud800",), (2**70, 1)]
    sent = [each for other in others for each in (*rows, other)] + rows
    for limit in (None, 100):
        answer = process.alias(reply=True)
        pid = await spawn_there(collect, answer, len(sent), mailbox_limit=limit)
        for message in sent:
            await process.send(pid, message)
        assert await process.receive(SOON, ref=answer) == (answer, sent)


@semantic("SO-01")
async def so01_senders_that_take_turns_keep_each_their_order() -> None:
    answer = process.alias(reply=True)
    pid = await spawn_there(collect, answer, 600)
    for name in ("a", "b", "c"):
        await process.spawn(row, [pid, name, 200], on="local")
    _, got = cast("tuple[Ref, list[tuple[str, int]]]", await process.receive(SOON, ref=answer))
    for name in ("a", "b", "c"):
        assert [number for sender, number in got if sender == name] == list(range(200))


@semantic("SO-02")
async def so02_death_comes_behind_a_row_of_messages() -> None:
    pid, ref = await spawn_monitor_there(row, me(), "last", 100)
    assert [await process.receive(SOON) for _ in range(100)] == [("last", number) for number in range(100)]
    assert await process.receive(SOON) == ("DOWN", ref, "process", pid, "normal")


@semantic("SO-02")
async def so02_death_comes_last() -> None:
    process.process_flag("trap_exits", True)
    for _ in range(20):
        pid = await spawn_there(last_words, me(), 50)
        await process.link(pid)
        ref = await process.monitor(pid)
        for number in range(50):
            assert await process.receive(SOON, match=lambda message: isinstance(message, int)) == number
        ends = [await process.receive(SOON) for _ in range(2)]
        reasons = {"normal", "noproc"}
        assert any(end[:4] == ("DOWN", ref, "process", pid) for end in ends)  # type: ignore[index]
        assert any(end[:2] == ("EXIT", pid) for end in ends)  # type: ignore[index]
        assert all(end[-1] in reasons for end in ends)  # type: ignore[index]


@semantic("SO-02")
async def so02_what_a_killed_process_had_sent_precedes_its_exit() -> None:
    process.process_flag("trap_exits", True)
    for _ in range(10):
        worker = await peer()
        await process.link(worker.pid)
        answer = await begin(worker, last_words, me(), 20)
        await outcome(answer)
        await process.exit(worker.pid, "kill")
        for number in range(20):
            assert await process.receive(SOON) == number
        assert await process.receive(SOON) == ("EXIT", worker.pid, "killed")


@semantic("SO-02")
async def so02_all_of_many_senders_arrive() -> None:
    answer = process.alias(reply=True)
    collector = await spawn_there(collect, answer, 300)
    for base in (0, 100, 200):
        await process.spawn(send_range, [collector, base], on="local")
    _, got = cast("tuple[object, list[int]]", await process.receive(SOON, ref=answer))
    for base in (0, 100, 200):
        assert [number for number in got if base <= number < base + 100] == list(range(base, base + 100))


async def send_range(to: Pid, base: int) -> None:
    """Send a hundred numbers."""
    for number in range(base, base + 100):
        await process.send(to, number)


@semantic("SO-05", only=("one",), why="across shards the board may lag (PI-02)")
async def so05_own_signals_are_visible_at_once() -> None:
    for reason in ("boom", "kill"):
        for _ in range(300):
            pid = await process.spawn(linger)
            await process.exit(pid, reason)
            assert not process.is_alive(pid)


@semantic("SO-05")
async def so05_is_alive_follows_the_signal() -> None:
    pid = await spawn_there(linger)
    assert process.is_alive(pid)
    await process.exit(pid, "boom")
    await until(lambda: not process.is_alive(pid))
    process.process_flag("trap_exits", True)
    other = await spawn_there(linger)
    await process.link(other)
    await process.exit(other, "boom")
    await exit_of(other)
    assert not process.is_alive(other)
