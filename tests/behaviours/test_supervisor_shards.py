"""SV-07, SV-10 on OS processes: what supervisors do when a shard under their children is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import otpnode
from otpnode import DynamicSupervisor, PartitionSupervisor, Supervisor, child, process
from otpnode.behaviours.supervision.partition_supervisor import partition_of
from otpnode.pid import Pid
from tests.behaviours.children import Stubborn, function_child, started, until
from tests.behaviours.servers import SOON
from tests.behaviours.test_partition_supervisor import Store

pytestmark = [pytest.mark.os_processes, pytest.mark.rule("SV-10", on="pipe")]

WISH = 1
"""The shard that is killed."""


def run(program: Callable[..., Awaitable[object]], *args: object) -> object:
    """Run a program as main of a node of three shards."""
    return otpnode.run(program, *args, schedulers=3, log_level="critical")


async def tell_os_pid(watcher: Pid) -> None:
    """Say in which OS process this shard runs."""
    await process.send(watcher, ("os pid", os.getpid()))


async def kill_shard() -> None:
    """SIGKILL shard `WISH`."""
    await process.spawn(tell_os_pid, [process.self()], on=WISH)
    found: Any = await process.receive(SOON, lambda message: isinstance(message, tuple) and message[0] == "os pid")
    os.kill(found[1], signal.SIGKILL)


async def shard_is_back() -> None:
    """Wait until `WISH` takes children again."""

    async def takes_children() -> bool:
        try:
            await process.spawn(tell_os_pid, [process.self()], on=WISH)
        except otpnode.ShardDownError:
            return False
        await process.receive(SOON, lambda message: isinstance(message, tuple) and message[0] == "os pid")
        return True

    await until(takes_children)


# -- SV-10 --------------------------------------------------------------------


async def many_on_one_shard(kind: str) -> list[object]:
    """Lose the shard of fifty children; returns how often each was restarted, and where they are."""
    me = process.self()
    specs = [child(function_child, [me, "f"], id=number, on=WISH) for number in range(50)]
    if kind == "supervisor":
        sup = await Supervisor.start(specs, max_restarts=51, on=0)
    else:
        sup = await DynamicSupervisor.start(max_restarts=51, on=0)
        for spec in specs:
            await DynamicSupervisor.start_child(sup, spec)
    await started(*["f"] * 50)
    await kill_shard()
    await started(*["f"] * 50)
    infos = await Supervisor.which_children(sup)
    assert all(process.is_alive(str(info.pid)) for info in infos)
    assert {info.restarts for info in infos} == {1}
    await shard_is_back()
    chosen: Any = infos[0].pid
    await process.send(chosen, "boom")
    again = await started("f")
    return [process.shard_of(again["f"]), process.is_alive(sup)]


@pytest.mark.parametrize("kind", ["supervisor", "dynamic"])
def test_sv10_children_of_a_killed_shard_are_restarted_once_each_and_go_back_at_their_next(kind: str) -> None:
    assert run(many_on_one_shard, kind) == [WISH, True]


async def too_many() -> object:
    """Lose the shard of more children than restarts are borne; returns why the supervisor ended."""
    me = process.self()
    sup = await Supervisor.start([child(function_child, [me, "f"], id=n, on=WISH) for n in range(5)], on=0)
    await started(*["f"] * 5)
    ref = await process.monitor(sup)
    await kill_shard()
    down: Any = await process.receive(SOON, ref=ref)
    return down[4]


def test_sv10_the_children_of_a_killed_shard_count_one_by_one() -> None:
    assert run(too_many) == "shutdown"


async def partitions() -> list[object]:
    """Lose the shard of a partition; returns where it went, and where it was after the next restart."""
    await PartitionSupervisor.start([child(Store)], name="kvs", on=0)
    key = next(n for n in range(100) if partition_of(n, 3) == WISH)
    via = PartitionSupervisor.via("kvs", key)

    async def answers_elsewhere() -> bool:
        try:
            return bool(await Store.call(via, "who") != lost)
        except otpnode.CallExit:
            return False

    there = WISH
    while there == WISH:  # Where this shard is so busy that it hears of the death when the next incarnation is up.
        lost = process.whereis(f"kvs/{WISH}")
        await kill_shard()
        await until(answers_elsewhere)
        there = await Store.call(via, "where")
    await shard_is_back()
    lost = process.whereis(f"kvs/{WISH}")
    await process.exit(lost or "", "kill")
    await until(answers_elsewhere)
    return [there in (0, 2), await Store.call(via, "where"), PartitionSupervisor.partitions("kvs")]


def test_sv10_a_partition_moves_to_a_live_shard_and_back_at_its_next_restart() -> None:
    assert run(partitions) == [True, WISH, 3]


# -- SV-07 --------------------------------------------------------------------


async def stop_and_tell(sup: Pid, watcher: Pid) -> None:
    """Stop a supervisor and say so."""
    await Supervisor.stop(sup)
    await process.send(watcher, "stopped")


async def lose_while_stopping(kind: str) -> object:
    """Kill the shard of a child that does not stop, and that has for ever to do it."""
    spec = child(Stubborn, [process.self(), "s"], shutdown=None, on=WISH)
    if kind == "supervisor":
        sup = await Supervisor.start([spec], on=0)
    else:
        sup = await DynamicSupervisor.start(on=0)
        await DynamicSupervisor.start_child(sup, spec)
    pids = await started("s")
    await process.spawn(stop_and_tell, [sup, process.self()], on=0)

    async def is_told() -> bool:
        return sup in (await process.process_info(pids["s"], "monitored_by") or [])  # type: ignore[operator]

    await until(is_told)
    await kill_shard()
    return await process.receive(SOON)


@pytest.mark.parametrize("kind", ["supervisor", "dynamic"])
def test_sv07_a_shard_that_is_lost_while_its_children_are_stopped_is_no_hang(kind: str) -> None:
    assert run(lose_while_stopping, kind) == "stopped"
