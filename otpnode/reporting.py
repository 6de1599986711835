"""Writing a report of a death: whatever the log does, the death goes on (ER-02)."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from otpnode.showing import shown


def emit(log: logging.Logger, text: str, fields: dict[str, object] | None = None) -> None:
    """Log at level ERROR.

    Args:
        log: the logger.
        text: for people.
        fields: the same for machines, as ``record.otp``; None for no such attribute.

    Guarantees:
        Raises nothing: a handler that does costs the record, and a line on stderr says so.
    """
    try:
        log.error("%s", text, extra=None if fields is None else {"otp": fields})
    except BaseException as error:
        # The last resort has none behind it: a stderr that is closed costs the line.
        with suppress(Exception):
            sys.stderr.write(f"otpnode: a report of logger {log.name} was lost: {shown(error, 200)}\n")
