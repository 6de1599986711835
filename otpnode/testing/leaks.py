"""What a test may leave behind: nothing.

Two looks, because two things last beyond a test in different ways. Processes of the node, their
names, and the OS processes they started are looked for while the node still runs (`survey`): its
stop would end them. Descriptors and OS processes of the test's own are looked for around the whole test
(`nothing_left_behind`).
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import psutil

from otpnode.errors import ShardDownError
from otpnode.process.current import HOSTS, here
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from otpnode.testing.asking import LABEL, ask
from otpnode.testing.stillness import neighbours_of, shards_here

LINGER_SECONDS: Final = 3.0
"""What the program's end has set going, such as a supervisor that ends its children, may take that long."""
LOOK_SECONDS: Final = 0.01

SYSTEM: Final = "$"
"""What names of otpnode's own processes begin with: ``$pg.0``."""


def open_fds() -> dict[int, str]:
    """Return the open file descriptors of this OS process and what each stands for."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        folder = Path("/dev/fd")
    found = {}
    for name in os.listdir(folder):
        try:
            found[int(name)] = os.readlink(folder / name)
        except OSError:
            continue
    return found


def children() -> set[int]:
    """Return the OS processes this one has started and not yet reaped."""
    return {child.pid for child in psutil.Process().children()}


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Fail when the block leaves a file descriptor, an OS process or a running node behind.

    Raises:
        AssertionError: it did; the text names each.
    """
    fds, offspring, hosts = open_fds(), children(), _hosts()
    yield
    if set(open_fds()) - set(fds):
        gc.collect()
    left = {f"file descriptor {fd}: {what}" for fd, what in open_fds().items() if fd not in fds}
    left |= {f"OS process {_os_process(pid)}" for pid in children() - offspring}
    left |= {f"running node {shard.config.name}" for shard in _hosts() - hosts}
    if left:
        raise AssertionError("left behind:\n" + "\n".join(sorted(left)) + "\nclose or end them before the test is over")


def _hosts() -> set[Shard]:
    return {shard for shards in list(HOSTS.values()) for shard in shards}


def _os_process(pid: int) -> str:
    try:
        return f"{pid} ({' '.join(psutil.Process(pid).cmdline())[:200]})"
    except psutil.Error:
        return str(pid)


async def processes_left(*, os_processes: bool) -> list[str]:
    """Return who is still here once what can end by itself has: one line each, on every shard.

    Args:
        os_processes: the shards have OS processes of their own, the other ones of which are to be asked.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + LINGER_SECONDS
    while True:
        found = await survey() if os_processes else _survey()
        for shard in _elsewhere() if os_processes else ():
            found += await _asked(shard)
        if not found or loop.time() >= end:
            return found
        await asyncio.sleep(LOOK_SECONDS)


async def _asked(shard: int) -> list[str]:
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            return cast("list[str]", await ask(shard, survey))
    except ShardDownError:
        return []  # Its processes went with it.
    except TimeoutError:
        return [f"shard {shard} does not answer: something computes there without awaiting"]


def _elsewhere() -> list[int]:
    neighbours = neighbours_of(here())
    own = {shard.number for shard in shards_here()}
    return [] if neighbours is None else [shard for shard, _ in neighbours.shards_up() if shard not in own]


async def survey() -> list[str]:
    """Look at the shard that is asked, with the OS processes that its program has started."""
    return [*_survey(), *(f"OS process {_os_process(pid)}" for pid in sorted(children()))]


def _survey() -> list[str]:
    me: object = asyncio.current_task()
    return [
        _line(shard, proc)
        for shard in shards_here()
        for proc in [*shard.table.live.values(), *shard.table.exiting.values()]
        if proc is not me and not _is_excused(shard, proc)
    ]


def _is_excused(shard: Shard, proc: Proc) -> bool:
    name = shard.names.name_of(proc.pid) or ""
    return proc.pid in shard.hidden or name.startswith(SYSTEM) or proc.label == LABEL


def _line(shard: Shard, proc: Proc) -> str:
    name = shard.names.name_of(proc.pid)
    said = [f"label {proc.label!r}"] if proc.label else []
    said += [f"name {name!r}"] if name else []
    said += [f"started by {' < '.join(_known(shard, pid) for pid in proc.ancestors)}"] if proc.ancestors else []
    return f"process {proc.pid}" + (f" ({', '.join(said)})" if said else "")


def _known(shard: Shard, pid: str) -> str:
    proc = shard.table.find(pid)
    return f"{pid} {proc.label!r}" if proc is not None and proc.label else pid
