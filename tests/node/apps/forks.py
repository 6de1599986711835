"""A shard whose user code forks a child that lives on."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from otpnode import process
from otpnode.process import Pid
from otpnode.process.current import HOSTS
from otpnode.scheduler.names import ReplicaNames
from otpnode.scheduler.port import ControlPort
from tests.node.apps.pipes import link_to
from tests.node.apps.tools import answers, echo, get, get_tagged, kill_shard, me, os_pid_of, passed, until, up_again


def held() -> set[str]:
    """Return what this OS process holds open, as the kernel calls it."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found


def of_the_node() -> list[str]:
    """Return the sockets of the mesh and of the control channel of this shard."""
    ((here, *_),) = HOSTS.values()
    port = cast(ControlPort, cast(ReplicaNames, here.names)._port)
    link = link_to(0)
    return [os.readlink(f"/proc/self/fd/{fd}") for fd in (link._source.fileno(), link._sink.fileno(), port.fileno())]


def attempt(verb: Callable[[], object]) -> str:
    """Return the name of what a verb raises, or what it returned."""
    try:
        result = verb()
        if asyncio.iscoroutine(result):
            result.send(None)
    except BaseException as error:
        return type(error).__name__
    return f"returned {result!r}"


def child(report: str, other: str) -> None:
    """Say what is left of the node here, then live on."""
    to = Pid(other)
    tried: dict[str, Callable[[], object]] = {
        "send": lambda: process.send(to, "from a fork"),
        "send_nowait": lambda: process.send_nowait(to, "from a fork"),
        "spawn": lambda: process.spawn(echo),
        "receive": lambda: process.receive(),
        "exit": lambda: process.exit(to, "kill"),
        "monitor": lambda: process.monitor(to),
        "register": lambda: process.register("fork"),
        "call_threadsafe": lambda: process.call_threadsafe(process.processes),
    }
    text = json.dumps({"pid": os.getpid(), "held": sorted(held()), "verbs": {k: attempt(v) for k, v in tried.items()}})
    Path(report + ".new").write_text(text, encoding="utf-8")
    os.rename(report + ".new", report)
    time.sleep(600)


def read(report: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(Path(report).read_text(encoding="utf-8")))


async def forker(report: str, other: Pid, asker: Pid) -> None:
    """Fork by multiprocessing, and go on answering."""
    before = of_the_node()
    multiprocessing.get_context("fork").Process(target=child, args=(report, other), daemon=False).start()
    await process.send(asker, ("forked", before))
    await echo()


async def main(report: str) -> None:
    """Fork in shard 1, check that the shard is as it was, SIGKILL it, and hear of it."""
    incarnation = dict(await process.subscribe_shards())[1]
    other = await process.spawn(echo, on=0)
    pid, ref = await process.spawn_monitor(forker, [report, other, me()], on=1)
    mine = set(cast("list[str]", (await get_tagged("forked"))[1]))
    assert len(mine) == 3, mine
    await until(lambda: os.path.exists(report), "the report of the forked child")
    told = read(report)
    print(f"forked {told['pid']}", flush=True)
    common = mine & set(told["held"])
    assert not common, f"the fork holds {len(common)} of the 3 sockets of its shard"
    print(f"verbs {json.dumps(told['verbs'])}", flush=True)
    for _ in range(3):
        # The shard that forked still hears, and is heard.
        assert await answers(pid)
        assert await answers(other)
        await os_pid_of(1)
        await process.register("after the fork", pid)
        await process.unregister("after the fork")
    await kill_shard(1)
    assert await get(ref=ref) == ("DOWN", ref, "process", pid, "noconnection")
    await up_again(1, incarnation)
    assert await answers(await process.spawn(echo, on=1))
    os.kill(told["pid"], 0)
    passed()


async def thread_pool() -> None:
    """Use a ProcessPoolExecutor of forks beside the node, as CPU-bound programs do."""
    pid = await process.spawn(pool_user, [me()], on=1)
    assert await get_tagged("squares") == ("squares", [0, 1, 4, 9])
    assert await answers(pid)
    passed()


async def pool_user(asker: Pid) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        squares = await asyncio.to_thread(pool.map, square, range(4))
    await process.send(asker, ("squares", squares))
    await echo()


def square(number: int) -> int:
    return number * number
