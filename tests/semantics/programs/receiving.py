"""RC: what a receive promises. The mailbox is its owner's, so most of these need no other shard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Ref
from tests.semantics.peers import (
    SOON,
    Boom,
    begin,
    me,
    nothing_comes,
    order,
    outcome,
    peer,
    settle,
    spawn_there,
    tell,
)
from tests.semantics.program import semantic

OWN = "a mailbox is read by its owner only"


async def send_self(*messages: object) -> None:
    """Queue messages for the caller."""
    for message in messages:
        await process.send(me(), message)


async def queued() -> list[object]:
    """Return what is queued for the caller."""
    return cast("list[object]", await process.process_info(me(), "messages"))


def is_(wanted: object) -> Callable[[object], bool]:
    """Match one value."""
    return lambda message: message == wanted


@semantic("RC-01")
async def rc01_without_timeout_it_waits() -> None:
    pid = await spawn_there(tell, me(), "late")
    assert await process.receive() == "late"
    assert pid


@semantic("RC-01", alone=OWN)
async def rc01_timeout_zero_scans_the_whole_queue() -> None:
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)
    await send_self(*range(100))
    assert await process.receive(timeout=0, match=is_(50)) == 50
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0, match=is_(50))
    assert await process.receive(timeout=0) == 0
    assert len(await queued()) == 98


@semantic("RC-02", alone=OWN)
async def rc02_what_does_not_match_does_not_restart_the_time() -> None:
    for number in range(500):
        process.send_after(number * 0.01, me(), ("noise", number))
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0.1, match=is_("never"))
    # Restarted by the noise, it would take five seconds.
    assert 0.09 <= time.monotonic() - begun < 2


@semantic("RC-03", alone=OWN)
async def rc03_a_bad_timeout_is_refused_before_waiting() -> None:
    await send_self("here")
    for value in (-1, -0.001, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            await process.receive(timeout=value)
    for kind in ("1", True, [1]):
        with pytest.raises(TypeError):
            await process.receive(timeout=cast(float, kind))
    assert await process.receive(timeout=float("inf")) == "here"
    process.send_after(0, me(), "later")
    assert await process.receive(timeout=1e300) == "later"


@semantic("RC-04", alone=OWN)
async def rc04_a_message_beats_the_timeout() -> None:
    for _ in range(50):
        process.send_after(0.001, me(), "message")
        try:
            message = await process.receive(timeout=0.001)
        except TimeoutError:
            message = await process.receive(timeout=SOON)
        assert message == "message"
    await nothing_comes()


@semantic("RC-05")
async def rc05_a_selective_receive_leaves_the_rest_in_order() -> None:
    receiver = await peer()
    for number in range(1, 6):
        await process.send(receiver.pid, number)
    assert await order(receiver, receive_equal, 3) == 3
    assert await order(receiver, receive_equal, 5) == 5
    assert await process.process_info(receiver.pid, "messages") == [1, 2, 4]
    assert [await order(receiver, process.receive, 0) for _ in range(3)] == [1, 2, 4]


async def receive_equal(wanted: object) -> object:
    """Receive one value."""
    return await process.receive(SOON, match=is_(wanted))


async def count_looks(old: int) -> tuple[object, int]:
    """Queue `old` messages, wait for ``'last'``, and say how often match was called."""
    await send_self(*range(old))
    calls = 0

    def match(message: object) -> bool:
        nonlocal calls
        calls += 1
        return message == "last"

    return await process.receive(SOON, match=match), calls


@semantic("RC-06")
async def rc06_each_message_is_looked_at_once() -> None:
    receiver = await peer()
    answer = await begin(receiver, count_looks, 40)
    await settle()
    for number in range(30):
        await process.send(receiver.pid, number)
        if number % 10 == 0:
            await settle()
    await process.send(receiver.pid, "last")
    assert await outcome(answer) == ("last", 40 + 30 + 1)


@semantic("RC-07", alone=OWN)
async def rc07_an_error_of_match_leaves_the_mailbox_as_it_was() -> None:
    await send_self(1, 2, 3)

    def fails_at_two(message: object) -> bool:
        if message == 2:
            raise Boom("match")
        return False

    async def not_plain(message: object) -> bool:
        return True

    with pytest.raises(Boom):
        await process.receive(match=fails_at_two)
    with pytest.raises(TypeError):
        await process.receive(match=not_plain)
    with pytest.raises(TypeError):
        await process.receive(match=lambda message: not_plain(message))
    assert await queued() == [1, 2, 3]
    assert await process.receive(match=is_(2)) == 2


@semantic("RC-07", alone=OWN)
async def rc07_match_must_not_receive() -> None:
    await send_self(1, 2, 3)

    def receives(message: object) -> bool:
        process.receive().send(None)
        return True

    def receives_with_timeout(message: object) -> bool:
        process.receive(timeout=0).send(None)
        return True

    for match in (receives, receives_with_timeout):
        with pytest.raises(RuntimeError, match="match"):
            await process.receive(match=match)
    assert await queued() == [1, 2, 3]
    assert await process.receive() == 1


@semantic("RC-08", alone=OWN)
async def rc08_a_fresh_ref_is_found_whatever_is_queued_before() -> None:
    async def rounds(count: int) -> float:
        begun = time.thread_time()  # The time of the wall counts other programs, too.
        for number in range(count):
            ref = process.alias(reply=True)
            await process.send(ref, (ref, number))
            assert await process.receive(SOON, ref=ref) == (ref, number)
        return time.thread_time() - begun

    await rounds(50)
    short = await rounds(300)
    for number in range(50_000):
        await process.send(me(), number)
    long = await rounds(300)
    assert long < short * 5 + 0.05, f"{short:.4f} s with nothing queued, {long:.4f} s behind 50 000 messages"


@semantic("RC-08")
async def rc08_a_ref_matches_at_index_zero_and_one_only() -> None:
    ref = process.make_ref()
    await spawn_there(send_all, me(), [ref, [ref], (1, 2, ref), ("DOWN", ref, 3), (ref, "second")])
    assert await process.receive(SOON, ref=ref) == ("DOWN", ref, 3)
    assert await process.receive(SOON, ref=ref) == (ref, "second")
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0, ref=ref)
    assert await queued() == [ref, [ref], (1, 2, ref)]


async def send_all(to: str, messages: list[object]) -> None:
    """Send several messages."""
    for message in messages:
        await process.send(to, message)


@semantic("RC-08", alone=OWN)
async def rc08_match_must_hold_beside_the_ref() -> None:
    ref = process.make_ref()
    await send_self((ref, 1), (ref, 2))
    assert await process.receive(SOON, match=is_((ref, 2)), ref=ref) == (ref, 2)
    assert await queued() == [(ref, 1)]


@semantic("RC-09", alone=OWN)
async def rc09_a_cancelled_receive_loses_nothing() -> None:
    sent = 0
    got: list[object] = []
    for _ in range(200):
        waiting = asyncio.create_task(process.receive())
        await asyncio.sleep(0)
        process.send_nowait(me(), sent)
        sent += 1
        waiting.cancel()
        try:
            got.append(await waiting)
        except asyncio.CancelledError:
            got.append(await process.receive(timeout=0))
    assert got == list(range(sent))


@semantic("RC-09", alone=OWN)
async def rc09_a_timeout_around_receive_loses_nothing() -> None:
    got: list[object] = []
    for number in range(60):
        process.send_after(0.001, me(), number)
        try:
            async with asyncio.timeout(0.001):
                got.append(await process.receive())
        except TimeoutError:
            got.append(await process.receive(timeout=SOON))
    assert got == list(range(60))


@semantic("RC-10", alone=OWN)
async def rc10_a_second_receive_without_ref_is_refused() -> None:
    child = asyncio.create_task(process.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="receive"):
        await process.receive(timeout=0)
    with pytest.raises(RuntimeError, match="receive"):
        await process.receive()
    await send_self("first")
    assert await child == "first"
    await send_self("second")
    assert await process.receive() == "second"


@semantic("RC-10")
async def rc10_child_tasks_wait_for_their_refs_beside_the_own_receive() -> None:
    refs = [process.alias(reply=True) for _ in range(20)]
    calls = asyncio.gather(*(process.receive(SOON, ref=ref) for ref in refs))
    await asyncio.sleep(0)
    await spawn_there(answer_all, me(), list(reversed(refs)))
    assert await process.receive(SOON) == "plain"
    assert await calls == [(ref, "answer") for ref in refs]
    await nothing_comes()


async def answer_all(to: str, refs: list[Ref]) -> None:
    """Send a plain message between answers to refs."""
    for number, ref in enumerate(refs):
        if number == 10:
            await process.send(to, "plain")
        await process.send(ref, (ref, "answer"))


@semantic("RC-10", alone=OWN)
async def rc10_an_answer_taken_from_a_cancelled_child_is_kept() -> None:
    ref = process.alias()
    child = asyncio.create_task(process.receive(ref=ref))
    await asyncio.sleep(0)
    await process.send(ref, (ref, "answer"))
    child.cancel()
    with pytest.raises(asyncio.CancelledError):
        await child
    assert await process.receive(timeout=0) == (ref, "answer")


@semantic("RC-10", alone=OWN)
async def rc10_an_answer_put_back_wakes_the_own_receive() -> None:
    ref = process.alias()
    child = asyncio.create_task(process.receive(ref=ref))
    await asyncio.sleep(0)

    def answer_and_cancel() -> None:
        process.send_nowait(ref, (ref, "answer"))
        child.cancel()

    asyncio.get_running_loop().call_soon(answer_and_cancel)
    async with asyncio.timeout(SOON):
        assert await process.receive() == (ref, "answer")
    assert child.cancelled()
