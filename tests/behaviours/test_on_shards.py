"""What only shards can show: where servers live, and what comes of them when a shard is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.specs import child
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.servers import SOON, Plain, next_message, no_message, on_a_node


@on_a_node(only=("loop", "pipe"), why="one loop has one shard")
async def test_the_servers_of_these_programs_do_live_elsewhere() -> None:
    pid = await Plain.start()
    assert (process.shard_of(process.self() or ""), process.shard_of(pid)) == (0, 1)


class Resident(GenServer[Any]):
    """Knows the OS process it lives in; may hold a caller for ever."""

    async def init(self, watcher: str) -> None:
        await process.send(watcher, ("started", process.self(), process.shard_of(process.self() or "")))

    async def handle_call(self, request: object, sender: object, /) -> int:
        if request == "hold":
            await asyncio.Event().wait()
        return os.getpid()


async def lose_a_shard() -> tuple[object, ...]:
    """Kill the shard of a supervised child, a call to it under way; returns what came of both."""
    me = process.self()
    sup = await Supervisor.start_link([child(Resident, [me], on=1, name="resident")])
    _, first, where = await next_message()  # type: ignore[misc]
    victim = await Resident.call(first, "pid")
    held = asyncio.create_task(Resident.call(first, "hold", None))
    while await process.process_info(first, "message_queue_len") != 0:
        await process.sleep(0)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(otpnode.CallExit) as caught:
        await held
    _, second, there = await next_message()  # type: ignore[misc]
    assert process.whereis("resident") == second != first
    (info,) = await Supervisor.which_children(sup)
    assert info.restarts == 1
    assert await Resident.call("resident", "pid") != victim
    return where, there in (0, 1), caught.value.reason, await no_message()


@pytest.mark.os_processes
@pytest.mark.rule("GS-03", on="pipe")
def test_sv10_a_child_whose_shard_is_killed_comes_back_on_a_live_one() -> None:
    assert otpnode.run(lose_a_shard, schedulers=2, log_level="critical") == (1, True, "noconnection", True)


async def call_while_down() -> tuple[object, object]:
    """Kill the shard of a server; return what calls say while it is down, and when it is up again."""
    server = await Resident.start([process.self()], on=1)
    await next_message()
    victim = await Resident.call(server, "pid")
    await process.subscribe_shards()
    os.kill(victim, signal.SIGKILL)
    reasons = []
    for _ in ("while it is down", "when it is up again"):
        change: Any = await process.receive(SOON)
        with pytest.raises(otpnode.CallExit) as caught:
            await Resident.call(server, "pid")
        reasons.append((change[0], caught.value.reason))
    return reasons[0], reasons[1]


@pytest.mark.os_processes
@pytest.mark.rule("GS-03", on="pipe")
def test_gs03_a_call_says_whether_the_server_is_dead_or_its_shard_down() -> None:
    assert otpnode.run(call_while_down, schedulers=2, log_level="critical") == (
        ("shard_down", "noconnection"),
        ("shard_up", "noproc"),
    )


async def program_of_a_tree() -> str:
    """Return the pid of a tree that ends by itself."""
    spec = child(Resident, [process.self()], restart="transient", on=1)
    sup = await Supervisor.start([spec], name="tree")
    await process.spawn(stop_soon, [sup])
    return sup


async def stop_soon(sup: str) -> None:
    """Stop a tree, from another shard or not."""
    await Supervisor.stop(sup)


@pytest.mark.os_processes
def test_a_tree_can_be_the_program_of_two_shards() -> None:
    assert otpnode.run(program_of_a_tree, schedulers=2, log_level="critical") is not None
