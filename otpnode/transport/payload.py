"""User payloads: what arrives is ``==`` and of the same type, or the sender gets an error (SH-09, C10).

Two codecs, told apart by the first byte:

- msgpack for scalars and flat tuples of scalars: pids, refs, tags, numbers;
- pickle protocol 5 for everything else. Its first byte is always ``0x80``, which in
  msgpack is an empty map, and this module never writes a map. So neither codec pays
  for a tag: no byte is put in front on the way out, and none is cut off on the way in
  (that pair of copies costs as much as encoding a small message).

Rejected: msgpack for more than that. It turns tuples into lists, sets into lists,
dataclasses and enums into their values, and its hook is never asked about a tuple;
even a ``msgspec.Struct`` whose field is typed ``tuple`` only comes back right if the
reader knows the type. A recursive check that a value is plain costs more in Python than
pickle costs in C.

A pickler is expensive to make (0.7 µs) next to a small message (0.4 µs), so a few are kept.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import msgpack

from otpnode.errors import MessageTooLargeError, OtpnodeError, UnserializableError
from otpnode.reasons import guarded
from otpnode.transport.bulk import CHUNK, Part
from otpnode.transport.travel import Root, refusal, unimportable, where_and_why

EXACT = frozenset({type(None), bool, int, float, str, bytes})
"""What msgpack carries as it is, wherever it stands; so it does a tuple of them at the top."""
_encode = msgpack.Encoder().encode
_decode_tuple = msgpack.Decoder(tuple).decode
_decode_scalar = msgpack.Decoder().decode

_PICKLE = 0x80
_TUPLES = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})
_NEVER_WRITTEN = frozenset({*range(0x81, 0x90), 0xC1, *range(0xC7, 0xCA), *range(0xD4, 0xD9), 0xDE, 0xDF})

_SMALL = 1024
_KEPT_PICKLERS = 8
_NOUNS = {"message": "a message", "args": "arguments", "reason": "an exit reason"}
CALL = "call of the spawn"
_HINT = 'send plain data instead, or spawn with on="local"'


class PayloadError(OtpnodeError):
    """Bytes that arrived could not be turned into the value that was sent (SD-07).

    Not `UnserializableError`, which the *sender* gets before anything is sent; and not a
    corrupt stream: the frame round the payload is sound, only this message is lost.
    """


class _Refused(Exception):
    """Raised inside a pickler to stop it; never leaves this module."""


class _Pickler(pickle.Pickler):
    """A pickler that refuses what belongs to one OS process, and knows whom it met last."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.apart: list[Part] | None = None
        self.last: object = None
        super().__init__(_Sink(self.parts.append), 5, buffer_callback=self._buffer)

    def _buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """Keep a long buffer out of the pickle, as a copy: what is sent is what was there (SD-06)."""
        if self.apart is None:
            return True
        with buffer.raw() as view:
            if view.nbytes <= CHUNK:
                return True
            self.apart.append(bytes(view) if view.readonly else bytearray(view))
        return False

    def reducer_override(self, obj: object) -> tuple[Callable[..., object], tuple[object, ...]]:
        self.last = obj
        kind: type = type(obj)
        if refusal(kind) is not None:
            raise _Refused
        as_usual: tuple[Callable[..., object], tuple[object, ...]] = NotImplemented
        return as_usual


@dataclass(slots=True)
class _Sink:
    """The file a pickler writes to: a list's append, which costs no copy when there is one part."""

    write: Callable[[bytes], object]


class _Picklers:
    """Idle picklers, ready for use.

    Guarantees:
        ``dumps`` may be called from any thread, and from a ``__reduce__`` that runs inside
        another ``dumps``: a pickler at work is in nobody's list.
    """

    def __init__(self) -> None:
        self._idle: list[_Pickler] = []

    def dumps(self, value: object, *names: str, apart: list[Part] | None = None) -> bytes:
        """Pickle `value`, a whole called by one name or a tuple whose parts are called by several.

        Long buffers are put into `apart`, if it is given.

        Raises:
            _Untravelled: `value` cannot travel; the text says which part and why.
        """
        try:
            pickler = self._idle.pop()
        except IndexError:
            pickler = _Pickler()
        pickler.apart = apart
        try:
            pickler.dump(value)
        except MemoryError:
            raise
        except Exception as failure:
            raise _Untravelled(_told(value, names, pickler.last, failure)) from failure
        parts = pickler.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        # The memo table never shrinks and is walked when cleared: after one long message it would tax every short one.
        if len(data) < _SMALL and len(self._idle) < _KEPT_PICKLERS:
            pickler.last = None
            pickler.clear_memo()
            parts.clear()
            self._idle.append(pickler)
        return data


class _Untravelled(Exception):
    """Says in one line what cannot travel and why; never leaves this module."""


def _told(value: object, names: tuple[str, ...], last: object, failure: Exception) -> str:
    roots: list[Root] = [(names[0], value)]
    if len(names) > 1 and isinstance(value, tuple):
        roots = list(zip(names, value, strict=True))
    return where_and_why(roots, last, failure, isinstance(failure, _Refused))


_pickled = _Picklers().dumps


def dumps(value: object, *, what: str = "message") -> bytes:
    """Encode one payload.

    Args:
        value: any object.
        what: the root word of the path in the error text: ``message``, ``args``, ``reason``.

    Raises:
        UnserializableError: `value` cannot travel exactly (SD-07); the text names the part and its type.

    Guarantees:
        ``loads(dumps(x)) == x`` and has the same type at every depth (SH-09), as far as the
        classes' own pickling is faithful. Objects that occur twice in one message are one
        object again on arrival (SD-06); scalars of a flat tuple may become equal ones.
    """
    return _dumps(value, what, None)


def dumps_apart(value: object) -> tuple[Part, ...]:
    """Encode one message, its long buffers by themselves.

    Returns:
        What `dumps` gives; behind it the long buffers (``pickle.PickleBuffer``) that a pickle was spared.

    Raises:
        UnserializableError: as `dumps`.
    """
    buffers: list[Part] = []
    return (_dumps(value, "message", buffers), *buffers)


def _dumps(value: object, what: str, apart: list[Part] | None) -> bytes:
    kind = type(value)
    if kind in EXACT or (kind is tuple and EXACT.issuperset(map(type, value))):  # type: ignore[call-overload]
        try:
            return _encode(value)
        except (ValueError, OverflowError):
            pass  # A lone surrogate, or an int beyond 64 bits: exact in pickle.
    try:
        return _pickled(value, what, apart=apart)
    except _Untravelled as found:
        noun = _NOUNS.get(what, what)
        raise UnserializableError(f"cannot send {noun} to another shard: {found}; {_HINT}") from found.__cause__


def loads(data: Part | memoryview, buffers: Sequence[Part] = ()) -> object:
    """Decode one payload, with the buffers that were kept out of it.

    Raises:
        PayloadError: for any failure at all, with the failure as its cause: unknown first byte,
            a class that is missing here, a ``__setstate__`` that raised.

    Guarantees:
        Raises nothing else but KeyboardInterrupt, SystemExit and MemoryError, so that a
        reader survives every message (SD-07).
    """
    try:
        first = data[0]
        if first in _TUPLES:
            return _decode_tuple(data)
        if first == _PICKLE:
            return pickle.loads(data, buffers=buffers)
        if first not in _NEVER_WRITTEN:
            return _decode_scalar(data)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as failure:
        text = f"the payload cannot be rebuilt here: {type(failure).__name__}: {guarded(str, failure)}"
        raise PayloadError(text) from failure
    raise PayloadError(f"the payload begins with 0x{first:02x}, which no codec writes")


def check_size(payload: Part, max_message: int, what: str = "message", apart: Sequence[Part] = ()) -> None:
    """Hold an encoded payload against the cap.

    Args:
        payload: what would travel.
        max_message: cap, in bytes.
        what: what it is, in the error text.
        apart: what would travel with it.

    Raises:
        MessageTooLargeError: all together are longer than `max_message`.
    """
    size = len(payload) + sum(map(len, apart))
    if size > max_message:
        raise MessageTooLargeError(
            f"the {what} takes {size} bytes and --max-message allows {max_message}; "
            "send it in parts, or raise --max-message"
        )


def dumps_call(
    func: object,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    carried: dict[str, object],
    *,
    hint: str = 'pass plain data, or spawn with on="local"',
) -> bytes:
    """Encode a call that another shard shall make: the request of a spawn.

    Args:
        func: a callable that is importable by name, or a ``functools.partial`` of one.
        args: its positional arguments.
        kwargs: its keyword arguments.
        carried: context variables that travel like arguments (SP-07).
        hint: what to do when they cannot travel, for the error.

    Raises:
        UnserializableError: `func` is not importable or an argument cannot travel; the text says why.
    """
    try:
        return _call(func, args, kwargs, carried)
    except _Untravelled as found:
        name = guarded(str, getattr(func, "__qualname__", type(func).__qualname__))
        text = f"cannot spawn {name} on another shard: {found}; {hint}"
        raise UnserializableError(text) from found.__cause__


def loads_call(
    data: bytes | memoryview,
) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object], dict[str, object]]:
    """Decode what `dumps_call` wrote: ``(func, args, kwargs, carried)``.

    Raises:
        PayloadError: as `loads`; or the bytes hold something that is not a call.
    """
    match loads(data):
        case (func, tuple(args), dict(kwargs), dict(carried)) if callable(func):
            return func, args, kwargs, carried
    raise PayloadError("the payload is not a call")


def _call(func: object, args: object, kwargs: object, carried: object) -> bytes:
    why = unimportable(func)
    if why is not None:
        raise _Untravelled(why)
    return _pickled((func, args, kwargs, carried), "func", "args", "kwargs", "carried")
