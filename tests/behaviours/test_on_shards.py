"""The same programs once more, in one node of two OS processes, every server on the other shard than its client."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from importlib import import_module
from itertools import product
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.gen_server import GenServer
from otpnode.behaviours.specs import child
from otpnode.behaviours.supervisor import Supervisor
from tests.behaviours.servers import SOON, ending_of, next_message, no_message

MODULES = (
    "test_gen_server_start",
    "test_gen_server",
    "test_gen_server_life",
    "test_supervisor",
    "test_supervisor_requests",
    "test_specs",
)

Case = tuple[str, str, dict[str, object]]


def cases(name: str) -> list[Case]:
    """List the programs of a module, with each set of their parameters."""
    module = f"tests.behaviours.{name}"
    found: list[Case] = []
    for title, test in vars(import_module(module)).items():
        if title.startswith("test_") and asyncio.iscoroutinefunction(getattr(test, "__wrapped__", None)):
            marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            for chosen in product(*(_choices(*mark.args) for mark in marks)):
                given: dict[str, object] = {}
                for one in chosen:
                    given |= one
                found.append((module, title, given))
    return found


def _choices(names: str | tuple[str, ...], values: list[Any]) -> list[dict[str, object]]:
    if isinstance(names, str):
        return [{names: value} for value in values]
    return [dict(zip(names, value, strict=True)) for value in values]


async def run_all(wanted: list[Case]) -> list[str]:
    """Be main: run the programs one after another, each as a process here; returns what went wrong."""
    GenServer.on = 1
    failures: list[str] = []
    for case in wanted:
        keep = process.processes()
        _, ref = await process.spawn_monitor(run_one, list(case), on="local")
        try:
            down: Any = await process.receive(4 * SOON, ref=ref)
        except TimeoutError:
            down = ("", "", "", "", "it hangs")
        if down[4] != "normal":
            failures.append(f"{case}: {down[4]}")
        for pid in set(process.processes()) - set(keep):
            await process.exit(pid, "kill")
            await ending_of(pid)
    return failures


async def run_one(module: str, name: str, given: dict[str, object]) -> None:
    """Run one program; its failure is the reason, as text."""
    try:
        await getattr(import_module(module), name).__wrapped__(**given)
    except (Exception, pytest.fail.Exception):
        raise process.ProcessExit(traceback.format_exc()) from None


@pytest.mark.os_processes
@pytest.mark.parametrize("name", MODULES)
def test_programs_do_the_same_across_shards(name: str) -> None:
    wanted = cases(name)
    assert wanted
    assert otpnode.run(run_all, wanted, schedulers=2, log_level="critical", exit_grace=0.5, kill_grace=0.2) == []


async def where_a_server_lives() -> tuple[int, int]:
    """Tell the shards of a server and of its client."""
    GenServer.on = 1
    pid = await import_module("tests.behaviours.servers").Plain.start()
    return process.shard_of(process.self() or ""), process.shard_of(pid)


@pytest.mark.os_processes
def test_the_servers_of_these_programs_do_live_elsewhere() -> None:
    assert otpnode.run(where_a_server_lives, schedulers=2) == (0, 1)


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
def test_a_child_whose_shard_is_killed_comes_back_on_a_live_one() -> None:
    assert otpnode.run(lose_a_shard, schedulers=2, log_level="critical") == (1, True, "noconnection", True)


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


def test_every_module_has_programs() -> None:
    assert sum(len(cases(name)) for name in MODULES) > 100
