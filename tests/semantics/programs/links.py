"""LK: links."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessNotFoundError, Ref
from tests.semantics.peers import (
    SOON,
    Boom,
    Peer,
    begin,
    down,
    exit_of,
    fail,
    finish,
    gone,
    is_exit,
    leave,
    leave_on_word,
    linger,
    me,
    nothing_comes,
    one_loop,
    order,
    outcome,
    peer,
    settle,
    spawn_link_there,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic


async def links_of(pid: Pid) -> object:
    """Return who a process is linked to."""
    return await process.process_info(pid, "links")


async def link_then_linger(to: Pid) -> None:
    """Link, then live on."""
    await process.link(to)
    await linger()


@semantic("LK-01")
async def lk01_a_link_is_seen_from_both_ends() -> None:
    pid = await spawn_there(linger)
    await process.link(pid)
    await settle()
    assert await links_of(me()) == [pid]
    assert await links_of(pid) == [me()]


@semantic("LK-01")
async def lk01_the_death_of_either_end_reaches_the_other() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_link_there(leave_on_word, "one end")
    await process.send(pid, "go")
    assert await exit_of(pid) == "one end"
    other, ref = await spawn_monitor_there(linger)
    linker = await process.spawn(link_then_linger, [other], on="local")
    await settle()
    await process.exit(linker, "other end")
    assert await down(ref) == "other end"


@semantic("LK-02")
async def lk02_linking_twice_or_from_both_sides_is_one_link() -> None:
    process.process_flag("trap_exits", True)
    other = await peer()
    answer = await begin(other, process.link, me())
    await process.link(other.pid)
    await process.link(other.pid)
    await outcome(answer)
    await order(other, process.link, me())
    assert await links_of(me()) == [other.pid]
    assert await links_of(other.pid) == [me()]
    await process.exit(other.pid, "kill")
    assert await exit_of(other.pid) == "killed"
    await nothing_comes()
    assert await links_of(me()) == []


@semantic("LK-03", alone="the only process is the caller")
async def lk03_a_link_to_oneself_does_nothing() -> None:
    await process.link(me())
    assert await links_of(me()) == []


@semantic("LK-04")
async def lk04_a_dead_pid_sends_noproc_to_a_trapper() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_there(finish)
    await gone(pid)
    await process.link(pid)
    assert await process.receive(SOON) == ("EXIT", pid, "noproc")
    assert await links_of(me()) == []
    await nothing_comes()


@semantic("LK-04")
async def lk04_a_dead_pid_ends_who_does_not_trap() -> None:
    pid = await spawn_there(finish)
    await gone(pid)
    _, ref = await process.spawn_monitor(link_then_linger, [pid], on="local")
    assert await down(ref) == "noproc"


@semantic("LK-04", alone="only a local signal is processed before link returns")
async def lk04_link_to_a_local_dead_pid_does_not_return() -> None:
    pid = await process.spawn(finish, on="local")
    await gone(pid)
    reached: list[str] = []

    async def linker() -> None:
        await process.link(pid)
        reached.append("after")

    _, ref = await process.spawn_monitor(linker)
    assert await down(ref) == "noproc"
    assert reached == []


@semantic("LK-05")
async def lk05_unlink_is_a_barrier() -> None:
    process.process_flag("trap_exits", True)
    before = 0
    for number in range(150):
        pid = await spawn_link_there(leave_on_word, "race")
        await process.send(pid, "go")
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await process.unlink(pid)
        try:
            await process.receive(timeout=0, match=is_exit(pid))
            before += 1
        except TimeoutError:
            pass
    await nothing_comes()
    assert await links_of(me()) == []


@semantic("LK-05")
async def lk05_an_exit_already_delivered_stays() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_link_there(leave, "gone")
    await gone(pid)
    await process.unlink(pid)
    assert await exit_of(pid) == "gone"


@semantic("LK-05")
async def lk05_an_unlinked_death_does_not_kill() -> None:
    async def survivor() -> str:
        pid = await spawn_link_there(leave_on_word, "boom")
        await process.unlink(pid)
        await process.send(pid, "go")
        await gone(pid)
        await settle()
        return "alive"

    assert await survivor() == "alive"


@semantic("LK-06")
async def lk06_unlinking_what_is_not_linked_is_no_error() -> None:
    pid = await spawn_there(linger, name="lk06")
    await process.unlink(pid)
    await process.unlink("lk06")
    await process.unlink(me())
    await process.link("lk06")
    await settle()
    assert await links_of(pid) == [me()]
    await process.unlink("lk06")
    await settle()
    assert await links_of(pid) == []
    await process.exit(pid, "kill")
    await gone(pid)
    await process.unlink(pid)
    for verb in (process.link, process.unlink):
        with pytest.raises(ProcessNotFoundError):
            await verb("lk06")
        for bad in (None, 3, process.make_ref()):
            with pytest.raises(TypeError):
                await verb(cast(Pid, bad))


@semantic("LK-07")
async def lk07_relinking_works_at_once() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_there(leave_on_word, "once")
    for _ in range(5):
        await process.link(pid)
        await process.unlink(pid)
    await process.link(pid)
    await process.send(pid, "go")
    assert await exit_of(pid) == "once"
    await nothing_comes()


@semantic("LK-07")
async def lk07_both_ends_agree_when_links_and_unlinks_cross() -> None:
    process.process_flag("trap_exits", True)
    for number in range(30):
        other = await peer(trap_exits=True)
        answer = await begin(other, toggle, me(), 3 + number % 2)
        await toggle(other.pid, 3)
        await outcome(answer)
        await settle()
        mine = other.pid in cast("list[Pid]", await links_of(me()))
        theirs = me() in cast("list[Pid]", await links_of(other.pid))
        assert mine == theirs, f"round {number}"
        await process.exit(other.pid, "kill")
        if mine:
            assert await exit_of(other.pid) == "killed"
        await nothing_comes()


async def toggle(pid: Pid, times: int) -> None:
    """Link and unlink in turn."""
    for number in range(times):
        await (process.unlink(pid) if number % 2 else process.link(pid))


@semantic("LK-08")
async def lk08_a_normal_end_spares_who_does_not_trap() -> None:
    other = await peer()
    await process.link(other.pid)
    await process.exit(other.pid, "normal")
    await begin(other, process.exit, other.pid, "normal")
    await gone(other.pid)
    await settle()
    assert await links_of(me()) == []


@semantic("LK-08")
async def lk08_a_normal_end_is_a_message_to_a_trapper() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_link_there(finish)
    assert await process.receive(SOON) == ("EXIT", pid, "normal")
    assert await links_of(me()) == []


async def chain(length: int, answer: Ref) -> None:
    """Link to a chain of `length` processes, alternating between the shards."""
    if length:
        where = "local" if one_loop() else 1 - process.shard_of(me())
        await process.spawn_link(chain, [length - 1, answer], on=where)
    else:
        await process.send(answer, (answer, me()))
    await linger()


@semantic("LK-09")
async def lk09_a_chain_dies_of_the_one_reason() -> None:
    process.process_flag("trap_exits", True)
    answer = process.alias(reply=True)
    head = await spawn_link_there(chain, 10_000 if one_loop() else 200, answer)
    last = cast("tuple[object, Pid]", await process.receive(20, ref=answer))[1]
    await process.exit(last, "boom")
    assert await process.receive(20) == ("EXIT", head, "boom")


@semantic("LK-09")
async def lk09_in_a_ring_each_exit_names_the_direct_neighbour() -> None:
    ring: list[Peer] = [await peer(here=bool(k % 2), trap_exits=k == 3) for k in range(6)]
    refs = [await process.monitor(member.pid) for member in ring]
    for k, member in enumerate(ring):
        await order(member, process.link, ring[(k + 1) % 6].pid)
    await settle()
    await process.exit(ring[0].pid, "boom")
    for k, ref in enumerate(refs):
        if k != 3:
            assert await down(ref) == "boom"
    got = {await order(ring[3], process.receive, SOON) for _ in range(2)}
    assert got == {("EXIT", ring[2].pid, "boom"), ("EXIT", ring[4].pid, "boom")}


@semantic("LK-09")
async def lk09_the_exception_of_a_death_passes_links_unchanged() -> None:
    process.process_flag("trap_exits", True)
    middle = await peer()
    await process.link(middle.pid)
    await begin(middle, spawn_failing_child)
    reason = await exit_of(middle.pid)
    assert isinstance(reason, Boom)
    assert reason.args == ("deep",)


async def spawn_failing_child() -> None:
    """Link to a child that dies, on the other shard than one's own."""
    where = "local" if one_loop() else 1 - process.shard_of(me())
    await process.spawn_link(fail, ["deep"], on=where)


@semantic("LK-10")
async def lk10_an_exit_signal_does_not_break_the_link() -> None:
    other = await peer(trap_exits=True)
    await process.link(other.pid)
    await process.exit(other.pid, "knock")
    assert await order(other, process.receive, SOON) == ("EXIT", me(), "knock")
    assert await links_of(other.pid) == [me()]
    process.process_flag("trap_exits", True)
    await process.exit(other.pid, "kill")
    assert await exit_of(other.pid) == "killed"


@semantic("LK-05")
async def lk05_both_ends_forget() -> None:
    pid = await spawn_there(linger)
    await process.link(pid)
    await settle()
    await process.unlink(pid)
    await settle()
    assert await links_of(me()) == await links_of(pid) == []


@semantic("LK-07")
async def lk07_the_other_end_may_link_after_an_unlink() -> None:
    process.process_flag("trap_exits", True)
    other = await peer(trap_exits=True)
    await process.link(other.pid)
    await process.unlink(other.pid)
    await settle()
    await order(other, process.link, me())
    await settle()
    assert await links_of(me()) == [other.pid]
    await process.exit(other.pid, "kill")
    assert await exit_of(other.pid) == "killed"
