"""The verbs that look at processes, and at what they keep for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from otpnode.pid import PID_PREFIX, Pid, address
from otpnode.process.current import HOSTS, caller, here
from otpnode.process.current import me as current_process
from otpnode.process.entry import entered, entered_process
from otpnode.process.info import check_keys, snapshot
from otpnode.signals import Ask

if TYPE_CHECKING:
    import asyncio

    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard


def self() -> Pid | None:
    """Return the caller's pid; None outside a process, and in what a dead one left behind (AC-08).

    Right in child tasks and in ``asyncio.to_thread`` too (CT-01).
    """
    proc = caller()
    return None if proc is None or proc.cut_off else proc.pid


def is_alive(pid: Pid | str) -> bool:
    """Tell whether a process is alive, on any shard; a name is resolved, an unknown one is False.

    Guarantees:
        Plain, no round trip. For another shard's process it may say True a little too
        long, never after its DOWN, EXIT or the end of its name was seen (SEMANTICS PI-02).
    """
    me = caller()
    if me is not None and type(pid) is str:
        shard = me.shard
        if shard.running is me:
            if pid in shard.table.live:
                return True
            if shard.router.outbound is None and pid[:4] == PID_PREFIX:
                return False
    if not HOSTS or not isinstance(pid, str):
        return False
    shard = here()
    if not pid.startswith(PID_PREFIX):
        found = shard.names.whereis(pid)
        return found is not None and shard.is_alive(found)
    return shard.is_alive(pid)


def processes() -> list[Pid]:
    """Return the pids of the node, each alive at some moment during the call (PI-03)."""
    if not HOSTS:
        return []
    shard = here()
    own = [cast(Pid, pid) for pid in shard.table.live if pid not in shard.hidden]
    return own if shard.router.outbound is None else own + shard.router.outbound.processes()


async def process_info(pid: Pid | str, *keys: str) -> object:
    """Return a snapshot of a process on any shard.

    Args:
        pid: whom, by pid or name.
        keys: of ``links``, ``monitors``, ``monitored_by``, ``message_queue_len``,
            ``messages``, ``registered_name``, ``trap_exits``, ``status``, ``label``,
            ``dictionary``, ``current``.

    Returns:
        None for a dead process; a dict of all keys when none is named; the value of a
        single key; a dict of several.

    Raises:
        ValueError: an unknown key.

    Guarantees:
        Ordered behind the caller's earlier signals to `pid` (SEMANTICS SO-05, PI-01).
    """
    shard, me = await entered("process_info")
    if not isinstance(pid, str):
        raise TypeError(f"process_info takes a pid or a registered name, not {type(pid).__name__}")
    wanted = check_keys(keys)
    found = shard.names.whereis(pid) if not pid.startswith(PID_PREFIX) else pid
    if found is None:
        return None
    values = await _snapshot(shard, me, found, wanted)
    if not isinstance(values, dict):
        return None
    return values[wanted[0]] if len(keys) == 1 else values


async def _snapshot(shard: Shard, me: Proc | None, pid: str, keys: list[str]) -> object:
    way = shard.router.elsewhere(pid)
    if way is None:
        return snapshot(shard, pid, keys)
    if not way[0].is_alive(way[1]):
        return None
    return await ask(shard, me, pid, "info", [pid, *keys])


async def ask(shard: Shard, me: Proc | None, to: str, question: str, about: list[str]) -> object:
    """Ask the shard of `to`, behind what `me` has sent there; None when it is gone."""
    ref = shard.refs.make()
    waiter: asyncio.Future[object] = shard.loop.create_future()
    shard.questions[ref] = (to, waiter)
    try:
        shard.router.post(Ask(shard.system_pid if me is None else me.pid, to, ref, question, about))
        return await waiter
    finally:
        shard.questions.pop(ref, None)


def process_flag(flag: str, value: object) -> object:
    """Set a flag of the caller and return its old value.

    Args:
        flag: ``'trap_exits'``.
        value: a bool.

    Raises:
        ValueError: an unknown flag, or `trap_exits` for a process without mailbox.
        TypeError: not a bool.
    """
    proc = current_process("process_flag")
    if flag != "trap_exits":
        raise ValueError(f"unknown process flag {flag!r}; there is 'trap_exits'")
    if not isinstance(value, bool):
        raise TypeError(f"trap_exits is True or False, not {value!r}")
    if value and proc.deaf:
        raise ValueError("trap_exits=True needs a mailbox: exit signals would have nowhere to go")
    old, proc.trap_exits = proc.trap_exits, value
    return old


def set_label(label: str | None) -> None:
    """Describe the caller in logs and `process_info`; labels need not be unique."""
    if label is not None and not isinstance(label, str):
        raise TypeError(f"a label is a str or None, not {label!r}")
    current_process("set_label").label = label


def put(key: object, value: object) -> object:
    """Set `key` in the caller's own dictionary; returns the old value or None (PI-04)."""
    proc = current_process("put")
    if proc.dictionary is None:
        proc.dictionary = {}
    old = proc.dictionary.get(key)
    proc.dictionary[key] = value
    return old


def get(key: object) -> object:
    """Return what the caller has `put` under `key`, or None."""
    return (current_process("get").dictionary or {}).get(key)


def erase(key: object) -> object:
    """Remove `key` from the caller's own dictionary; returns the old value or None."""
    return (current_process("erase").dictionary or {}).pop(key, None)


def shard_of(pid: Pid | str) -> int:
    """Return the number of the shard that owns `pid` (a ref names its shard too).

    Raises:
        ValueError: neither a pid nor a ref.
    """
    owner = address(pid)
    if owner is None:
        raise ValueError(f"{pid!r} is neither a pid nor a ref")
    return owner.shard


def schedulers() -> int:
    """Return the number of shards the node runs: 1 on one loop."""
    return here().schedulers()


def node_name() -> str:
    """Return the node's name: in every pid, and in ``(name, node)`` of a monitor by name."""
    return here().config.name


async def subscribe_shards() -> list[tuple[int, int]]:
    """Be told of shards that come and go.

    Returns:
        The ``[(shard, incarnation), …]`` up now. Then come ``('shard_up', k, inc)`` and
        ``('shard_down', k, inc, status)``, status as ``Popen.returncode``; none on one loop.

    Guarantees:
        Not ordered against the DOWNs of that shard's processes (SEMANTICS SH-02).
    """
    proc = await entered_process("subscribe_shards")
    shard = proc.shard
    shard.subscribers.add(proc.pid)
    outbound = shard.router.outbound
    return [(shard.number, shard.incarnation)] if outbound is None else outbound.shards_up()
