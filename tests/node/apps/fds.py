"""Count file descriptors before and after restarts."""

from __future__ import annotations

import os
from typing import cast

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import answers, echo, get_tagged, kill_shard, me, os_pid_of, passed, until, up_again


def fds_of(os_pid: int) -> int:
    return len(os.listdir(f"/proc/{os_pid}/fd"))


async def main(times: str) -> None:
    """Kill shard 1 again and again; nobody else may gain or lose a descriptor, whatever it sent there."""
    incarnation = dict(await process.subscribe_shards())[1]
    watched = [os.getppid(), os.getpid(), await os_pid_of(2)]
    await _talk_to_all()
    before = [fds_of(os_pid) for os_pid in watched]
    first = fds_of(await os_pid_of(1))
    for _ in range(int(times)):
        await kill_shard(1)
        incarnation = await up_again(1, incarnation)
        await _talk_to_all()
    await until(
        lambda: [fds_of(os_pid) for os_pid in watched] == before,
        f"{before} descriptors again, not {[fds_of(os_pid) for os_pid in watched]}",
    )
    again = fds_of(await os_pid_of(1))
    assert again == first, f"the shard itself holds {again} descriptors, its first incarnation {first}"
    passed()


async def _talk_to_all() -> None:
    for shard in range(3):
        assert await answers(await process.spawn(echo, on=shard))
    relay = await process.spawn(ask, [await process.spawn(echo, on=1), me()], on=2)
    assert await get_tagged("relayed") == ("relayed", relay)


async def ask(pid: Pid, asker: Pid) -> None:
    assert await answers(pid)
    await process.send(asker, ("relayed", cast(Pid, process.self())))
