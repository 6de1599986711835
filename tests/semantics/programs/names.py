"""RG: the registry."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from otpnode.process import NameAlreadyRegisteredError, Pid, ProcessNotFoundError
from tests.semantics.peers import (
    Peer,
    begin,
    down,
    exit_of,
    finish,
    gone,
    leave_on_word,
    linger,
    me,
    order,
    outcome,
    peer,
    spawn_link_there,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic


async def try_register(name: str) -> bool:
    """Say whether the caller got the name."""
    try:
        await process.register(name)
    except NameAlreadyRegisteredError:
        return False
    return True


@semantic("RG-01")
async def rg01_a_taken_name_is_refused() -> None:
    pid = await spawn_there(linger)
    await process.register("rg01", pid)
    for taker in (pid, me()):
        with pytest.raises(NameAlreadyRegisteredError):
            await process.register("rg01", taker)
    assert process.whereis("rg01") == pid


@semantic("RG-01")
async def rg01_a_race_has_one_winner() -> None:
    for number in range(10):
        racers: list[Peer] = [await peer(here=bool(k % 2)) for k in range(8)]
        answers = [await begin(racer, try_register, f"rg01 {number}") for racer in racers]
        won = [await outcome(answer) for answer in answers]
        assert won.count(True) == 1
        winner = racers[won.index(True)].pid
        assert process.whereis(f"rg01 {number}") == winner
        assert await order(racers[0], process.whereis, f"rg01 {number}") == winner


@semantic("RG-02")
async def rg02_a_process_has_one_name() -> None:
    pid = await spawn_there(linger)
    await process.register("rg02 first", pid)
    with pytest.raises(ValueError, match="rg02 first"):
        await process.register("rg02 second", pid)
    assert process.whereis("rg02 second") is None
    await process.unregister("rg02 first")
    await process.register("rg02 second", pid)
    assert process.whereis("rg02 second") == pid


@semantic("RG-03")
async def rg03_dead_pids_and_bad_names_are_refused() -> None:
    pid = await spawn_there(finish)
    await gone(pid)
    with pytest.raises(ProcessNotFoundError):
        await process.register("rg03", pid)
    assert process.whereis("rg03") is None
    live = await spawn_there(linger)
    for bad in ("", "undefined", "pid_1", "ref_1", None, 3):
        with pytest.raises(ValueError, match="name"):
            await process.register(cast(str, bad), live)
    with pytest.raises(TypeError):
        await process.register("rg03", cast(Pid, 3))


@semantic("RG-04")
async def rg04_anybody_may_unregister() -> None:
    with pytest.raises(ProcessNotFoundError):
        await process.unregister("rg04")
    await process.register("rg04")
    other = await peer()
    await order(other, process.unregister, "rg04")
    assert process.whereis("rg04") is None
    assert process.is_alive(me())


@semantic("RG-06")
async def rg06_a_name_is_free_once_its_death_is_news() -> None:
    process.process_flag("trap_exits", True)
    for number in range(60):
        pid, ref = await spawn_monitor_there(leave_on_word, "over", name="rg06")
        await process.send("rg06", "go")
        assert await down(ref) == "over"
        assert process.whereis("rg06") is None
        assert "rg06" not in process.registered()
        assert not process.is_alive(pid)
        linked = await spawn_link_there(leave_on_word, "over", name="rg06")
        await process.send(linked, "go")
        assert await exit_of(linked) == "over"
        if number % 2:
            assert process.whereis("rg06") is None
        await process.register("rg06")
        await process.unregister("rg06")


@semantic("RG-06")
async def rg06_whoever_is_told_sees_it_too() -> None:
    other = await peer()
    for _ in range(40):
        _, ref = await process.spawn_monitor(leave_on_word, ["over"], name="rg06", on="local")
        await process.send("rg06", "go")
        await down(ref)
        assert await order(other, process.whereis, "rg06") is None
        assert await order(other, try_register, "rg06") is True
        await order(other, process.unregister, "rg06")


@semantic("RG-07")
async def rg07_a_registered_name_is_known_everywhere() -> None:
    other = await peer()
    for number in range(40):
        name = f"rg07 {number}"
        pid = await process.spawn(linger, on="local")
        await process.register(name, pid)
        assert await order(other, process.whereis, name) == pid
        mine = cast(Pid, await order(other, process.spawn, linger, None, None, f"{name} there"))
        assert process.whereis(f"{name} there") == mine


@semantic("RG-08")
async def rg08_a_name_is_answered_for_until_the_death_is_news() -> None:
    pid, ref = await spawn_monitor_there(linger, name="rg08")
    await process.exit(pid, "kill")
    assert process.whereis("rg08") in (pid, None)
    await down(ref)
    assert process.whereis("rg08") is None


@semantic("RG-09")
async def rg09_registered_lists_the_names_of_the_node() -> None:
    before = set(process.registered())
    await process.register("rg09 here")
    pid, ref = await spawn_monitor_there(linger, name="rg09 there")
    assert set(process.registered()) - before == {"rg09 here", "rg09 there"}
    await process.exit(pid, "kill")
    await down(ref)
    assert set(process.registered()) - before == {"rg09 here"}
    await process.unregister("rg09 here")


@semantic("RG-06")
async def rg06_the_name_is_kept_while_its_owner_cleans_up() -> None:
    pid, ref = await spawn_monitor_there(cleans_up_slowly, name="rg06 slow")
    assert process.whereis("rg06 slow") == pid
    await process.exit(pid, "boom")
    assert await down(ref) == "boom"
    await process.register("rg06 slow")
    await process.unregister("rg06 slow")


async def cleans_up_slowly() -> None:
    """Take some turns of the loop to die."""
    try:
        await linger()
    finally:
        for _ in range(20):
            await asyncio.sleep(0)
