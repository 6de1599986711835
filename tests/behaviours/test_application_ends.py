"""AP-02: what the end of an application means to the node, and which end of a node counts (SH-12)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.pid import Pid
from tests.behaviours.applications import Base, Thorough
from tests.behaviours.servers import next_message


async def lose(restart: Any, reason: str) -> None:
    """Be main: start an application and let its tree end."""
    await process.register("watcher")
    pid = await Base.start(restart=restart)
    await otpnode.GenServer.stop(pid, reason)
    await asyncio.Event().wait()


@pytest.mark.parametrize("schedulers", [1, pytest.param(2, marks=pytest.mark.os_processes)])
@pytest.mark.parametrize(
    ("restart", "reason"), [("permanent", "normal"), ("permanent", "boom"), ("transient", "shutdown")]
)
def test_ap02_the_end_of_such_an_application_stops_the_node(restart: str, reason: str, schedulers: int) -> None:
    with pytest.raises(SystemExit) as caught:
        otpnode.run(lose, restart, reason, schedulers=schedulers, log_level="critical")
    assert caught.value.code == 1


async def last_as_long(restart: Any) -> Pid:
    """Be main and return the pid of a tree, which is about to give up."""
    await process.register("watcher")
    pid = await Thorough.start(restart=restart)
    await next_message()
    born: Any = await next_message()
    await otpnode.GenServer.cast(born[2], "boom")
    return pid


async def stop_and_return() -> str:
    """Be main, and end with a value after the stop was asked for."""
    otpnode.stop(3)
    return "a value"


@pytest.mark.parametrize("schedulers", [1, pytest.param(2, marks=pytest.mark.os_processes)])
@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_ap02_it_stops_the_node_also_when_main_waits_for_the_tree(restart: str, schedulers: int) -> None:
    with pytest.raises(SystemExit) as caught:
        otpnode.run(last_as_long, restart, schedulers=schedulers, log_level="critical")
    assert caught.value.code == 1


@pytest.mark.parametrize("schedulers", [1, pytest.param(2, marks=pytest.mark.os_processes)])
def test_sh12_a_stop_decides_also_when_main_ends_right_behind_it(schedulers: int) -> None:
    with pytest.raises(SystemExit) as caught:
        otpnode.run(stop_and_return, schedulers=schedulers)
    assert caught.value.code == 3
