"""Who is calling: the one file of ambient state.

The context variable tells, because asyncio copies it into whatever a process
starts: child tasks, callbacks, ``to_thread``. The fast path adds one question,
``shard.running is proc``: is this very process on its step? Then the caller is the
process itself, on its loop's thread, and nothing needs checking. (A thread that
calls in the very moment in which its process is on its step passes for it, and is
met at the next look at the budget. Reading the thread's id at every message would
close that window for a twelfth of the throughput.)
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

caller = CURRENT.get
"""Returns that process. What calls ``CURRENT.get()`` where `CURRENT` is imported gets an attribute first, which
CPython compiles as for a module's (a bound method, made and thrown away), and then calls it: twice as slow."""

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
            raise foreign_thread()
        if proc.cut_off:
            raise ProcessExit(proc.reason)
        return proc.shard
    hosts = HOSTS.get(thread)
    if hosts:
        return hosts[0]
    if HOSTS:
        raise foreign_thread()
    raise RuntimeError("no runtime: start one with otpnode.run(main) or `async with otpnode.node():`")


def foreign_thread() -> RuntimeError:
    """Make the error of a call from a thread that is not the loop's (CT-04)."""
    return RuntimeError(
        "otpnode was called from a thread other than its loop's (use process.call_threadsafe(verb, *args)), "
        "or in an OS process forked from a shard, which is no part of the node"
    )


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
