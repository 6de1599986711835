"""MO and AL: monitors and aliases."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, Ref
from tests.semantics.peers import (
    SOON,
    begin,
    down,
    finish,
    gone,
    is_peer,
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
    spawn_monitor_there,
    spawn_there,
    there,
)
from tests.semantics.program import semantic
from tests.support import until


@semantic("MO-01")
async def mo01_down_has_five_parts() -> None:
    pid = await spawn_there(leave_on_word, "over", name="mo01")
    by_pid, by_name = await process.monitor(pid), await process.monitor("mo01")
    await process.send(pid, "go")
    got = [await process.receive(SOON, ref=ref) for ref in (by_pid, by_name)]
    assert got[0] == ("DOWN", by_pid, "process", pid, "over")
    assert got[1] == ("DOWN", by_name, "process", ("mo01", process.node_name()), "over")


@semantic("MO-02")
async def mo02_every_monitor_delivers_once() -> None:
    pid = await spawn_there(leave_on_word, "over")
    refs = [await process.monitor(pid) for _ in range(20)]
    await process.demonitor(refs[0])
    refs.append(await process.monitor(pid))
    assert len(set(refs)) == 21
    await process.send(pid, "go")
    got = [await process.receive(SOON) for _ in range(20)]
    assert {cast("tuple[object, ...]", message)[1] for message in got} == set(refs[1:])
    await nothing_comes()


@semantic("MO-03")
async def mo03_a_dead_pid_gives_noproc() -> None:
    pid = await spawn_there(finish)
    await gone(pid)
    ref = await process.monitor(pid)
    if one_loop():
        assert await process.process_info(me(), "message_queue_len") == 1
    assert await process.receive(SOON) == ("DOWN", ref, "process", pid, "noproc")
    await nothing_comes()


@semantic("MO-04", alone="there is nobody of that name on any shard")
async def mo04_an_unknown_name_gives_noproc() -> None:
    ref = await process.monitor("mo04")
    assert await process.receive(SOON) == ("DOWN", ref, "process", ("mo04", process.node_name()), "noproc")
    for bad in (None, 3, process.make_ref()):
        with pytest.raises(TypeError):
            await process.monitor(cast(Pid, bad))


@semantic("MO-05")
async def mo05_a_monitor_by_name_binds_the_process() -> None:
    first, second = await spawn_there(linger, name="mo05"), await spawn_there(linger)
    ref = await process.monitor("mo05")
    await process.unregister("mo05")
    await process.register("mo05", second)
    await process.exit(second, "second")
    await gone(second)
    await nothing_comes()
    await process.exit(first, "first")
    assert await down(ref) == "first"


@semantic("MO-06")
async def mo06_a_race_with_death_gives_one_down() -> None:
    for number in range(200):
        pid = await spawn_there(leave_on_word, "true")
        await process.send(pid, "go")
        for _ in range(number % 5):
            await asyncio.sleep(0)
        ref = await process.monitor(pid)
        assert await down(ref) in ("true", "noproc")
    await nothing_comes()


@semantic("MO-07")
async def mo07_demonitor_with_flush_is_a_barrier() -> None:
    for number in range(150):
        pid, ref = await spawn_monitor_there(leave_on_word, "race")
        await process.send(pid, "go")
        for _ in range(number % 6):
            await asyncio.sleep(0)
        await process.demonitor(ref, flush=True)
        assert await process.process_info(me(), "messages") == []
    await nothing_comes()


@semantic("MO-07")
async def mo07_without_flush_what_has_come_stays_and_order_is_kept() -> None:
    _, first = await spawn_monitor_there(leave, "one")
    await until(lambda: queue_length(1))
    await process.send(me(), "middle")
    _, second = await spawn_monitor_there(leave, "two")
    await until(lambda: queue_length(3))
    await process.demonitor(second)
    await process.demonitor(first, flush=True)
    assert await process.receive(0) == "middle"
    assert cast("tuple[object, ...]", await process.receive(0))[1] == second


async def queue_length(length: int) -> bool:
    """Tell whether the caller has so many messages."""
    return await process.process_info(me(), "message_queue_len") == length


@semantic("MO-08")
async def mo08_info_says_whether_it_was_active() -> None:
    pid, ref = await spawn_monitor_there(linger)
    assert await process.demonitor(ref, info=True) is True
    assert await process.demonitor(ref, info=True) is False
    ref = await process.monitor(pid)
    assert await process.demonitor(ref) is None
    ref = await process.monitor(pid)
    await process.exit(pid, "boom")
    await until(lambda: queue_length(1))
    assert await process.demonitor(ref, flush=True, info=True) is False
    await nothing_comes()


@semantic("MO-09")
async def mo09_unknown_used_and_foreign_refs_are_no_error() -> None:
    pid, ref = await spawn_monitor_there(linger)
    other = await peer()
    assert await order(other, process.demonitor, ref, False, True) is False
    assert await process.demonitor(process.make_ref()) is None
    with pytest.raises(TypeError):
        await process.demonitor(cast(Ref, pid))
    await process.exit(pid, "boom")
    assert await down(ref) == "boom"
    assert await process.demonitor(ref, info=True) is False


@semantic("MO-10", alone="the only process is the caller")
async def mo10_a_monitor_of_oneself_never_fires() -> None:
    before = await process.process_info(me(), "monitors", "monitored_by")
    ref = await process.monitor(me(), alias="explicit_unalias")
    assert await process.process_info(me(), "monitors", "monitored_by") == before
    await process.send(ref, "no alias was made")
    await nothing_comes()


async def watch_and_end(pid: Pid) -> None:
    """Monitor and die at once."""
    await process.monitor(pid)


@semantic("MO-11")
async def mo11_the_death_of_the_watcher_removes_its_monitors() -> None:
    pid = await spawn_there(linger)
    watchers = [await process.spawn_monitor(watch_and_end, [pid], on="local") for _ in range(300)]
    for _, ref in watchers:
        assert await down(ref) == "normal"

    async def unwatched() -> bool:
        return await process.process_info(pid, "monitored_by") == []

    await until(unwatched)


@semantic("MO-11")
async def mo11_both_sides_list_a_monitor_until_demonitor() -> None:
    pid, ref = await spawn_monitor_there(linger, name="mo11")
    named = await process.monitor("mo11")
    assert await process.process_info(me(), "monitors") == [pid, ("mo11", process.node_name())]
    assert await process.process_info(pid, "monitored_by") == [me(), me()]
    for each in (ref, named):
        await process.demonitor(each)
    assert await process.process_info(me(), "monitors") == []
    assert await process.process_info(pid, "monitored_by") == []


@semantic("MO-12")
async def mo12_a_tag_stands_in_place_of_down() -> None:
    pid = await spawn_there(leave_on_word, "over")
    ref = await process.monitor(pid, tag=("worker", 7))
    await process.send(pid, "go")
    assert await process.receive(SOON, ref=ref) == (("worker", 7), ref, "process", pid, "over")


@semantic("AL-01")
async def al01_an_alias_takes_messages_until_unalias() -> None:
    alias = process.alias()
    other = await peer()
    for number in range(3):
        await order(other, process.send, alias, number)
    assert process.unalias(alias) is True
    assert process.unalias(alias) is False
    await order(other, process.send, alias, "late")
    assert [await process.receive(0) for _ in range(3)] == [0, 1, 2]
    await nothing_comes()


@semantic("AL-01")
async def al01_a_reply_alias_takes_one() -> None:
    alias = process.alias(reply=True)
    other = await peer()
    for number in range(3):
        await order(other, process.send, alias, number)
    assert await process.receive(0) == 0
    await nothing_comes()
    assert process.unalias(alias) is False
    await process.send(process.make_ref(), "dropped")


@semantic("AL-02")
async def al02_reply_demonitor_ends_both_with_the_first_reply() -> None:
    other = await peer()
    ref = await process.monitor(other.pid, alias="reply_demonitor")
    await order(other, process.send, ref, (ref, "reply"))
    assert await process.process_info(me(), "monitors") == []
    await order(other, process.send, ref, (ref, "again"))
    assert await process.receive(0, ref=ref) == (ref, "reply")
    await process.exit(other.pid, "kill")
    await gone(other.pid)
    await nothing_comes()


@semantic("AL-02")
async def al02_demonitor_ends_the_alias_with_the_monitor() -> None:
    other, third = await peer(), await peer()
    ref = await process.monitor(other.pid, alias="demonitor")
    await order(other, process.send, ref, "one")
    await order(other, process.send, ref, "two")
    assert [await process.receive(0), await process.receive(0)] == ["one", "two"]
    await process.demonitor(ref)
    await order(other, process.send, ref, "dropped")
    ref = await process.monitor(other.pid, alias="demonitor")
    await process.exit(other.pid, "kill")
    assert await down(ref) == "killed"
    await order(third, process.send, ref, "dropped")
    await nothing_comes()


@semantic("AL-02")
async def al02_explicit_unalias_outlives_the_monitor() -> None:
    other, third = await peer(), await peer()
    ref = await process.monitor(other.pid, alias="explicit_unalias")
    await process.exit(other.pid, "kill")
    assert await down(ref) == "killed"
    await order(third, process.send, ref, "taken")
    assert await process.receive(0) == "taken"
    assert process.unalias(ref) is True
    with pytest.raises(ValueError, match="alias"):
        await process.monitor(third.pid, alias="sometimes")


@semantic("AL-03")
async def al03_a_late_reply_is_dropped() -> None:
    other = await peer()
    ref = await process.monitor(other.pid, alias="reply_demonitor")
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0.01, ref=ref)
    await process.demonitor(ref, flush=True)
    await order(other, process.send, ref, (ref, "late"))
    await nothing_comes()


@semantic("AL-04")
async def al04_only_the_owner_unaliases() -> None:
    alias = process.alias()
    other = await peer()
    assert await order(other, process.unalias, alias) is False
    await order(other, process.send, alias, "still")
    assert await process.receive(0) == "still"
    with pytest.raises(TypeError):
        process.unalias(me())


@semantic("AL-05")
async def al05_alias_messages_are_not_bounded() -> None:
    alias = process.alias()
    is_peer(await process.spawn(send_times, [alias, 400], on=there()))
    await until(lambda: queue_length(400))
    assert [await process.receive(0) for _ in range(400)] == list(range(400))


async def send_times(to: Ref, times: int) -> None:
    """Send some numbers."""
    for number in range(times):
        await process.send(to, number)


@semantic("AL-02")
async def al02_calls_in_child_tasks_keep_their_replies_apart() -> None:
    other = await peer()

    async def call(number: int) -> object:
        ref = await process.monitor(other.pid, alias="reply_demonitor")
        await process.send(other.gate, (other.gate, ref, double, (number,)))
        return await outcome(ref)

    assert await asyncio.gather(*(call(number) for number in range(20))) == [number * 2 for number in range(20)]
    assert await process.process_info(me(), "monitors", "messages") == {"monitors": [], "messages": []}
    await settle()


def double(number: int) -> int:
    """Return twice the number."""
    return number * 2


@semantic("MO-06")
async def mo06_many_monitors_of_one_death_give_one_down_each() -> None:
    other = await peer()
    refs = [await process.monitor(other.pid) for _ in range(50)]
    await begin(other, process.exit, other.pid, "over")
    assert [await down(ref) for ref in refs] == ["over"] * 50
    await nothing_comes()
