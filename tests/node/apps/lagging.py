"""One shard computes, one is stopped: what the others do is done without them, and they catch up when they can."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import cast

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import (
    answers,
    echo,
    get,
    get_tagged,
    idle,
    kill_shard,
    me,
    os_pid_of,
    passed,
    until,
    up_again,
)

VICTIM, BUSY, STOPPED, OTHER = 1, 2, 3, 4
LOOP_SECONDS = 120.0
"""Longer than everything here takes; the loop is ended when all is measured."""
SOON = 10.0
"""Ten times the second that each of these may take; the figures are printed."""


async def compute(asker: Pid, seconds: float) -> None:
    """Hold the loop of this shard."""
    await process.send(asker, ("computing",))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def main(renamings: str, restarts: str, seconds: str = str(LOOP_SECONDS)) -> None:
    """Measure once with the lagging shards just so, then again with far more behind them than a socket holds."""
    await process.subscribe_shards()
    stopped = await os_pid_of(STOPPED)
    witnesses = [await process.spawn(witness, on=shard) for shard in (BUSY, STOPPED)]
    busy = await process.spawn(compute, [me(), float(seconds)], on=BUSY)
    await get_tagged("computing")
    os.kill(stopped, signal.SIGSTOP)
    try:
        await until(lambda: _state(stopped) == "T", "the stop of a shard")
        incarnation = await _measure("at first", 1)
        await _rename(int(renamings))
        for _ in range(int(restarts)):
            await kill_shard(VICTIM)
            incarnation = await up_again(VICTIM, incarnation)
        incarnation = await _measure("far behind", incarnation)
        newest = await process.spawn(echo, name="newest", on=VICTIM)
        for pid in witnesses:
            await process.send(pid, ("tell", me(), newest, incarnation))
        assert process.is_alive(busy), "the busy shard is busy no more: this has shown nothing"
    finally:
        os.kill(stopped, signal.SIGCONT)
    await process.exit(busy, "kill")
    await _caught_up(witnesses)
    passed()


def _state(os_pid: int) -> str:
    return Path(f"/proc/{os_pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


async def _measure(when: str, incarnation: int) -> int:
    """Time the three things that may wait for nobody; return the victim's new incarnation."""
    for shard in (0, OTHER):
        await process.spawn(registers, [me(), f"on {shard}"], on=shard)
        _tell(when, f"register on shard {shard}", cast(float, (await get_tagged("registered"))[1]))
    named = await process.spawn(idle, name="mortal", on=OTHER)
    ref = await process.monitor(named)
    started = time.monotonic()
    await process.exit(named, "enough")
    assert await get(ref=ref) == ("DOWN", ref, "process", named, "enough")
    assert process.whereis("mortal") is None
    _tell(when, "DOWN of a named process", time.monotonic() - started)
    resident = await process.spawn(idle, name="resident", on=VICTIM)
    ref = await process.monitor(resident)
    started = time.monotonic()
    await kill_shard(VICTIM)
    assert await get(ref=ref) == ("DOWN", ref, "process", resident, "noconnection")
    assert process.whereis("resident") is None
    _tell(when, "DOWN from a killed shard", time.monotonic() - started)
    incarnation = await up_again(VICTIM, incarnation)
    _tell(when, "restart of a killed shard", time.monotonic() - started)
    again = await process.spawn(echo, name="resident", on=VICTIM)
    assert await answers(again)
    await process.spawn(asks, [again, me()], on=OTHER)
    await get_tagged("answered")
    _tell(when, "restart, spawn and messages", time.monotonic() - started)
    await process.unregister("resident")
    return incarnation


def _tell(when: str, what: str, took: float) -> None:
    print(f"{when}: {what} {took * 1000:.1f} ms", flush=True)
    assert took < SOON, f"{what} took {took:.1f} s {when}"


async def registers(asker: Pid, name: str) -> None:
    started = time.monotonic()
    await process.register(name)
    assert process.whereis(name) == me()
    await process.unregister(name)
    await process.send(asker, ("registered", time.monotonic() - started))


async def asks(pid: Pid, asker: Pid) -> None:
    assert await answers(pid)
    await process.send(asker, ("answered",))


async def _rename(times: int) -> None:
    """Change the names so often that a socket does not hold the news of it."""
    for _ in range(times):
        await process.register("renamed", me())
        await process.unregister("renamed")


async def witness() -> None:
    """Note what this shard hears of others, until it has heard of the incarnation it is asked about."""
    news = await process.subscribe_shards()
    heard: list[object] = []
    asked: tuple[object, ...] = ()
    while not asked or ("shard_up", VICTIM, asked[3]) not in heard:
        message = await get(600)
        if message[0] != "tell":
            heard.append(message)
            continue
        # Who has a pid from a third shard can reach it, however much of the supervisor's is still to be read.
        asked = message
        assert await answers(cast(Pid, asked[2]))
        assert process.whereis("newest") == asked[2]
    assert (VICTIM, 1) in news
    await process.send(cast(Pid, asked[1]), ("heard", heard))


async def _caught_up(witnesses: list[Pid]) -> None:
    """Those who lagged have talked to the newest incarnation, and have heard of each before it."""
    for _ in witnesses:
        heard = cast("list[tuple[object, ...]]", (await get_tagged("heard"))[1])
        assert [one[0] for one in heard] == ["shard_down", "shard_up"] * (len(heard) // 2), heard
        assert len({one[2] for one in heard if one[0] == "shard_up"}) == len(heard) // 2, heard
