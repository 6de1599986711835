"""Processes inside C code, where nothing can interrupt them, and what ends them."""

from __future__ import annotations

import re
import time
from typing import cast

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import answers, echo, get, get_tagged, me, passed, up_again

IN_C = 4.0
"""Seconds; the watchdog complains after two graces of half a second."""


async def in_c(parent: Pid, seconds: float) -> None:
    """Say so, then leave Python."""
    process.set_label("importer")
    await process.send(parent, ("in C", process.self()))
    time.sleep(seconds)  # noqa: ASYNC251  # sleep: it is the C code


async def waited_for() -> None:
    """It dies as it comes back from C."""
    pid, ref = await process.spawn_monitor(in_c, [me(), IN_C], on=1)
    await get_tagged("in C")
    await process.exit(pid, "kill")
    assert await get(ref=ref) == ("DOWN", ref, "process", pid, "killed")
    passed()


async def ended_with_its_shard() -> None:
    """Its shard ends as by a crash, with everything on it, and comes back."""
    await process.subscribe_shards()
    neighbour, of_neighbour = await process.spawn_monitor(echo, on=1)
    linked = await process.spawn(trapping, [me(), neighbour], on=0)
    pid, ref = await process.spawn_monitor(in_c, [me(), 600.0], on=1)
    await get_tagged("in C")
    await process.exit(pid, "kill")
    assert (await get(ref=ref))[4] == "noconnection"
    assert (await get(ref=of_neighbour))[4] == "noconnection"
    assert await get_tagged("linked") == ("linked", linked, ("EXIT", neighbour, "noconnection"))
    assert (await get_tagged("shard_down"))[3] == -9
    assert await up_again(1, 1) == 2
    assert await answers(await process.spawn(echo, on=1))
    passed()


async def keeps_the_gil(parent: Pid, zeros: int) -> None:
    """Say so, then try every way to split a run of a's."""
    process.set_label("matcher")
    await process.send(parent, ("in C", process.self()))
    re.match(r"(a|aa)+$", "a" * zeros + "b")


async def even_with_the_gil() -> None:
    """A regular expression that would take years holds up the watchdog as well; its shard ends all the same."""
    await process.subscribe_shards()
    pid, ref = await process.spawn_monitor(keeps_the_gil, [me(), 200], on=1)
    await get_tagged("in C")
    await process.exit(pid, "kill")
    assert (await get(ref=ref))[4] == "noconnection"
    assert (await get_tagged("shard_down"))[3] == -9
    assert await up_again(1, 1) == 2
    passed()


async def trapping(parent: Pid, other: Pid) -> None:
    """Tell of the end of who is linked."""
    process.process_flag("trap_exits", True)
    await process.link(other)
    await process.send(parent, ("linked", cast(Pid, process.self()), await process.receive()))
