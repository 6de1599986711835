"""Who is calling: the one file of ambient state.

Identity has two sources, and neither alone is enough. While a shard drains its
run queue, the fast path reads `RUNNING[thread]` → shard → the process on its
step: one dict lookup that also proves the thread. Everywhere else (child tasks,
callbacks, ``to_thread``) the context variable tells, because asyncio copies it
into whatever a process starts. A dict keyed by thread rather than a
``threading.local``: the lookup is half the price, and a foreign thread finds
nothing instead of a stranger's value.
"""

from __future__ import annotations

from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING

from otpnode.errors import NotInProcessError, ProcessExit

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard

CURRENT: ContextVar[Proc | None] = ContextVar("otpnode_process", default=None)
"""The process a piece of code belongs to, child tasks and threads included."""

RUNNING: dict[int, Shard] = {}
"""Thread → the shard that is inside a slice there right now."""

HOSTS: dict[int, list[Shard]] = {}
"""Thread → the shards whose loop lives there, the first made first."""


def here() -> Shard:
    """Return the caller's shard, whether or not the caller is a process.

    Raises:
        RuntimeError: no node runs here, or the caller is on a foreign thread (CT-04, CT-06).
        ProcessExit: the caller belongs to a process that is dead (AC-08).
    """
    thread = get_ident()
    proc = CURRENT.get()
    if proc is not None:
        if proc.shard.thread != thread:
            raise RuntimeError(
                "otpnode was called from a thread other than its loop's; use process.call_threadsafe(verb, *args)"
            )
        if proc.cut_off:
            raise ProcessExit(proc.reason)
        return proc.shard
    shard = RUNNING.get(thread)
    if shard is not None:
        return shard
    hosts = HOSTS.get(thread)
    if hosts:
        return hosts[0]
    if HOSTS:
        raise RuntimeError(
            "otpnode was called from a thread other than its loop's; use process.call_threadsafe(verb, *args)"
        )
    raise RuntimeError("no runtime: start one with otpnode.run(main) or `async with otpnode.node():`")


def me(verb: str) -> Proc:
    """Return the calling process.

    Raises:
        NotInProcessError: the caller is not inside a process (CT-05).
    """
    here()
    proc = CURRENT.get()
    if proc is None:
        raise NotInProcessError(
            f"process.{verb}() must be called from inside a process; start one with process.spawn(func)"
        )
    return proc
