"""Crash reports: one ERROR for a behaviour that ends by its own making, and not in good order.

The same goes out twice: as text, and as ``record.otp``, a dict of its parts. Each part is
cut to size before it becomes text; a `format_status`, a ``__repr__`` or a log handler
that fails costs its part of the report, or the report, and never the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from msgspec import structs

from otpnode import process
from otpnode.behaviours.common.control import Status
from otpnode.behaviours.common.starting import ancestors
from otpnode.reasons import traceback_text
from otpnode.reporting import emit as emit
from otpnode.showing import cut
from otpnode.showing import shown as shown

crash_log = logging.getLogger("otpnode.crash")

MAX_REPORT = 16 * 1024
"""Longest report, in bytes of UTF-8, as are its parts."""
MAX_MAILBOX = 10
_TRACEBACK = 5500
_STATE = 4000
_MESSAGE = 1500
_REASON = 1000
_QUEUED = 150
_LABEL = 200


def warn(log: logging.Logger, text: str) -> None:
    """Log at level WARNING what a process goes on after, as `emit` does: a stray message, mostly."""
    emit(log, text, level=logging.WARNING)


def formatted(format_status: Callable[[Status], Status], status: Status) -> Status:
    """Return what `format_status` makes of `status`; nothing of the state when it fails.

    Which process of which behaviour it is, is not for `format_status` to say.
    """
    try:
        changed = format_status(status)
        if isinstance(changed, Status):
            return structs.replace(changed, pid=status.pid, behaviour=status.behaviour)
    except BaseException as error:
        return structs.replace(status, state=f"<format_status failed: {shown(error, 200)}>", message=None)
    return structs.replace(status, state="<format_status returned no Status>", message=None)


async def report_crash(status: Status, error: BaseException | None) -> None:
    """Log the end of the calling process.

    Args:
        status: what may be shown, already formatted.
        error: the exception behind the reason, if there is one.
    """
    found = cast("dict[str, Any]", await process.process_info(status.pid, "label", "messages"))
    fields: dict[str, object] = {
        "report": "crash",
        "pid": status.pid,
        "label": cut(found["label"] or status.behaviour, _LABEL),
        "shard": process.shard_of(status.pid),
        "ancestors": ancestors(),
        "reason": cut(shown(status.reason, _REASON), _REASON),
        "traceback": "" if error is None else _tail(traceback_text(error), _TRACEBACK),
        "last_message": cut(shown(status.message, _MESSAGE), _MESSAGE),
        "state": cut(shown(status.state, _STATE), _STATE),
        "mailbox": [cut(shown(one, _QUEUED), _QUEUED) for one in found["messages"][:MAX_MAILBOX]],
    }
    emit(crash_log, text_of(fields), fields)


def text_of(fields: dict[str, object]) -> str:
    """Return a report as text."""
    lines = [f"process {fields['pid']} ({fields['label']}) on shard {fields['shard']} ended: {fields['reason']}"]
    if fields["traceback"]:
        lines.append(str(fields["traceback"]).rstrip())
    lines += [f"{key.replace('_', ' ')}: {fields[key]}" for key in ("last_message", "state", "mailbox", "ancestors")]
    return cut("\n".join(lines), MAX_REPORT)


def _tail(text: str, limit: int) -> str:
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    return "[... cut ...]\n" + data[-limit:].decode("utf-8", "ignore")
