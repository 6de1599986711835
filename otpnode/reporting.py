"""Writing reports and warnings: whatever the log does, the death that is reported, or the life, goes on (ER-02)."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from otpnode.showing import shown


def emit(
    log: logging.Logger, text: str, fields: dict[str, object] | None = None, *, level: int = logging.ERROR
) -> None:
    """Log, at level ERROR unless told otherwise.

    Args:
        log: the logger.
        text: for people.
        fields: the same for machines, as ``record.otp``; None for no such attribute.
        level: of the record.

    Guarantees:
        Raises nothing: a handler that does costs the record, and a line on stderr says so.
    """
    try:
        log.log(level, "%s", text, extra=None if fields is None else {"otp": fields})
    except BaseException as error:
        # The last resort has none behind it: a stderr that is closed costs the line.
        with suppress(Exception):
            sys.stderr.write(f"otpnode: a report of logger {log.name} was lost: {shown(error, 200)}\n")
