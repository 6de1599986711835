"""Is anything going on here? One look at the shards of the calling thread.

The run queue alone does not say it: a process that awaits a future is stepped by that future's
callback, one that yields comes by the loop, child tasks are asyncio's. What cannot be missed is
what each of them *waits for*. A waiter that is parked in `receive`, or whose future is not done,
can only be moved by somebody else; where that holds for all, and no pipe holds a byte, nothing
moves any more before something comes from outside: a timer, a thread, a file, a socket.

Callbacks that belong to nobody (a link's flush, a reply of the name table) are not seen by such a
look. They run in the loop's next turn and make a process runnable or another callback pending, in
chains shorter than `TURNS`; so the look has to be clean in that many turns on end.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import termios
from collections.abc import Iterator
from threading import get_ident
from typing import Final

from otpnode.process.current import HOSTS
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from otpnode.scheduler.names import ReplicaNames
from otpnode.scheduler.neighbours import Neighbours
from otpnode.transport.link import Link
from otpnode.transport.loopback import LoopbackLink
from otpnode.transport.mesh import Peer
from otpnode.transport.socket_link import SocketLink

TURNS: Final = 8


def shards_here() -> list[Shard]:
    """Return the shards whose loop runs in the calling thread; two or more on a loopback node."""
    return list(HOSTS.get(get_ident(), ()))


def neighbours_of(shard: Shard) -> Neighbours | None:
    """Return the other shards of the node; None where it has only one."""
    outbound = shard.router.outbound
    return outbound if isinstance(outbound, Neighbours) else None


async def stillness(end: float) -> list[str]:
    """Return when nothing goes on here but the caller: an empty list; at `end`, what still does.

    Args:
        end: in seconds of the loop's clock, which runs on where a node's stands still.
    """
    loop = asyncio.get_running_loop()
    clean = 0
    while clean < TURNS:
        await asyncio.sleep(0)
        busy = list(_busy())
        clean = 0 if busy else clean + 1
        if busy and loop.time() >= end:
            return busy
    return []


def frames_moved() -> int:
    """Return how many frames the links of the shards here have moved, both ways."""
    counts = [link.statistics() for shard in shards_here() for _, link in _links(shard)]
    return sum(each.frames_in + each.frames_out for each in counts)


def _busy() -> Iterator[str]:
    """Name everything that will move by itself, less the caller."""
    me: object = asyncio.current_task()
    for shard in shards_here():
        ready = set(shard.ready)
        for proc in [*shard.table.live.values(), *shard.table.exiting.values()]:
            if proc is not me and (proc in ready or _is_due(proc)):
                yield f"{described(proc)} can run"
        yield from _under_way(shard)
    for task in asyncio.all_tasks():
        if task is not me and _task_is_due(task):
            yield f"task {task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')}) can run"


def _is_due(proc: Proc) -> bool:
    """Tell whether a process that is not on the run queue will come back to it by itself."""
    waiter = proc._fut_waiter
    return not proc.mailbox.parked if waiter is None else waiter.done()


def _task_is_due(task: asyncio.Task[object]) -> bool:
    # `_fut_waiter` is asyncio's own word for it, the same in its C and its Python tasks.
    waiter = getattr(task, "_fut_waiter", None)
    return waiter is None or bool(waiter.done())


def described(proc: Proc) -> str:
    """Name a process as its reader knows it: by pid, label and where it stands."""
    return f"{proc.pid} ({proc.label})" if proc.label else str(proc.pid)


def _under_way(shard: Shard) -> Iterator[str]:
    """Name what has left a shard and has not been answered, or has come and has not been read."""
    here = f"shard {shard.number}"
    if shard.questions:
        yield f"{here} waits for answers about {', '.join(sorted(pid for pid, _ in shard.questions.values()))}"
    if shard.births:
        yield f"{here}: {len(shard.births)} processes wait for their names"
    if isinstance(shard.names, ReplicaNames) and shard.names._waiting:
        yield f"{here}: {len(shard.names._waiting)} requests to the name table"
    neighbours = neighbours_of(shard)
    if neighbours is not None and neighbours.births._pending:
        yield f"{here}: {len(neighbours.births._pending)} spawns on other shards"
    for peer, link in _links(shard):
        if link.buffered:
            yield f"{here}: {link.buffered} bytes for shard {peer.shard} are not written"
        if link._arrived or _unread(link):
            yield f"{here}: frames from shard {peer.shard} are not read"


def _links(shard: Shard) -> Iterator[tuple[Peer, Link]]:
    neighbours = neighbours_of(shard)
    for peer in neighbours.mesh.peers() if neighbours is not None else ():
        if peer.link is not None and not peer.link.closed:
            yield peer, peer.link


def _unread(link: Link) -> int:
    """Return how many bytes the pipe holds for this end."""
    if isinstance(link, LoopbackLink):
        return len(link._source.held)
    if not isinstance(link, SocketLink):
        raise TypeError(f"{type(link).__name__} is a link of a kind that cannot be looked into")
    count = array.array("i", [0])
    fcntl.ioctl(link._source, termios.FIONREAD, count)
    return count[0]
