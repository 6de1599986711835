"""R1 … R5: links that race with deaths, unlinks and each other (SEMANTICS §22, §21.2)."""

from __future__ import annotations

from itertools import product

import pytest

from otpnode import process
from otpnode.scheduler.control import NamesGone
from otpnode.signals import Exit, Link, UnlinkAck, UnlinkId
from tests.races.puppets import Stage, exits, play


def test_r01_link_races_with_death() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(0, 1)
        await a.do(process.link, b.pid)
        await stage.layer.caught(0, 1, Link)
        await b.die("boom")
        await stage.quiet()
        assert a.mail == []
        stage.layer.release(0, 1)
        await stage.quiet()
        assert exits(a, b.pid) == ["noproc"]
        assert a.link_records == []

    play(script)


def test_r01_link_reaches_a_process_that_is_ending() -> None:
    """The answer waits until the name is free on every shard, and has the true reason (§21.5)."""

    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1, name="b")
        gate = stage.names(1)
        gate.hold(NamesGone)
        await b.die("boom")
        await gate.caught(NamesGone)
        await a.do(process.link, b.pid)
        await stage.quiet()
        assert a.mail == []
        gate.release()
        await stage.quiet()
        assert exits(a, b.pid) == ["boom"]
        assert a.link_records == []

    play(script)


def test_r01_link_just_before_death() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        stage.layer.hold(1, 0)
        await a.do(process.link, b.pid)
        await stage.quiet()
        assert b.links == [a.pid]
        await b.die("boom")
        await stage.layer.caught(1, 0, Exit)
        stage.layer.release(1, 0)
        await stage.quiet()
        assert exits(a, b.pid) == ["boom"]
        assert a.link_records == []

    play(script)


def test_r02_unlink_races_with_exit_in_flight() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        await a.do(process.link, b.pid)
        await stage.quiet()
        stage.layer.hold(1, 0)
        await b.die("boom")
        await stage.layer.caught(1, 0, Exit)
        await a.do(process.unlink, b.pid)
        stage.layer.release(1, 0)
        await stage.quiet()
        assert a.mail == []
        assert a.alive
        assert a.link_records == []

    play(script)


def test_r02_exit_delivered_before_unlink_stays() -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        await a.do(process.link, b.pid)
        await stage.quiet()
        await b.die("boom")
        await stage.quiet()
        await a.do(process.unlink, b.pid)
        await stage.quiet()
        assert exits(a, b.pid) == ["boom"]

    play(script)


ORDERS = sorted(set(product((0, 1), repeat=4)))
"""Which wire gives its next frame, four times."""


@pytest.mark.parametrize("order", ORDERS)
def test_r03_unlink_races_with_link_of_the_other_side(order: tuple[int, ...]) -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        await a.do(process.link, b.pid)
        await stage.quiet()
        there, back = stage.layer.hold(0, 1), stage.layer.hold(1, 0)
        await a.do(process.unlink, b.pid)
        await b.do(process.unlink, a.pid)
        await b.do(process.link, a.pid)
        await stage.layer.caught(0, 1, UnlinkId)
        await stage.layer.caught(1, 0, UnlinkId, Link)
        for which in order:
            wire = (there, back)[which]
            if wire.held:
                wire.release(1)
            await stage.quiet()
        there.release()
        back.release()
        await stage.quiet()
        assert (a.links == [b.pid]) == (b.links == [a.pid])
        assert a.link_records == a.links
        assert b.link_records == b.links
        linked = bool(a.links)
        await b.die("boom")
        await stage.quiet()
        assert exits(a, b.pid) == (["boom"] if linked else [])

    play(script)


@pytest.mark.parametrize("held", ["orders", "acks", "nothing"])
def test_r04_link_unlink_link_within_one_round_trip(held: str) -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        if held == "orders":
            stage.layer.hold(0, 1)
        elif held == "acks":
            stage.layer.hold(1, 0)
        for _ in range(3):
            await a.do(process.link, b.pid)
            await a.do(process.unlink, b.pid)
        await a.do(process.link, b.pid)
        if held == "orders":
            await stage.layer.caught(0, 1, *[Link, UnlinkId] * 3, Link)
            stage.layer.release(0, 1)
        elif held == "acks":
            await stage.layer.caught(1, 0, *[UnlinkAck] * 3)
        await stage.quiet()
        await b.die("boom")
        await stage.quiet()
        if held == "acks":
            stage.layer.release(1, 0)
            await stage.quiet()
        assert exits(a, b.pid) == ["boom"]
        assert a.link_records == []

    play(script)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("unlinker", [0, 1])
def test_r05_both_link_at_once_then_one_unlinks(first: int, unlinker: int) -> None:
    async def script(stage: Stage) -> None:
        a, b = await stage.puppet(0), await stage.puppet(1)
        wires = stage.layer.hold(0, 1), stage.layer.hold(1, 0)
        await a.do(process.link, b.pid)
        await b.do(process.link, a.pid)
        one, other = (a, b) if unlinker == 0 else (b, a)
        await one.do(process.unlink, other.pid)
        wires[first].release()
        await stage.quiet()
        wires[1 - first].release()
        await stage.quiet()
        assert (a.links == [b.pid]) == (b.links == [a.pid])
        assert a.link_records == a.links
        assert b.link_records == b.links
        linked = bool(one.links)
        await other.die("boom")
        await stage.quiet()
        assert exits(one, other.pid) == (["boom"] if linked else [])

    play(script)
