"""The verbs that begin and end processes, and tie their lives together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from otpnode.errors import ProcessExit, ProcessNotFoundError
from otpnode.pid import PID_PREFIX, Pid
from otpnode.process import exits
from otpnode.process.carry import CARRIED
from otpnode.process.current import caller
from otpnode.process.entry import entered, entered_process, spent, surface
from otpnode.process.exits import Die, is_text
from otpnode.process.reception import links_of
from otpnode.process.spawning import (
    DEFAULT,
    Birth,
    Default,
    bind_parent,
    check_on,
    give_birth,
    give_named_birth,
    make_at_once,
    make_birth,
    shard_down,
    tell_late,
)
from otpnode.reasons import KILL
from otpnode.ref import Ref
from otpnode.signals import Exit2, Link, UnlinkId

if TYPE_CHECKING:
    from collections.abc import Callable

    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard


async def spawn(
    func: Callable[..., object],
    args: list[object] | tuple[object, ...] | None = None,
    kwargs: dict[str, object] | None = None,
    name: str | None = None,
    *,
    mailbox: bool = True,
    mailbox_limit: int | Default | None = DEFAULT,
    trap_exits: bool = False,
    on: str | int = "spread",
    label: str | None = None,
) -> Pid:
    """Start a process that runs ``func(*args, **kwargs)``.

    Args:
        func: a coroutine function. A wrong signature or a plain function ends the
            *child*, with that exception (SP-01).
        args: positional arguments; the list is copied, its elements are not (SP-05).
        kwargs: keyword arguments.
        name: registered before the first line of `func` runs (SP-06).
        mailbox: False for a process that never receives.
        mailbox_limit: bound on queued user messages; None for no bound.
        trap_exits: turn exit signals into ``('EXIT', from_pid, reason)`` messages.
        on: ``'spread'`` (a least loaded shard; what cannot travel stays beside its
            caller), ``'local'``, a shard number, or a live pid to live beside.
        label: shown in logs and `process_info`.

    Returns:
        The pid, fresh and never reused.

    Raises:
        NameAlreadyRegisteredError: `name` is taken; no process exists.
        UnserializableError: an explicit `on` names another shard and the function or
            an argument cannot travel.
        MessageTooLargeError: to another shard, they are larger than ``--max-message``.
        ShardDownError: that shard is down, or died before it answered; the child may have run.
        SystemLimitError: the process table is full.
        ValueError, TypeError, ProcessNotFoundError: bad arguments, a dead pid in `on`.

    Guarantees:
        The child does not run inside this call (SP-02). It inherits nothing but
        variables declared with `otpnode.carry` (SP-07). A spawn that is cancelled while
        it waits may leave its child: an unlinked one lives, a linked one ends with
        ``'abandoned'`` (SP-09).
    """
    me = caller()
    if me is not None and name is None and mailbox_limit is DEFAULT:
        shard = me.shard
        if (
            shard.running is me
            and not me.irregular
            and (on == "local" or (on == "spread" and shard.placer is None))
            and not CARRIED
            and shard.copier is None
            and callable(func)
            and (args is None or isinstance(args, (list, tuple)))
            and (kwargs is None or isinstance(kwargs, dict))
            and (mailbox or not trap_exits)
        ):
            me.ops = ops = me.ops + 1
            if not ops & 7 and spent(me):
                await asyncio.sleep(0)
            proc = make_at_once(me, func, args, kwargs)
            if label is not None or trap_exits or not mailbox:
                proc.label = label
                proc.trap_exits = trap_exits
                proc.deaf = not mailbox
            shard.ready.append(proc)  # The slice that the caller runs in looks here.
            return proc.pid
    return await _spawn(
        "spawn", func, args, kwargs, name, on=on, mailbox=mailbox, mailbox_limit=mailbox_limit,
        trap_exits=trap_exits, label=label,
    )  # fmt: skip


async def spawn_link(
    func: Callable[..., object],
    args: list[object] | tuple[object, ...] | None = None,
    kwargs: dict[str, object] | None = None,
    name: str | None = None,
    *,
    mailbox: bool = True,
    mailbox_limit: int | Default | None = DEFAULT,
    trap_exits: bool = False,
    on: str | int = "spread",
    label: str | None = None,
) -> Pid:
    """Start a process and link to it, atomically; arguments as `spawn`.

    Guarantees:
        A child that dies at once still delivers its true reason, exactly once
        (SEMANTICS SP-03).
    """
    return await _spawn(
        "spawn_link", func, args, kwargs, name, on=on, mailbox=mailbox, mailbox_limit=mailbox_limit,
        trap_exits=trap_exits, label=label, link=True,
    )  # fmt: skip


async def spawn_monitor(
    func: Callable[..., object],
    args: list[object] | tuple[object, ...] | None = None,
    kwargs: dict[str, object] | None = None,
    name: str | None = None,
    *,
    mailbox: bool = True,
    mailbox_limit: int | Default | None = DEFAULT,
    trap_exits: bool = False,
    on: str | int = "spread",
    label: str | None = None,
    link: bool = False,
) -> tuple[Pid, Ref]:
    """Start a process and monitor it, atomically; arguments as `spawn`.

    Args:
        link: link as well, in the same instant (Erlang's ``spawn_opt([link, monitor])``).

    Returns:
        ``(pid, ref)``; later exactly one ``('DOWN', ref, 'process', pid, reason)``.

    Guarantees:
        The true reason, and never before `(pid, ref)` is returned (SEMANTICS SP-04).
    """
    me = await entered_process("spawn_monitor")
    if me.deaf:
        raise RuntimeError(f"{me.pid} has no mailbox: nobody could receive the DOWN of its monitor")
    ref = me.shard.refs.make()
    pid = await _spawn(
        "spawn_monitor", func, args, kwargs, name, on=on, mailbox=mailbox, mailbox_limit=mailbox_limit,
        trap_exits=trap_exits, label=label, link=link, ref=ref,
    )  # fmt: skip
    return pid, ref


async def _spawn(
    verb: str,
    func: object,
    args: object,
    kwargs: object,
    name: str | None,
    *,
    on: str | int,
    mailbox: bool,
    mailbox_limit: int | Default | None,
    trap_exits: bool,
    label: str | None,
    link: bool = False,
    ref: Ref | None = None,
) -> Pid:
    shard, me = await entered(verb)
    if link or ref is not None:
        me = await entered_process(verb)
    birth = make_birth(
        shard, me, func, args, kwargs, name,
        mailbox=mailbox, mailbox_limit=mailbox_limit, trap_exits=trap_exits, label=label,
    )  # fmt: skip
    birth.link = link
    birth.ref = ref
    if not shard.accepting and me is None:
        raise RuntimeError("the node is stopping and takes no spawns from outside")
    where = shard.place(check_on(shard, on), birth)
    if where == shard.number or shard.router.outbound is None:
        shard.strict(birth)
        if me is not None and ref is None and name is None:
            return _spawn_here(shard, me, birth)
        # One loop's names are given at once: nobody can give up in between.
        if name is not None and shard.router.outbound is not None:
            proc = await give_named_birth(shard, me, birth, name)
        else:
            proc = await give_birth(shard, birth)
        if me is not None:
            bind_parent(me, proc.pid, birth)
            tell_late(shard, proc, birth)
        return proc.pid
    if where not in [up for up, _ in shard.router.outbound.shards_up()]:
        raise shard_down(where)
    return await shard.router.outbound.spawn(where, birth, me)


def _spawn_here(shard: Shard, me: Proc, birth: Birth) -> Pid:
    """Make an unnamed process here: nothing has to be waited for."""
    proc = shard.make(birth)
    bind_parent(me, proc.pid, birth)
    shard.queue.put(proc)
    return proc.pid


async def exit(pid: Pid | str, reason: object) -> None:
    """Send an exit signal, as Erlang's ``exit/2``.

    Args:
        pid: whom; a registered name is resolved.
        reason: ``'kill'`` cannot be trapped and arrives as ``'killed'``; ``'normal'`` from
            another is ignored by those who do not trap exits (SEMANTICS EX-01).

    Raises:
        ProcessNotFoundError: an unknown name. A dead pid is no error (EX-04).
        UnserializableError: the reason cannot travel to that shard.
        TypeError: not a pid or name.

    Guarantees:
        Ordered with the caller's other signals to `pid`. Does not return when it
        ends the caller (EX-06).
    """
    shard, me = await entered("exit")
    target = target_pid(shard, pid)
    if me is not None and target == me.pid:
        await _exit_self(me, reason)
        return
    shard.router.post(Exit2(shard.system_pid if me is None else me.pid, target, reason))
    await surface(me)


async def _exit_self(me: Proc, reason: object) -> None:
    verdict = exits.by_exit(me.pid, me.pid, reason, trapping=me.trap_exits)
    if not isinstance(verdict, Die):
        me.shard.router.post(Exit2(me.pid, me.pid, reason))
    elif asyncio.current_task() is cast("asyncio.Task[object]", me):
        me.shard.deaths.strike(me, verdict.reason, kill=is_text(reason, KILL), cancel=False)
        raise ProcessExit(verdict.reason)
    else:
        me.shard.deaths.strike(me, verdict.reason, kill=is_text(reason, KILL))
        await surface(me)


def target_pid(shard: Shard, target: object) -> str:
    """Return the pid meant by a pid or a registered name.

    Raises:
        ProcessNotFoundError: an unknown name.
        TypeError: neither a pid nor a name.
    """
    if not isinstance(target, str) or target.startswith("ref_"):
        raise TypeError(f"expected a pid or a registered name, not {target!r}")
    if target.startswith(PID_PREFIX):
        return target
    found = shard.names.whereis(target)
    if found is None:
        raise ProcessNotFoundError(f"no process is registered as {target!r}")
    return found


async def link(pid: Pid | str) -> None:
    """Link the caller and `pid`: when one dies abnormally, the other gets an exit signal.

    Args:
        pid: a pid, or a registered name resolved now.

    Raises:
        ProcessNotFoundError: an unknown name. A dead pid is not an error but an exit
            signal ``'noproc'`` from it (LK-04).
        NotInProcessError: called outside a process.

    Guarantees:
        Idempotent, bidirectional (LK-01, LK-02). Does not return to a caller that the
        ``'noproc'`` of a dead pid on its own shard ends.
    """
    me = await entered_process("link")
    target = target_pid(me.shard, pid)
    if target == me.pid:
        return
    if links_of(me).link(target):
        me.shard.router.post(Link(me.pid, target))
    await surface(me)


async def unlink(pid: Pid | str) -> None:
    """Remove the link to `pid`, if there is one.

    Guarantees:
        A barrier: after it returns that link has no effect; an ``('EXIT', pid, reason)``
        already in the mailbox stays (SEMANTICS LK-05).
    """
    me = await entered_process("unlink")
    target = target_pid(me.shard, pid)
    if me.links is None:
        return
    if me.shard.router.elsewhere(target) is not None:
        unlink_id = me.links.unlink(target)
        if unlink_id:
            me.shard.router.post(UnlinkId(me.pid, target, unlink_id))
        return
    me.links.drop(target)
    other = me.shard.table.find(target)
    if other is not None and other.links is not None:
        other.links.drop(me.pid)
