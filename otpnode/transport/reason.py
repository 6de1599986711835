"""Exit reasons on the wire: a death is never lost because its reason cannot travel (ER-02, ER-03).

That pickle could write an exception proves nothing: one with an ``__init__`` of its
own pickles and then fails to unpickle, in another shard, where nobody can ask it
again. So whatever is not plain is rebuilt *here*, at the dying side, and compared;
what does not come back the same travels as a replacement.

Rejected: letting the receiver replace what it cannot read. It would know neither the
text nor the traceback of what died.
"""

from __future__ import annotations

from otpnode.errors import RemoteError
from otpnode.reasons import MAX_TRACEBACK, guarded, traceback_text
from otpnode.transport.payload import PayloadError, dumps, loads

_MAX_NESTING = 16
_MAX_COMPARED = 64


def dumps_reason(reason: object) -> bytes:
    """Encode an exit reason.

    An exception travels with its args, notes and attributes, its traceback and causes as
    text in ``__otp_traceback__``; one that cannot be rebuilt, as a `RemoteError`. Another
    value that cannot travel becomes ``('unserializable', repr)``. The items of a tuple are
    judged one by one, so that ``('shutdown', x)`` stays an orderly end whatever `x` is.

    Guarantees:
        Raises nothing. `loads_reason` gives, in every shard that has the same classes, the
        reason itself (ER-01, ER-03) or the replacement decided here.
    """
    if type(reason) is str:
        return dumps(reason, what="reason")
    try:
        return dumps(_fit(reason, 0), what="reason")
    except BaseException:
        # Each item could travel but not all of them together: depth, memory, a class that changes its mind.
        return dumps(_unserializable(reason), what="reason")


def loads_reason(data: bytes | memoryview) -> object:
    """Decode what `dumps_reason` wrote.

    Guarantees:
        Raises nothing: bytes that cannot be decoded give ``('undecodable', text)``.
    """
    try:
        return loads(data)
    except (PayloadError, MemoryError, SystemExit) as failure:
        return ("undecodable", guarded(str, failure))


class _Travelling:
    """Pickles as an exception together with what pickle leaves out or a ``__reduce__`` forgets."""

    __slots__ = ("exc", "notes", "text")

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc
        self.text = traceback_text(exc)
        self.notes: list[object] = _notes(exc)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restored, (self.exc, self.text, self.notes))


def _restored(exc: BaseException, text: str, notes: list[str]) -> BaseException:
    try:
        setattr(exc, "__otp_traceback__", text)  # noqa: B010 - no declared attribute of BaseException
        if notes:
            exc.__notes__ = notes
    except Exception:
        # A class that refuses attributes; the exception is worth more than its traceback.
        return exc
    return exc


def _fit(reason: object, depth: int) -> object:
    """Return what stands for `reason` in the pickle: itself where it can travel."""
    if isinstance(reason, BaseException):
        return _fit_exception(reason)
    if type(reason) is tuple and depth < _MAX_NESTING:
        return tuple(_fit(item, depth + 1) for item in reason)
    try:
        loads(dumps(reason, what="reason"))
    except BaseException:
        # Code of a dying process's program runs in here, and whatever it raises must not stop the death.
        return _unserializable(reason)
    return reason


def _fit_exception(exc: BaseException) -> object:
    travelling = _Travelling(exc)
    try:
        copy = loads(dumps(travelling, what="reason"))
        faithful = _same(exc, copy, 0) and isinstance(copy, BaseException) and _notes(copy) == travelling.notes
    except BaseException:
        # Does not pickle, does not unpickle, or cannot be compared: all the same to the receiver.
        faithful = False
    return travelling if faithful else _replica(exc, travelling.text)


def _replica(exc: BaseException, text: str) -> RemoteError:
    kind = type(exc)
    name = f"{guarded(str, kind.__module__)}.{kind.__qualname__}"
    replica = RemoteError(name, guarded(str, exc, MAX_TRACEBACK), guarded(repr, exc.args), text)
    for note in _notes(exc):
        replica.add_note(guarded(str, note))
    _restored(replica, text, [])
    return replica


def _unserializable(reason: object) -> tuple[str, str]:
    return ("unserializable", guarded(repr, reason))


def _notes(exc: BaseException) -> list[object]:
    held = getattr(exc, "__notes__", None)
    return list(held) if isinstance(held, (list, tuple)) else []


def _same(ours: object, theirs: object, depth: int) -> bool:
    """Tell whether `theirs` is a faithful copy of `ours`, exceptions and containers looked into.

    A class without ``__eq__`` cannot be compared; its copy is trusted.
    """
    if ours is theirs:
        return True
    if type(ours) is not type(theirs) or depth > _MAX_COMPARED:
        return False
    if isinstance(ours, BaseException) and isinstance(theirs, BaseException):
        return _same(ours.args, theirs.args, depth + 1)
    if isinstance(ours, (tuple, list)) and isinstance(theirs, (tuple, list)):
        return len(ours) == len(theirs) and all(_same(a, b, depth + 1) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return all(_same(item, theirs[key], depth + 1) for key, item in ours.items())
    if type(ours).__eq__ is object.__eq__:
        return True
    return bool(ours == theirs) or bool(ours != ours and theirs != theirs)
