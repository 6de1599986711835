"""How a process comes to be, here or at another shard's request.

The record, its link, its monitor and its name are all installed before the first
step can run (SP-02 … SP-06), whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from inspect import CO_COROUTINE
from types import FunctionType
from typing import TYPE_CHECKING

from otpnode.errors import ShardDownError
from otpnode.pid import Pid, address
from otpnode.process.carry import carried_values, install
from otpnode.process.mailbox import UNBOUNDED, Mailbox
from otpnode.process.proc import EXITING, Proc
from otpnode.process.reception import links_of
from otpnode.process.registry import check_name
from otpnode.process.relations import MonitorRecord
from otpnode.signals import Demonitor, Down, Exit

if TYPE_CHECKING:
    from otpnode.process.shard import Shard

ANCESTORS = 8
"""How many ancestors a process remembers, for crash reports."""

ABANDONED = "abandoned"
"""The reason of a child whose spawner gave up waiting for its pid."""


class Default:
    """Stands for 'the node's own' where None means something else."""

    def __repr__(self) -> str:
        return "<the node's>"


DEFAULT = Default()


@dataclass(slots=True)
class Birth:
    """Everything about a process that is to be made."""

    func: Callable[..., object]
    args: tuple[object, ...]
    kwargs: dict[str, object]
    sender: str
    name: str | None = None
    mailbox: bool = True
    mailbox_limit: int | None = None
    trap_exits: bool = False
    label: str | None = None
    link: bool = False
    ref: str | None = None
    spread: bool = False
    ancestors: list[str] = field(default_factory=list)
    carried: dict[str, object] = field(default_factory=dict)
    call: bytes | None = None
    """Function, arguments and carried values as they travel, once placement has had to encode them."""


def make_birth(
    shard: Shard,
    me: Proc | None,
    func: object,
    args: object,
    kwargs: object,
    name: str | None,
    *,
    mailbox: bool,
    mailbox_limit: int | Default | None,
    trap_exits: bool,
    label: str | None,
) -> Birth:
    """Check what a spawn was given and take it down (SP-01, SP-05, SP-10).

    Raises:
        TypeError: `func` is not callable, or args/kwargs are no list and dict.
        ValueError: a bad name or limit, or ``trap_exits`` without a mailbox.
    """
    if not callable(func):
        raise TypeError(f"spawn takes a coroutine function, not {type(func).__name__}")
    limit = shard.default_limit if isinstance(mailbox_limit, Default) else mailbox_limit
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ValueError(f"mailbox_limit must be a whole number of at least 1, or None, not {limit!r}")
    if trap_exits and not mailbox:
        raise ValueError("trap_exits=True needs a mailbox: exit signals would have nowhere to go")
    if name is not None:
        check_name(name)
    if not isinstance(args, (list, tuple, type(None))):
        raise TypeError(f"args must be a list of arguments, not {type(args).__name__}")
    if not isinstance(kwargs, (dict, type(None))):
        raise TypeError(f"kwargs must be a dict, not {type(kwargs).__name__}")
    return Birth(
        func=func,
        args=tuple(args or ()),
        kwargs=dict(kwargs or {}),
        sender=shard.system_pid if me is None else me.pid,
        name=name,
        mailbox=mailbox,
        mailbox_limit=limit,
        trap_exits=trap_exits,
        label=label,
        ancestors=[] if me is None else [*line_of(me)],
        carried=carried_values(),
    )


def line_of(me: Proc) -> tuple[str, ...]:
    """Return the ancestors of the children of `me`, the youngest first; all share one tuple."""
    if me.line is None:
        me.line = (me.pid, *me.ancestors)[:ANCESTORS]
    return me.line


def make_at_once(
    me: Proc,
    func: Callable[..., object],
    args: list[object] | tuple[object, ...] | None,
    kwargs: dict[str, object] | None,
) -> Proc:
    """Make an unnamed child of `me` on its shard, with the default limit: the usual spawn, without a `Birth`.

    The coroutine of an ``async def`` function is made here, which runs no code of the
    program; anything else is called at the first step, in the child's own context.
    """
    shard = me.shard
    serial = shard.serials.claim()
    shard.spawned += 1
    pid = Pid(f"{shard.pid_prefix}{serial}")
    coro = None
    if type(func) is FunctionType and func.__code__.co_flags & CO_COROUTINE:
        try:
            coro = func(*args or (), **kwargs) if kwargs else func(*args) if args else func()
        except TypeError:
            pass
    proc = Proc(shard, pid, serial, coro)
    if coro is None:
        proc.call = (func, tuple(args or ()), dict(kwargs or {}))
    proc.ancestors = me.line or line_of(me)
    shard.table.live[pid] = proc
    return proc


def make(shard: Shard, birth: Birth) -> Proc:
    """Make the process, not yet able to run; link and monitor are installed."""
    pid, serial = shard.new_pid()
    proc = Proc(shard, pid, serial, deaf=not birth.mailbox)
    if birth.mailbox_limit != shard.default_limit:
        proc.box = Mailbox(proc, UNBOUNDED if birth.mailbox_limit is None else birth.mailbox_limit)
        shard.serials.set_window(serial, birth.mailbox_limit)
    proc.call = (birth.func, birth.args, birth.kwargs)
    proc.trap_exits = birth.trap_exits
    proc.label = birth.label
    proc.ancestors = tuple(birth.ancestors)
    if birth.carried:
        install(proc.context, birth.carried)
    if birth.spread:
        proc.spread = True
        shard.count_spread(1)
    if birth.link:
        links_of(proc).linked(birth.sender)
    if birth.ref is not None:
        proc.monitored_by = {birth.ref: birth.sender}
    shard.table.add(proc)
    return proc


async def give_birth(shard: Shard, birth: Birth) -> Proc:
    """Make a process on this shard and let it run; its name is its own before its first step (R23).

    Raises:
        NameAlreadyRegisteredError: the name is taken; no process exists.
        SystemLimitError: the table is full; no process exists.
        asyncio.CancelledError: the shard is going; no process is left.
    """
    proc = make(shard, birth) if birth.name is None else await _named(shard, birth, birth.name)
    _let_run(shard, proc)
    return proc


async def _named(shard: Shard, birth: Birth, name: str) -> Proc:
    await shard.names.reserve(name)
    try:
        proc = make(shard, birth)
    except BaseException:
        shard.names.forget(name)
        raise
    try:
        await shard.names.commit(name, proc.pid)
    except BaseException:
        shard.deaths.strike(proc, ABANDONED)
        raise
    return proc


def _let_run(shard: Shard, proc: Proc) -> None:
    if proc.state < EXITING:
        shard.queue.put(proc)


async def give_named_birth(shard: Shard, me: Proc | None, birth: Birth, name: str) -> Proc:
    """Like `give_birth`, in nobody's task: who gives up while the name is asked for does so as across shards.

    The child does not run before its spawner has its pid, or has given up: one that unlinked
    itself before the spawner's side of the link was written would be half linked for ever.

    Raises:
        NameAlreadyRegisteredError, SystemLimitError: as `give_birth`.

    Guarantees:
        The child of a spawner that is gone or has given up lives, unless it is linked:
        then it gets the exit signal that is owed (SP-09, §21.4).
    """
    task = shard.loop.create_task(_named(shard, birth, name), context=Context())
    shard.births.add(task)
    task.add_done_callback(shard.births.discard)
    try:
        await asyncio.wait({task})
    except BaseException:
        task.add_done_callback(partial(_disown, shard, me, birth))
        raise
    proc = task.result()
    _let_run(shard, proc)
    return proc


def _disown(shard: Shard, me: Proc | None, birth: Birth, task: asyncio.Task[Proc]) -> None:
    if task.cancelled() or task.exception() is not None:
        return
    child = task.result()
    if birth.link:
        reason = me.reason if me is not None and me.state >= EXITING else ABANDONED
        shard.router.post(Exit(birth.sender, child.pid, reason))
    if birth.ref is not None:
        shard.router.post(Demonitor(birth.sender, child.pid, birth.ref))
    _let_run(shard, child)


def bind_parent(me: Proc, pid: Pid, birth: Birth) -> None:
    """Write the spawner's side of link and monitor."""
    if birth.link:
        links_of(me).linked(pid)
    if birth.ref is not None:
        if me.monitors is None:
            me.monitors = {}
        me.monitors[birth.ref] = MonitorRecord(pid, pid, "DOWN", None)


def tell_late(shard: Shard, proc: Proc, birth: Birth) -> None:
    """Tell the spawner of a death that came before the pid did: the first telling met no link and no monitor (R23)."""
    if shard.table.find(proc.pid) is not None:
        return
    if birth.link:
        shard.router.post(Exit(proc.pid, birth.sender, proc.reason))
    if birth.ref is not None:
        shard.router.post(Down(proc.pid, birth.sender, birth.ref, proc.reason))


def check_on(shard: Shard, on: object) -> int | str:
    """Return where a spawn is wanted: a shard number, ``'spread'`` or ``'local'``.

    Raises:
        ValueError: any other value, or a shard beyond the last.
        ProcessNotFoundError: `on` is a dead pid.
    """
    if isinstance(on, bool) or not isinstance(on, (int, str)):
        raise ValueError(f"on= takes 'spread', 'local', a shard number or a live pid, not {on!r}")
    if isinstance(on, int):
        total = shard.schedulers()
        if on < 0 or (on >= total and total > 1):
            raise ValueError(f"on={on} names no shard: this node runs shards 0 to {total - 1}")
        return on if total > 1 else shard.number
    if on in ("spread", "local"):
        return on
    owner = address(on)
    if owner is None:
        raise ValueError(f"on= takes 'spread', 'local', a shard number or a live pid, not {on!r}")
    if not shard.is_alive(on):
        raise shard.not_alive(on)
    return owner.shard


def shard_down(shard: int) -> ShardDownError:
    """Make the error of a spawn on a shard that cannot answer."""
    return ShardDownError(f"shard {shard} is down; spawn with on='spread', or wait for ('shard_up', {shard}, …)")
