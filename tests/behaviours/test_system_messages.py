"""GS-15: looking into servers and supervisors, and holding them, over any shard."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.children import started, worker
from tests.behaviours.servers import SOON, Plain, Scripted, no_message, on_a_node


class Bound(GenServer[Any]):
    """Keeps what is bound to its OS process."""

    def init(self) -> dict[str, object]:
        return {"guard": threading.Lock()}

    def handle_call(self, request: object, sender: object, /) -> str:
        return type(self.state["guard"]).__name__


def lock_again(state: object) -> object:
    return [threading.Lock()]


@on_a_node(only=("loop", "pipe"), why="inside a shard the state itself is handed over")
async def test_gs15_a_state_that_cannot_travel_is_an_error_that_names_it_and_the_server_goes_on() -> None:
    pid = await Bound.start()
    attempts = (system.get_state(pid), system.get_status(pid), system.replace_state(pid, lock_again))
    for attempt in attempts:
        with pytest.raises(otpnode.CallExit) as caught:
            await attempt
        assert isinstance(caught.value.reason, otpnode.UnserializableError)
        assert "lock" in str(caught.value.reason)
    assert await system.replace_state(pid, len) == 1  # type: ignore[arg-type]
    assert await system.get_state(pid) == 1
    assert await no_message()


@on_a_node(only=("one",), why="another shard gets a copy, if it can have one")
async def test_gs15_on_its_own_shard_the_state_is_the_object_itself() -> None:
    pid = await Bound.start()
    state: Any = await system.get_state(pid)
    assert await Bound.call(pid, 1) == "lock"
    assert await system.get_state(pid) is state


@on_a_node
async def test_gs15_a_supervisor_can_be_looked_into_and_held_wherever_it_lives() -> None:
    me = process.self()
    sup = await Supervisor.start([worker(me, "a"), worker(me, "b")], on=process.schedulers() - 1)
    pids = await started("a", "b")
    state: Any = await system.get_state(sup)
    assert [(info.id, info.pid) for info in state] == [("b", pids["b"]), ("a", pids["a"])]
    status = await system.get_status(sup)
    assert (status.pid, status.phase) == (sup, "running")
    with pytest.raises(otpnode.CallExit) as caught:
        await system.replace_state(sup, dict)
    assert isinstance(caught.value.reason, TypeError)
    await system.suspend(sup)
    with pytest.raises(otpnode.CallTimeoutError):
        await GenServer.call(sup, "anything", timeout=0.02)
    assert (await system.get_status(sup)).phase == "suspended"
    await system.resume(sup)
    assert len(await Supervisor.which_children(sup)) == 2


@on_a_node
async def test_gs15_an_unknown_system_request_is_an_error_to_who_asks() -> None:
    pid = await Plain.start()
    ref = await process.monitor(pid, alias="reply_demonitor")
    await process.send(pid, ("$system", (process.self(), ref), "x" * 10**5))
    answer: Any = await process.receive(SOON, ref=ref)
    word, error = answer[1]
    assert word == "error"
    assert isinstance(error, ValueError)
    assert len(str(error)) < 300
    assert await Plain.call(pid, "next") == 1


@on_a_node
async def test_gs15_suspending_keeps_what_comes_meanwhile_in_order() -> None:
    pid = await Scripted.start([process.self()])
    await system.suspend(pid)
    await system.suspend(pid)
    for number in range(5):
        await process.send(pid, number)
    assert await system.get_state(pid) == []
    await system.resume(pid)
    got = [await process.receive(SOON) for _ in range(5)]
    assert got == [("info", number) for number in range(5)]
    await system.resume(pid)
    assert await Scripted.call(pid, ("return", "awake")) == "awake"


def test_gs15_system_messages_can_be_sent_from_outside_a_process() -> None:
    async def outside() -> None:
        async with otpnode.node():
            pid = await Plain.start([7])
            assert await system.get_state(pid) == 7
            await system.suspend(pid)
            assert (await system.get_status(pid)).phase == "suspended"
            await system.resume(pid)
            assert await system.replace_state(pid, lambda state: int(str(state)) + 1) == 8
            assert process.processes() == [pid]

    asyncio.run(outside())


async def dead() -> str:
    """Return the pid of a server that has ended."""
    pid = await Plain.start()
    await Plain.stop(pid)
    return pid


@pytest.mark.rule("SD-02")
@on_a_node
async def test_sd02_a_request_that_names_nobody_to_answer_ends_no_server() -> None:
    server = await Plain.start()
    sup = await Supervisor.start([], on=process.schedulers() - 1)
    for nobody in ("nobody", "", "pid_nonsense", await dead()):
        sender: Any = (process.self(), nobody)
        GenServer.reply(sender, "to nobody")
        for target in (server, sup):
            await process.send(target, ("$gen_call", sender, "next", []))
            await process.send(target, ("$system", sender, "get_state"))
    assert await Plain.call(server, "next") == 5
    assert await Supervisor.which_children(sup) == []
    assert await no_message()
