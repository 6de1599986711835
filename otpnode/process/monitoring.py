"""The verbs of monitors and aliases: being told, and being answered."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from otpnode.pid import PID_PREFIX, Pid
from otpnode.process.current import CURRENT, here
from otpnode.process.current import me as current_process
from otpnode.process.entry import entered_process
from otpnode.process.mailbox import Exempt
from otpnode.process.reception import drop_alias
from otpnode.process.relations import AliasMode, MonitorRecord
from otpnode.reasons import NOPROC
from otpnode.ref import Ref, is_ref
from otpnode.signals import Demonitor, Monitor

if TYPE_CHECKING:
    from otpnode.process.proc import Proc

ALIAS_MODES = ("explicit_unalias", "demonitor", "reply_demonitor")

ENDS_WITH_THE_MONITOR = ("demonitor", "reply_demonitor")
"""Modes that are kept in the monitor's record; the others in `Proc.aliases`."""


async def monitor(target: Pid | str, *, alias: str | None = None, tag: object = "DOWN") -> Ref:
    """Watch a process: one message when it dies.

    Args:
        target: a pid, or a registered name; a name binds the process that has it now (MO-05).
        alias: make the ref an address for replies as well: ``'explicit_unalias'`` (until
            `unalias`), ``'demonitor'`` (until demonitor or DOWN), ``'reply_demonitor'`` (the
            first reply also ends the monitor). With the last, made in a child task, what
            comes for the ref waits for that task's ``receive(ref=...)`` (RC-10).
        tag: stands in place of ``'DOWN'`` in the message.

    Returns:
        A fresh ref.

    Raises:
        NotInProcessError, TypeError, ValueError, RuntimeError: outside a process, a bad
            target or mode, a caller without mailbox. Never for a dead target.

    Guarantees:
        Exactly one ``('DOWN', ref, 'process', pid_or_(name, node), reason)``, unless
        `demonitor` comes first; reason ``'noproc'`` when the target is dead already
        (SEMANTICS MO-01 … MO-06).
    """
    me = await entered_process("monitor")
    if me.deaf:
        raise RuntimeError(f"{me.pid} has no mailbox: nobody could receive the DOWN of its monitor")
    if not isinstance(target, str) or is_ref(target):
        raise TypeError(f"monitor takes a pid or a registered name, not {target!r}")
    if alias is not None and alias not in ALIAS_MODES:
        raise ValueError(f"alias must be one of {', '.join(ALIAS_MODES)}, not {alias!r}")
    shard = me.shard
    ref = shard.refs.make()
    shown: object = target
    pid: str | None = target
    if not target.startswith(PID_PREFIX):
        shown = (target, shard.config.name)
        pid = shard.names.whereis(target)
    if pid == me.pid:
        return ref
    if me.monitors is None:
        me.monitors = {}
    if alias is not None:
        _activate(me, ref, cast(AliasMode, alias))
    if pid is None:
        if alias in ENDS_WITH_THE_MONITOR:
            drop_alias(me, ref)
        me.mailbox.put_exempt((tag, ref, "process", shown, NOPROC))
        return ref
    me.monitors[ref] = MonitorRecord(pid, shown, tag, cast("AliasMode | None", alias))
    shard.router.post(Monitor(me.pid, pid, ref))
    return ref


async def demonitor(ref: Ref | str, flush: bool = False, info: bool = False) -> bool | None:
    """End a monitor.

    Args:
        ref: what `monitor` returned.
        flush: also remove this ref's message, if it has come already.
        info: say whether the monitor was still active.

    Returns:
        None; with `info`, True if it was active, False if it had fired or is unknown.

    Raises:
        TypeError: not a ref.

    Guarantees:
        With `flush` a barrier: no DOWN of this ref is in the mailbox or will come
        (SEMANTICS MO-07).
    """
    me = await entered_process("demonitor", in_cleanup=True)
    if not is_ref(ref):
        raise TypeError(f"demonitor takes a ref, not {ref!r}")
    record = me.monitors.pop(ref, None) if me.monitors else None
    if record is not None:
        me.shard.router.post(Demonitor(me.pid, record.target, ref))
        if record.alias in ENDS_WITH_THE_MONITOR:
            drop_alias(me, ref)
    if flush:
        me.mailbox.remove_refs(lambda message: not _is_down(message, ref))
    _end_claim(me, ref, flush)
    return record is not None if info else None


def alias(*, reply: bool = False) -> Ref:
    """Make an address for replies to the caller.

    Args:
        reply: the first message through it ends it.

    Returns:
        A ref that `send` takes; messages through it are never bounded (MB-09).

    Guarantees:
        Messages to an inactive alias are dropped silently (SEMANTICS AL-01).
    """
    me = current_process("alias")
    ref = me.shard.refs.make()
    _activate(me, ref, "reply" if reply else "explicit_unalias")
    return ref


def unalias(ref: Ref | str) -> bool:
    """End an alias of the caller's; True when it was active (AL-04)."""
    me = current_process("unalias")
    if not is_ref(ref):
        raise TypeError(f"unalias takes a ref, not {ref!r}")
    ended = drop_alias(me, ref)
    _end_claim(me, ref, flush=False)
    return ended


def make_ref() -> Ref:
    """Return a ref nobody has seen before."""
    shard = here()
    ref = shard.refs.make()
    me = CURRENT.get()
    if me is not None:
        me.mailbox.set_mark(ref)
    return ref


def _activate(me: Proc, ref: Ref, mode: AliasMode) -> None:
    me.shard.aliases[ref] = me
    if mode not in ENDS_WITH_THE_MONITOR:
        me.aliases = me.aliases or {}
        me.aliases[ref] = mode
    if asyncio.current_task() is cast("asyncio.Task[object]", me):
        me.mailbox.set_mark(ref)
    elif mode == "reply_demonitor":
        me.mailbox.claims = me.mailbox.claims or {}
        me.mailbox.claims[ref] = deque()
        me.mailbox.regate()


def _end_claim(me: Proc, ref: str, flush: bool) -> None:
    box = me.mailbox
    if box.claims is None or ref not in box.claims:
        return
    left = box.claims.pop(ref)
    box.claims = box.claims or None
    box.regate()
    for message in left:
        if not flush:
            box.queue.append(Exempt(message))
            box.exempt += 1
            box.care = True


def _is_down(message: object, ref: str) -> bool:
    return type(message) is tuple and len(message) == 5 and message[1] == ref and message[2] == "process"
