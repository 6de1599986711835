"""As many shards as descriptors allow: everybody reaches everybody, and a killed shard comes back."""

from __future__ import annotations

import os
import signal
import time
from typing import cast

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import answers, echo, get_tagged, kill_shard, me, os_pid_of, passed, up_again

VICTIM = 17
STOPPED = range(20, 50)
KILLS = 6
"""So often the victim is killed while others are stopped: more ends are due to these than may be under way."""


async def main() -> None:
    """Talk along every pair of the mesh, before and after a shard was killed, also while half of them are stopped."""
    incarnation = dict(await process.subscribe_shards())[VICTIM]
    shards = range(process.schedulers())
    echoes = {shard: await process.spawn(echo, on=shard) for shard in shards}
    for shard in shards:
        await process.spawn(reaches, [list(echoes.values()), me()], on=shard)
    for _ in shards:
        await get_tagged("reached")
    incarnation = await _killed_and_back(incarnation, "all at work")
    stopped = [await os_pid_of(shard) for shard in STOPPED]
    for os_pid in stopped:
        os.kill(os_pid, signal.SIGSTOP)
    for _ in range(KILLS):
        incarnation = await _killed_and_back(incarnation, "half of them stopped")
    for os_pid in stopped:
        os.kill(os_pid, signal.SIGCONT)
    echoes[VICTIM] = await process.spawn(echo, on=VICTIM)
    for shard in shards:
        await process.spawn(reaches, [[*echoes.values()] if shard == VICTIM else [echoes[VICTIM]], me()], on=shard)
    most = max([cast(int, (await get_tagged("reached"))[1]) for _ in shards])
    print(f"a shard has up to {most} descriptors", flush=True)
    passed()


async def _killed_and_back(incarnation: int, when: str) -> int:
    started = time.monotonic()
    await kill_shard(VICTIM)
    again = await up_again(VICTIM, incarnation)
    assert await answers(await process.spawn(echo, on=VICTIM))
    print(f"back after {time.monotonic() - started:.2f} s, {when}", flush=True)
    return again


async def reaches(pids: list[Pid], asker: Pid) -> None:
    for pid in pids:
        assert await answers(pid)
    await process.send(asker, ("reached", len(os.listdir("/proc/self/fd"))))
