"""Snapshots of one process for `process_info` (PI-01)."""

from __future__ import annotations

import asyncio
from types import CodeType
from typing import TYPE_CHECKING

from otpnode.process.proc import EXITING, STATUS

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard

_PROCESS = __file__.removesuffix("info.py")
_LIBRARIES = (_PROCESS.removesuffix("process/"), asyncio.__file__.removesuffix("__init__.py"))

KEYS = (
    "links",
    "monitors",
    "monitored_by",
    "message_queue_len",
    "messages",
    "registered_name",
    "trap_exits",
    "status",
    "label",
    "dictionary",
    "current",
)


def check_keys(keys: tuple[object, ...]) -> list[str]:
    """Return the keys asked for, all of them when none is named; raises ValueError for an unknown one."""
    for key in keys:
        if key not in KEYS:
            raise ValueError(f"process_info has no key {key!r}; it has {', '.join(KEYS)}")
    return [str(key) for key in keys or KEYS]


def snapshot(shard: Shard, pid: str, keys: list[str]) -> dict[str, object] | None:
    """Return copies of what `keys` name, or None for a dead process."""
    proc = shard.table.live.get(pid)
    if proc is None:
        return None
    return {key: _value(shard, proc, key) for key in keys}


def _value(shard: Shard, proc: Proc, key: str) -> object:
    match key:
        case "links":
            return proc.links.active() if proc.links is not None else []
        case "monitors":
            return [record.shown for record in (proc.monitors or {}).values() if record.target]
        case "monitored_by":
            return list((proc.monitored_by or {}).values())
        case "message_queue_len":
            return len(proc.mailbox.queue)
        case "messages":
            return proc.mailbox.messages()
        case "registered_name":
            return shard.names.name_of(proc.pid)
        case "trap_exits":
            return proc.trap_exits
        case "status":
            return _status(shard, proc)
        case "label":
            return proc.label
        case "dictionary":
            return dict(proc.dictionary or {})
        case _:
            return _current(proc)


def _status(shard: Shard, proc: Proc) -> str:
    if shard.running is proc:
        return "running"
    if proc in shard.queue.ready:
        return "runnable"
    return STATUS[min(proc.state, EXITING)]


def _current(proc: Proc) -> str | None:
    """Return where it stands: ``file:line function``, and for whose reply or death it waits there.

    The frame is the innermost of the program's own; where it has none (a behaviour between
    two callbacks), that of otpnode's or asyncio's.
    """
    awaiting: object = proc.get_coro()
    theirs: str | None = None
    ours: str | None = None
    while awaiting is not None:
        code = getattr(awaiting, "cr_code", None)
        frame = getattr(awaiting, "cr_frame", None)
        if isinstance(code, CodeType) and frame is not None and not code.co_filename.startswith(_PROCESS):
            found = f"{code.co_filename}:{frame.f_lineno} {code.co_name}"
            if code.co_filename.startswith(_LIBRARIES):
                ours = found
            else:
                theirs = found
        awaiting = getattr(awaiting, "cr_await", None)
    place = theirs or ours
    return place if place is None else ", ".join((place, *_awaited(proc)))


def _awaited(proc: Proc) -> list[str]:
    """Say whom it watches for what it receives by ref: the servers of the calls under way."""
    refs = [ref for ref in (proc.mailbox.wanted, *(proc.mailbox.waits or ())) if ref is not None]
    records = [(proc.monitors or {}).get(ref) for ref in refs]
    pids = dict.fromkeys(record.target for record in records if record is not None and record.target)
    return [f"waiting for {pid}" for pid in pids]
