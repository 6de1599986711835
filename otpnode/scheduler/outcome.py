"""Main's end as it travels to the caller of `otpnode.run`."""

from __future__ import annotations

from otpnode.errors import NodeDownError, UnserializableError
from otpnode.process.hosting import MainEnd
from otpnode.reasons import mend, strip
from otpnode.transport.payload import dumps, loads
from otpnode.transport.reason import dumps_reason, loads_reason

VALUE = b"v"
ERROR = b"e"
BAD_END = b"b"


def exit_code(end: MainEnd) -> int:
    """Return the exit code of DESIGN §1's table."""
    if isinstance(end.error, SystemExit):
        return status(end.error)
    return 1 if end.error is not None or end.ended_badly is not None else 0


def status(error: SystemExit) -> int:
    """Return the exit status that a ``SystemExit`` means."""
    return error.code if isinstance(error.code, int) else 0 if error.code is None else 1


def encode_outcome(end: MainEnd) -> bytes:
    """Encode how main ended; never fails."""
    if end.error is not None:
        strip(end.error)
        return ERROR + dumps_reason(end.error)
    if end.ended_badly is not None:
        return BAD_END + dumps_reason(end.ended_badly)
    try:
        return VALUE + dumps(end.value, what="main's result")
    except UnserializableError as error:
        return ERROR + dumps_reason(error)


def decode_outcome(data: bytes) -> object:
    """Return main's value, or raise what main raised.

    Raises:
        BaseException: main's exception, with its traceback in the other process as a note.
        NodeDownError: the process main returned ended badly.
    """
    if not data:
        return None
    kind, payload = data[:1], data[1:]
    if kind == VALUE:
        return loads(payload)
    reason = loads_reason(payload)
    if isinstance(reason, BaseException):
        raise mend(reason)
    raise NodeDownError(f"main, or the process it returned, ended: {reason!r}")
