"""What travels and what does not: SH-09, SH-10, SD-07, ER-02, ER-04, ER-05."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import math
import socket
import uuid
from collections.abc import Iterator
from typing import cast

import pytest

from otpnode import UnserializableError, process
from otpnode.behaviours.common.control import Sender
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.errors import CallExit, RemoteError
from otpnode.process import Ref
from tests.semantics.peers import (
    SOON,
    Boom,
    collect,
    down,
    fail,
    is_peer,
    me,
    one_loop,
    spawn_monitor_there,
    spawn_there,
    there,
)
from tests.semantics.program import semantic
from tests.transport.shapes import (
    Colour,
    CustomInitError,
    Level,
    Order,
    Point,
    Slotted,
    Struct,
    Text,
    Undumpable,
    Unloadable,
    function,
)

MATRIX: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**63,
        -(2**63) - 1,
        2**64,
        10**40,
        0.5,
        -0.0,
        math.inf,
        -math.inf,
        "",
        "text",
        "\ud800",
    ),
    *(b"", b"bytes", bytearray(b"mutable"), 1 + 2j, (), (1,), ((1, (2,)), [(3,)]), [], [1, [2]], {}, {"a": (1,)}),
    *({(1, 2): "tuple key", None: 1}, set(), {1, 2}, frozenset({3}), {frozenset({1}): {2}}, Text("subclass")),
    *(
        Colour.RED,
        Level.HIGH,
        [Level.HIGH, Colour.RED],
        Point(1, (2,)),
        Order(1, [(2,), Point(3, ())]),
        Slotted({1: 2}),
    ),
    *(Struct((1, 2), {"k": (3,)}), datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC), datetime.date(1, 1, 1)),
    *(datetime.timedelta(microseconds=1), decimal.Decimal("1.10"), uuid.UUID(int=7), function, Order, print, range(3)),
)
"""One of each kind that travels (SH-09)."""


async def send_back(to: Ref) -> None:
    """Send everything back to where it came from, until told to stop."""
    while True:
        message = await process.receive()
        await process.send(to, ("back", message))


async def through(value: object) -> object:
    """Return `value` as it is after two crossings."""
    gate = process.alias()
    pid = await spawn_there(send_back, gate)
    try:
        await process.send(pid, value)
        message = await process.receive(SOON, match=lambda each: isinstance(each, tuple) and each[:1] == ("back",))
        return cast("tuple[str, object]", message)[1]
    finally:
        process.unalias(gate)
        await process.exit(pid, "kill")


def same(before: object, after: object) -> bool:
    """Tell whether type and value agree all the way down."""
    if type(before) is not type(after) or before != after:
        return False
    if isinstance(before, (list, tuple)):
        return all(same(a, b) for a, b in zip(before, cast("list[object]", after), strict=True))
    if isinstance(before, dict):
        pairs = zip(before.items(), cast("dict[object, object]", after).items(), strict=True)
        return all(same(a, b) and same(c, d) for (a, c), (b, d) in pairs)
    return True


@semantic("SH-09")
async def sh09_what_travels_arrives_equal_and_of_the_same_type() -> None:
    gate = process.alias()
    pid = await spawn_there(send_back, gate)
    for value in MATRIX:
        await process.send(pid, value)
        after = cast("tuple[str, object]", await process.receive(SOON))[1]
        assert same(value, after), f"{value!r} came back as {after!r}"
    await process.send(pid, math.nan)
    assert math.isnan(cast(float, cast("tuple[str, object]", await process.receive(SOON))[1]))


@semantic("SH-09")
async def sh09_pids_and_refs_are_the_same_after_two_crossings() -> None:
    ref = process.make_ref()
    back = cast("tuple[object, ...]", await through((me(), ref)))
    assert back == (me(), ref)
    await process.send(cast(str, back[0]), "to oneself")
    assert await process.receive(SOON) == "to oneself"


@semantic("SH-09")
async def sh09_cycles_and_sharing_survive() -> None:
    circle: list[object] = [1]
    circle.append(circle)
    shared = [1]
    back = cast("tuple[list[object], list[object], list[object]]", await through((circle, shared, shared)))
    assert back[0][1] is back[0]
    assert back[1] is back[2]


def generating() -> Iterator[int]:
    """Be a generator, which cannot travel."""
    yield 0


async def refused_elsewhere(value: object) -> None:
    """Send what cannot travel: refused across shards, passed by reference within one; the next message arrives."""
    answer = process.alias()
    pid = await spawn_there(collect, answer, 2 if one_loop() else 1)
    if one_loop():
        await process.send(pid, value)
    else:
        with pytest.raises(UnserializableError):
            await process.send(pid, value)
        with pytest.raises(UnserializableError):
            process.send_nowait(pid, value)
    await process.send(pid, "next")
    got = cast("tuple[object, list[object]]", await process.receive(SOON, ref=answer))[1]
    assert got == ([value, "next"] if one_loop() else ["next"])


@semantic("SH-09", "SD-07")
async def sh09_what_cannot_travel_is_an_error_at_the_sender() -> None:
    with socket.socket() as sock:
        for value in (lambda: 1, iter(generating()), sock, asyncio.Lock(), memoryview(b"view"), Undumpable()):
            await refused_elsewhere(value)
            await refused_elsewhere([{"nested": (value,)}])


@semantic("SD-07")
async def sd07_what_cannot_be_decoded_is_dropped_and_costs_no_credit() -> None:
    answer = process.alias()
    many = 250
    pid, ref = await spawn_monitor_there(collect, answer, many + 1 if one_loop() else 1, mailbox_limit=10)
    for _ in range(many):
        async with asyncio.timeout(SOON):
            await process.send(pid, Unloadable())
    await process.send(pid, "next")
    got = cast("tuple[object, list[object]]", await process.receive(SOON, ref=answer))[1]
    assert got[-1] == "next"
    assert len(got) == (many + 1 if one_loop() else 1)
    assert await down(ref) == "normal"


async def raise_custom() -> None:
    """Die of an exception that pickles and does not unpickle."""
    raise CustomInitError(7, detail="seven")


@semantic("ER-02")
async def er02_an_exception_arrives_with_its_type_or_as_a_replica() -> None:
    _, ref = await spawn_monitor_there(fail, "told")
    reason = await down(ref)
    assert type(reason) is Boom
    assert reason.args == ("told",)
    assert "raise Boom(text)" in cast(str, getattr(reason, "__otp_traceback__"))  # noqa: B009
    _, ref = await spawn_monitor_there(raise_custom)
    reason = await down(ref)
    if one_loop():
        assert type(reason) is CustomInitError
    else:
        assert isinstance(reason, RemoteError)
        assert "CustomInitError" in str(reason)
        assert "seven" in str(reason)


async def note_reason(answer: Ref, target: str, ready: Ref) -> None:
    """Watch `target` and report its reason, as an object of this shard."""
    ref = await process.monitor(target)
    await process.send(ready, (ready,))
    reason = cast("tuple[object, ...]", await process.receive(ref=ref))[4]
    await process.send(answer, (answer, reason))


async def fail_on_word() -> None:
    """Die of an exception at the first message."""
    await process.receive()
    raise Boom("shared")


@semantic("ER-04")
async def er04_local_receivers_share_one_reason_and_nobody_makes_it_grow() -> None:
    victim = is_peer(await process.spawn(fail_on_word, on=there()))
    answer, ready = process.alias(), process.alias()
    refs = [await process.monitor(victim) for _ in range(2)]
    for _ in range(2):
        await process.spawn(note_reason, [answer, victim, ready], on="local")
        await process.receive(SOON, ref=ready)
    await process.send(victim, "go")
    reasons = [cast("tuple[object, ...]", await process.receive(SOON, ref=ref))[4] for ref in refs]
    reasons += [cast("tuple[object, ...]", await process.receive(SOON, ref=answer))[1] for _ in range(2)]
    assert all(type(reason) is Boom and reason.args == ("shared",) for reason in reasons)
    assert all(cast(Boom, reason).__traceback__ is None for reason in reasons)
    if one_loop():
        assert all(reason is reasons[0] for reason in reasons)


class Breaking(GenServer[None, object, object]):
    """A server that dies of its first request."""

    async def init(self) -> None:
        """Have no state."""

    async def handle_call(self, request: object, sender: Sender, /) -> object:
        """Raise."""
        raise Boom("served")


@semantic("ER-05")
async def er05_a_call_wraps_the_reason_of_its_server() -> None:
    pid = is_peer(await Breaking.start(on=there()))
    with pytest.raises(CallExit) as caught:
        await Breaking.call(pid, "request")
    assert type(caught.value.reason) is Boom
    assert caught.value.args[1] == (pid, "request")
    with pytest.raises(CallExit) as caught:
        await Breaking.call(pid, "again")
    assert caught.value.reason == "noproc"


@semantic("SH-10")
async def sh10_a_large_message_arrives_whole_and_in_its_place() -> None:
    answer = process.alias()
    pid = await spawn_there(collect, answer, 3)
    large = bytes(range(256)) * 4096
    for message in ("before", large, "after"):
        await process.send(pid, message)
    got = cast("tuple[object, list[object]]", await process.receive(SOON, ref=answer))[1]
    assert got == ["before", large, "after"]
