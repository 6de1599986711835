"""PI: looking at processes."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid
from tests.semantics.peers import (
    begin,
    down,
    finish,
    gone,
    linger,
    me,
    order,
    outcome,
    peer,
    settle,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic

KEYS = {
    "links", "monitors", "monitored_by", "message_queue_len", "messages", "registered_name",
    "trap_exits", "status", "label", "dictionary", "current",
}  # fmt: skip


@semantic("PI-01")
async def pi01_process_info_tells_everything() -> None:
    pid = await spawn_there(linger, name="pi01", label="a subject", trap_exits=True)
    await process.link(pid)
    await process.monitor(pid)
    await process.send(pid, "message")
    await settle()
    info = cast("dict[str, object]", await process.process_info(pid))
    assert set(info) == KEYS
    current = cast(str, info.pop("current"))
    assert current.rpartition(" ")[2] in ("linger", "sleep")
    assert info == {
        "links": [me()],
        "monitors": [],
        "monitored_by": [me()],
        "message_queue_len": 1,
        "messages": ["message"],
        "registered_name": "pi01",
        "trap_exits": True,
        "status": "waiting",
        "label": "a subject",
        "dictionary": {},
    }
    await process.exit(pid, "kill")


@semantic("PI-01")
async def pi01_keys_choose_what_is_told() -> None:
    pid = await spawn_there(linger)
    assert await process.process_info(pid, "links") == []
    assert await process.process_info(pid, "links", "label") == {"links": [], "label": None}
    for keys in (("nonsense",), ("links", "nonsense")):
        with pytest.raises(ValueError, match="nonsense"):
            await process.process_info(pid, *keys)
    assert await process.process_info("pi01 nobody") is None
    await process.exit(pid, "kill")
    await gone(pid)
    assert await process.process_info(pid) is None
    assert await process.process_info(pid, "links") is None


@semantic("PI-01")
async def pi01_values_are_snapshots() -> None:
    pid = await spawn_there(linger)
    await process.send(pid, "message")
    cast("list[object]", await process.process_info(pid, "messages")).clear()
    assert await process.process_info(pid, "messages") == ["message"]


@semantic("PI-02")
async def pi02_is_alive_is_false_for_good_once_the_death_is_news() -> None:
    for _ in range(60):
        pid, ref = await spawn_monitor_there(linger)
        assert process.is_alive(pid)
        await process.exit(pid, "boom")
        await down(ref)
        assert not process.is_alive(pid)
    assert not process.is_alive("pi02 nobody")
    assert not process.is_alive(Pid(f"pid_{process.node_name()}.0.1.0"))
    assert not process.is_alive(Pid(f"pid_{process.node_name()}.0.99.1"))
    assert not process.is_alive(Pid("pid_elsewhere.0.1.1"))
    named = await spawn_there(linger, name="pi02")
    assert process.is_alive("pi02")
    await process.exit(named, "kill")


@semantic("PI-03")
async def pi03_processes_lists_the_living_of_the_node() -> None:
    pids = {await spawn_there(linger) for _ in range(10)} | {await process.spawn(linger, on="local") for _ in range(10)}
    dead, ref = await spawn_monitor_there(finish)
    await down(ref)
    listed = process.processes()
    assert len(listed) == len(set(listed))
    assert pids | {me()} <= set(listed)
    assert dead not in listed
    for pid in pids:
        await process.exit(pid, "kill")
        await gone(pid)
    assert not pids & set(process.processes())


@semantic("PI-04")
async def pi04_the_dictionary_is_one_per_process() -> None:
    assert process.put("pi04", 1) is None
    assert process.put("pi04", 2) == 1

    async def child() -> object:
        return process.put("pi04", 3)

    assert await asyncio.create_task(child()) == 2
    assert process.get("pi04") == 3
    other = await peer()
    assert await order(other, process.get, "pi04") is None
    assert await order(other, process.put, "pi04", "theirs") is None
    assert await process.process_info(other.pid, "dictionary") == {"pi04": "theirs"}
    assert process.erase("pi04") == 3
    assert process.erase("pi04") is None
    assert process.get("pi04") is None


@semantic("PI-06")
async def pi06_an_unknown_flag_is_refused() -> None:
    with pytest.raises(ValueError, match="min_heap_size"):
        process.process_flag("min_heap_size", 1)
    with pytest.raises(TypeError):
        process.process_flag("trap_exits", 1)
    other = await peer()
    with pytest.raises(ValueError, match="nonsense"):
        await order(other, process.process_flag, "nonsense", True)
    await order(other, process.set_label, "labelled")
    assert await process.process_info(other.pid, "label") == "labelled"


@semantic("PI-01")
async def pi01_status_tells_who_waits() -> None:
    other = await peer()
    answer = await begin(other, process.process_info, other.pid, "status")
    assert await outcome(answer) in ("running", "runnable", "waiting")
    assert await process.process_info(other.pid, "status") == "waiting"
    assert await process.process_info(me(), "status") == "running"
