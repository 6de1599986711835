"""`otpnode.pg`: process groups of the whole node, as OTP's ``pg``.

::

    await pg.join("workers")
    for pid in pg.members("workers"):
        await GenServer.cast(pid, job)

    ref, members = await pg.monitor("workers")     # then (ref, 'join' | 'leave', 'workers', [pid, …])

A group is there while it has members, and any hashable value that can travel names one.
`otpnode.behaviours.naming.scope` says how the shards agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import cast

from otpnode import process
from otpnode.behaviours.common import wire
from otpnode.behaviours.common.locality import shard_here
from otpnode.behaviours.naming.groups import Groups
from otpnode.behaviours.naming.scope import VIEWS, scope_on
from otpnode.errors import CallExit, NotInProcessError, ProcessNotFoundError
from otpnode.pid import Pid, is_pid
from otpnode.ref import Ref


async def join(group: Hashable, pid: Pid | None = None) -> None:
    """Add a process to `group`, once more if it is in it already.

    Args:
        group: any hashable value that can travel.
        pid: whom, of any shard; the caller if None. A dead one is no error, and joins nothing.

    Raises:
        NotInProcessError: no `pid`, and the caller is no process.
        UnserializableError: `group` cannot travel to another shard; nothing was done.
        TypeError: not a pid, or `group` is not hashable.

    Guarantees:
        The shard of the process has it when this returns, the others soon after. It is
        out of all groups soon after its death, or its shard's, before or after the DOWN
        (SEMANTICS PG-01).
    """
    await _change("join", group, pid)


async def leave(group: Hashable, pid: Pid | None = None) -> bool:
    """Take a process out of `group`, once; arguments, errors and guarantees as `join`.

    Returns:
        True if it was a member.
    """
    return await _change("leave", group, pid) is True


def members(group: Hashable) -> list[Pid]:
    """Return the members of `group` on all shards, one as often as it joined.

    Guarantees:
        Plain: reads what the caller's shard has been told.
    """
    view = _view()
    return [] if view is None else view[1].members(group)


def local_members(group: Hashable) -> list[Pid]:
    """Return the members of `group` on the caller's shard, one as often as it joined."""
    view = _view()
    return [] if view is None else view[1].members_of(view[0], group)


def groups() -> list[Hashable]:
    """Return the groups that have members on any shard."""
    view = _view()
    return [] if view is None else view[1].names()


async def monitor(group: Hashable) -> tuple[Ref, list[Pid]]:
    """Be told who joins and leaves `group`.

    Returns:
        ``(ref, members)``, and from then on ``(ref, 'join' | 'leave', group, [pid, …])``, one for
        each change, in which a pid is as often as it joined or left.

    Raises:
        NotInProcessError: called outside a process.

    Guarantees:
        `members` with the changes that follow is what the caller's shard knows: nothing
        is missing in between and nothing told twice. Bound by no mailbox limit. Ends
        with the caller, or with `demonitor`.
    """
    ref = process.alias()
    try:
        answer = await _ask(process.shard_of(ref), ("monitor", group, ref))
    except BaseException:
        process.unalias(ref)
        raise
    return ref, cast("list[Pid]", answer)


def demonitor(ref: Ref) -> bool:
    """End what `monitor` began.

    Returns:
        True if `ref` was active.

    Guarantees:
        Plain. Nothing more comes; what has come stays in the mailbox.
    """
    active = process.unalias(ref)
    view = _view()
    if active and view is not None and process.is_alive(view[0]):
        process.send_nowait(view[0], ("demonitor", ref))
    return active


def _view() -> tuple[Pid, Groups] | None:
    """Return what the caller's shard knows; None before anybody has used groups, or just after it has come up."""
    return VIEWS.get(shard_here())


async def _change(verb: str, group: Hashable, pid: Pid | None) -> object:
    whom = process.self() if pid is None else pid
    if whom is None:
        raise NotInProcessError(
            f"pg.{verb} without a pid is about the caller, and must be called from inside a process"
        )
    if not is_pid(whom):
        raise TypeError(f"pg.{verb} takes a pid, not {whom!r}")
    hash(group)
    while process.is_alive(whom):
        try:
            return await _ask(process.shard_of(whom), (verb, group, whom))
        except ProcessNotFoundError:
            # With its shard; or only the scope server, and then the next try starts another.
            await asyncio.sleep(0)
    return None


async def _ask(shard: int, request: tuple[object, ...]) -> object:
    """Ask the scope server of a shard, started if need be; ProcessNotFoundError when it or the shard is dead."""
    scope = await scope_on(shard)
    if scope is None:
        raise ProcessNotFoundError(f"shard {shard} is down")
    try:
        word, value = cast("tuple[str, object]", await wire.call(scope, request, None))
    except CallExit as error:
        raise ProcessNotFoundError(f"the scope server {scope} of shard {shard} has ended: {error.reason!r}") from error
    if word == "failed":
        raise cast(BaseException, value)
    return value


__all__ = ["demonitor", "groups", "join", "leave", "local_members", "members", "monitor"]
