"""MB: the mailbox and its bound."""

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
    fill,
    finish,
    gone,
    leave,
    linger,
    me,
    nothing_comes,
    one_loop,
    order,
    outcome,
    peer,
    settle,
    spawn_there,
)
from tests.semantics.program import semantic
from tests.support import until


async def send_and_report(to: Pid, message: object, answer: Ref) -> None:
    """Send, and say that it is done."""
    await process.send(to, message)
    await process.send(answer, (answer, message))


async def send_many(to: str, count: int) -> None:
    """Send `count` messages, waiting for room where need be."""
    for number in range(count):
        await process.send(to, number)


async def watch_five_die() -> list[object]:
    """Monitor five processes that die, and return what comes."""
    refs = [(await process.spawn_monitor(leave, ["done"], on="local"))[1] for _ in range(5)]
    return [await down(ref) for ref in refs]


def is_wanted(message: object) -> bool:
    """Match the one message waited for."""
    return message == "wanted"


async def receive_wanted() -> object:
    """Wait for the one message."""
    return await process.receive(SOON, match=is_wanted)


async def watched_as(pid: Pid, status: object) -> bool:
    """Tell whether a process is seen with `status`."""
    return await process.process_info(pid, "status") == status


async def drain(count: int) -> list[object]:
    """Take `count` messages that are there, or come soon."""
    return [await process.receive(SOON) for _ in range(count)]


@semantic("MB-01")
async def mb01_messages_are_fifo() -> None:
    answer = process.alias(reply=True)
    pid = await spawn_there(collect, answer, 2000)
    await send_many(pid, 2000)
    assert await process.receive(SOON, ref=answer) == (answer, list(range(2000)))


@semantic("MB-02")
async def mb02_a_hundred_go_in_and_the_next_waits() -> None:
    pid = await spawn_there(linger)
    async with asyncio.timeout(SOON):
        await send_many(pid, 100)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.send(pid, "one too many")
    assert process.send_nowait(pid, "one too many") is False
    assert await process.process_info(pid, "message_queue_len") == 100


@semantic("MB-02")
async def mb02_the_limit_is_set_at_the_spawn() -> None:
    small = await spawn_there(linger, mailbox_limit=3)
    assert fill(small) == 3
    boundless = await spawn_there(linger, mailbox_limit=None)
    async with asyncio.timeout(SOON):
        await send_many(boundless, 1500)
    assert await process.process_info(boundless, "message_queue_len") == 1500
    for bad in (0, -1, True, "many"):
        with pytest.raises(ValueError, match="mailbox_limit"):
            await process.spawn(finish, mailbox_limit=cast(int, bad))


async def holds(pid: Pid, count: int) -> bool:
    """Tell whether at least so many messages wait."""
    return cast(int, await process.process_info(pid, "message_queue_len")) >= count


@semantic("MB-02")
async def mb02_a_sender_on_each_shard_stays_within_the_bound() -> None:
    receiver = await peer()
    beside, here = await peer(), await peer(here=True)
    one = await begin(beside, send_many, receiver.pid, 400)
    other = await begin(here, send_many, receiver.pid, 400)
    await until(lambda: holds(receiver.pid, 100))
    await settle()
    assert not await holds(receiver.pid, 201)
    await order(receiver, drain, 800)
    await outcome(one)
    await outcome(other)


@semantic("MB-03")
async def mb03_blocked_senders_are_admitted_in_their_order() -> None:
    receiver = await peer()
    room = fill(receiver.pid)
    answers = []
    for name in ("s1", "s2", "s3"):
        answer = process.alias(reply=True)
        answers.append(answer)
        await process.spawn(send_and_report, [receiver.pid, name, answer], on="local")
        await settle()
    await order(receiver, drain, room)
    assert await order(receiver, drain, 3) == ["s1", "s2", "s3"]
    for answer in answers:
        await process.receive(SOON, ref=answer)


@semantic("MB-04")
async def mb04_a_send_given_up_has_not_been_sent() -> None:
    receiver = await peer()
    room = fill(receiver.pid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.send(receiver.pid, "given up")
    answer = process.alias(reply=True)
    killed = await process.spawn(send_and_report, [receiver.pid, "killed", answer], on="local")
    await settle()
    await process.exit(killed, "kill")
    await gone(killed)
    cancelled = asyncio.create_task(process.send(receiver.pid, "cancelled"))
    await settle()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    later = asyncio.create_task(process.send(receiver.pid, "later"))
    await order(receiver, drain, room)
    assert await order(receiver, process.receive, SOON) == "later"
    await later
    assert await process.process_info(receiver.pid, "message_queue_len") == 0
    await nothing_comes()


async def take_what_is_there() -> list[object]:
    """Empty one's mailbox."""
    got: list[object] = []
    while await process.process_info(me(), "message_queue_len"):
        got.append(await process.receive(0))
    return got


@semantic("MB-04")
async def mb04_a_send_that_was_cancelled_has_not_been_sent_in_whatever_turn() -> None:
    receiver = await peer(mailbox_limit=2)
    for turns in range(25):
        fill(receiver.pid)
        sends = [asyncio.create_task(process.send(receiver.pid, name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        taken = await begin(receiver, drain, 1)
        for _ in range(turns):
            await asyncio.sleep(0)
        sends[0].cancel()
        await asyncio.wait(sends[:1])
        await outcome(taken)
        got = await order(receiver, take_what_is_there)
        await sends[1]
        await settle()
        got = [*cast("list[object]", got), *cast("list[object]", await order(receiver, take_what_is_there))]
        expected = ["second"] if sends[0].cancelled() else ["first", "second"]
        assert [each for each in got if isinstance(each, str)] == expected, turns


@semantic("MB-05")
async def mb05_the_death_of_the_receiver_releases_senders() -> None:
    pid = await spawn_there(linger)
    fill(pid)
    answers = []
    for number in range(3):
        answer = process.alias(reply=True)
        answers.append(answer)
        await process.spawn(send_and_report, [pid, number, answer], on="local")
    await settle()
    await process.exit(pid, "kill")
    for number, answer in enumerate(answers):
        assert await process.receive(SOON, ref=answer) == (answer, number)
    await gone(pid)
    with pytest.raises(ProcessNotFoundError):
        await process.send(pid, "message")


@semantic("MB-06", alone="a process sends to itself")
async def mb06_a_send_to_oneself_never_waits() -> None:
    async with asyncio.timeout(SOON):
        await send_many(me(), 350)
    assert await process.process_info(me(), "message_queue_len") == 350
    assert [await process.receive(0) for _ in range(350)] == list(range(350))


@semantic("MB-07")
async def mb07_no_mailbox_is_full_while_its_owner_waits() -> None:
    receiver = await peer()
    room = fill(receiver.pid)
    answer = await begin(receiver, receive_wanted)
    await settle()
    async with asyncio.timeout(SOON):
        await process.send(receiver.pid, "wanted")
    assert await outcome(answer) == "wanted"
    assert await process.process_info(receiver.pid, "message_queue_len") == room
    assert process.send_nowait(receiver.pid, "full again") is False


@semantic("MB-07")
async def mb07_a_sender_blocked_before_the_wait_is_let_in() -> None:
    receiver = await peer()
    fill(receiver.pid)
    blocked = asyncio.create_task(process.send(receiver.pid, "wanted"))
    await settle()
    assert not blocked.done()
    assert await order(receiver, receive_wanted) == "wanted"
    await blocked


async def exchange(to: Pid, count: int, coming: int) -> int:
    """Send first, then take what is queued and what the other side sends."""
    await send_many(to, count)
    return len(await drain(coming))


@semantic("MB-08")
async def mb08_two_full_mailboxes_do_not_deadlock() -> None:
    one, other = await peer(here=True), await peer()
    rooms = fill(one.pid), fill(other.pid)
    there = await begin(one, exchange, other.pid, 115, 115 + rooms[0])
    back = await begin(other, exchange, one.pid, 115, 115 + rooms[1])
    assert await outcome(there) == 115 + rooms[0]
    assert await outcome(back) == 115 + rooms[1]


@semantic("MB-08")
async def mb08_a_ring_of_full_mailboxes_does_not_deadlock() -> None:
    ring = [await peer(here=True), await peer(), await peer(here=True), await peer()]
    rooms = [fill(member.pid) for member in ring]
    answers = [await begin(ring[k], exchange, ring[(k + 1) % 4].pid, 110, 110 + rooms[k]) for k in range(4)]
    for room, answer in zip(rooms, answers, strict=True):
        assert await outcome(answer) == 110 + room


@semantic("MB-09")
async def mb09_the_bound_holds_no_signal_up() -> None:
    receiver = await peer(trap_exits=True)
    room = fill(receiver.pid)
    assert await order(receiver, watch_five_die) == ["done"] * 5
    alias = cast(Ref, await order(receiver, process.alias))
    for number in range(150):
        await process.send(alias, (alias, number))
    for number in range(20):
        await process.exit(receiver.pid, number)
    process.send_after(0, receiver.pid, "timer")
    await until_length(receiver.pid, room + 171)
    # Between shards its waits have earned a credit meanwhile (MB-07).
    assert process.send_nowait(receiver.pid, "still full") is False or not one_loop()
    for _ in range(room):
        await order(receiver, process.receive)
    assert process.send_nowait(receiver.pid, "room again") is True


async def until_length(pid: Pid, length: int) -> None:
    """Wait until so many messages are queued."""

    async def there() -> bool:
        return await process.process_info(pid, "message_queue_len") == length

    await until(there)


@semantic("MB-12")
async def mb12_unread_messages_vanish() -> None:
    pid = await spawn_there(linger)
    await send_many(pid, 20)
    ref = await process.monitor(pid)
    await process.exit(pid, "kill")
    assert await down(ref) == "killed"
    assert await process.process_info(pid, "message_queue_len") is None
    await nothing_comes()
