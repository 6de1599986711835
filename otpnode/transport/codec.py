"""Signals to frames and back: kinds, envelopes, payloads.

A frame's body is one msgpack array, the signal's own fields in order, with the
user's payload already encoded as one bytes field: the envelope is checked against
the kind's types on arrival, the payload is not looked at until it is delivered.
Nearly every message is a flat tuple of scalars, which msgpack carries as it is: such a one
stands in its envelope unencoded, under a kind of its own, and costs one call of msgspec on
either side instead of two, and no copy. Three more kinds spare what is said again and again:
a `BUNDLE` holds many messages of one sender to one receiver, a `REQUEST` the monitor and
the message of a call, a `REPLY` its answer and the end of that monitor. A long payload has
a frame in parts (`otpnode.transport.bulk`): the envelope, the payload, and long buffers that
its pickle was spared, none of which is copied for the sake of the others. Encoders and
decoders are made once. Rejected: one tagged union for all kinds; the kind is in the frame's
header, so a lookup replaces a tag and a search.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import msgspec

from otpnode.errors import OtpnodeError, UnserializableError
from otpnode.signals import (
    AliasMessage,
    Answer,
    Ask,
    Credit,
    Demonitor,
    Down,
    Exit,
    Exit2,
    Link,
    Message,
    Monitor,
    Nack,
    Probe,
    ShardSignal,
    Signal,
    SpawnReply,
    SpawnRequest,
    TimerMessage,
    UnlinkAck,
    UnlinkId,
)
from otpnode.transport.bulk import CHUNK, Body, Part
from otpnode.transport.payload import EXACT, PayloadError, check_size, dumps, dumps_apart, loads
from otpnode.transport.reason import dumps_reason, loads_reason

AnySignal = Signal | ShardSignal

UNHURRIED = (Monitor, Demonitor)
"""What is not worth a write of its own: a message mostly follows a monitor, and takes the end of the last one along."""


class EnvelopeError(OtpnodeError):
    """A frame of an unknown kind or with a broken envelope: the stream is corrupt (SH-11).

    Not `PayloadError`, which is about one message of a sound stream.
    """


class Frame(NamedTuple):
    """One encoded signal, ready for a link."""

    kind: int
    body: Body
    lane: str | None


class _Carried(NamedTuple):
    """The envelope of every kind with one payload: who, to whom (or to which alias), what."""

    sender: str
    to: str
    payload: bytes


class _LongCarried(NamedTuple):
    """The same, with the payload left where it is: copying 100 MB holds the loop for 60 ms (SH-10)."""

    sender: str
    to: str
    payload: memoryview


class _CarriedRef(NamedTuple):
    sender: str
    to: str
    ref: str
    payload: bytes


MESSAGE = 1
FLAT = 19
"""A user message that is a flat tuple; the commonest frame of all."""
BUNDLE = 25
"""Many of them, of one sender to one receiver (`otpnode.transport.bundle`)."""
REQUEST = 26
"""A monitor and a user message for the same process, which holds the ref: every call of every behaviour."""
REPLY = 27
"""The flat answer to a `REQUEST` by the process that was asked: its shard has ended the monitor as it wrote this."""
_NO_FIELD = -1
_LONG = 1 << 16
_BYTES_HEADER = 5
"""What `dumps` puts before long bytes."""
_MESSAGES: dict[type, int] = {Message: MESSAGE, AliasMessage: 2, TimerMessage: 3}
_FLATS: dict[type, int] = {Message: FLAT, AliasMessage: 20, TimerMessage: 21}
_APARTS: dict[type, int] = {Message: 22, AliasMessage: 23, TimerMessage: 24}
_APART_KINDS = frozenset(_APARTS.values())
USER_MESSAGES = frozenset({MESSAGE, FLAT, _APARTS[Message]})
_FLAT_KINDS = {kind: signal for signal, kind in _FLATS.items()}
_REASONS: dict[type, int] = {Exit: 4, Exit2: 5}
_REFERRED: dict[type, int] = {Down: 6, Answer: 7}
_PLAIN: dict[type, int] = {
    Link: 8,
    UnlinkId: 9,
    UnlinkAck: 10,
    Monitor: 11,
    Demonitor: 12,
    Ask: 13,
    SpawnRequest: 14,
    SpawnReply: 15,
    Credit: 16,
    Nack: 17,
    Probe: 18,
}
CREDIT = _PLAIN[Credit]
_NAMES: dict[int, type] = {
    kind: signal
    for table in (_MESSAGES, _FLATS, _APARTS, _REASONS, _REFERRED, _PLAIN)
    for signal, kind in table.items()
}

_encode = msgspec.msgpack.Encoder().encode
_carried = msgspec.msgpack.Decoder(_Carried).decode
_flat = msgspec.msgpack.Decoder(tuple[str, str, tuple[object, ...]]).decode
_bundle = msgspec.msgpack.Decoder(tuple[str, str, list[tuple]]).decode  # type: ignore[type-arg]
_asked = msgspec.msgpack.Decoder(tuple[str, str, str, str, int, list[object]]).decode
_apart = msgspec.msgpack.Decoder(tuple[str, str, bool]).decode
_long_carried = msgspec.msgpack.Decoder(_LongCarried).decode
_carried_ref = msgspec.msgpack.Decoder(_CarriedRef).decode
_PLAIN_DECODERS: dict[int, msgspec.msgpack.Decoder[AnySignal]] = {
    kind: msgspec.msgpack.Decoder(signal) for signal, kind in _PLAIN.items()
}

T = TypeVar("T")


def encode_message(signal: Message | AliasMessage | TimerMessage, max_message: int) -> Frame:
    """Encode a signal that carries a user message.

    Raises:
        UnserializableError: the message cannot travel exactly.
        MessageTooLargeError: it is longer than `max_message` bytes.

    Guarantees:
        Nothing is half encoded: it raises, or the frame is whole (SD-07).
    """
    sender, to, message = signal
    flat = encode_flat(sender, to, message, max_message)
    if flat is not None:
        return Frame(_FLATS[type(signal)], flat, sender)
    if type(message) is bytes and CHUNK < len(message) < max_message - _BYTES_HEADER:
        return Frame(_APARTS[type(signal)], (_encode((sender, to, True)), message), sender)
    payload, *buffers = dumps_apart(message)
    check_size(payload, max_message, apart=buffers)
    if buffers or len(payload) > CHUNK:
        return Frame(_APARTS[type(signal)], (_encode((sender, to, False)), payload, *buffers), sender)
    return Frame(_MESSAGES[type(signal)], _encode((sender, to, payload)), sender)


def encode_flat(sender: str, to: str, message: object, max_message: int) -> bytes | None:
    """Encode the body of a flat message; None for any other, for a long one, and for one that may be over the cap."""
    if type(message) is not tuple or not EXACT.issuperset(map(type, message)):
        return None
    try:
        body = _encode((sender, to, message))
    except (ValueError, OverflowError):
        return None  # A lone surrogate, or an int beyond 64 bits.
    return body if len(body) < _LONG and len(body) <= max_message else None


def decode_flat(body: bytes) -> tuple[str, str, tuple[object, ...]]:
    """Decode the body of a `FLAT` or `REPLY` frame: ``(sender, to, message)``, to a pid or to an alias.

    Raises:
        EnvelopeError: it is none.
    """
    try:
        return _flat(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"a flat message has a broken envelope: {error}") from error


def decode_bundle(body: bytes) -> tuple[str, str, list[tuple[object, ...]]]:
    """Decode the body of a `BUNDLE` frame: ``(sender, to, messages)``.

    Raises:
        EnvelopeError: it is none.
    """
    try:
        return _bundle(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"a bundle of messages has a broken envelope: {error}") from error


def encode_request(sender: str, to: str, ref: str, message: tuple[object, ...], max_message: int) -> bytes | None:
    """Encode the body of a request, ``(tag, (sender, ref), *fields)``, with the monitor that goes before it.

    msgpack writes tuples and lists alike: the number of the field that is a tuple goes with them.

    Returns:
        None if the tag is no text, a field neither exact nor a flat tuple or list, or the message might be over the
        cap; and if there are two tuples or two lists, which may be the same one (SD-06).
    """
    tag, _, *fields = message
    tuple_at = list_at = _NO_FIELD
    for index, field in enumerate(fields):
        if type(field) in EXACT:
            continue
        if type(field) is tuple and tuple_at == _NO_FIELD:
            tuple_at = index
        elif type(field) is list and list_at == _NO_FIELD:
            list_at = index
        else:
            return None
        if not EXACT.issuperset(map(type, field)):
            return None
    if type(tag) is not str:
        return None
    try:
        body = _encode((sender, to, ref, tag, tuple_at, fields))
    except (ValueError, OverflowError):
        return None
    return body if len(body) < _LONG and len(body) <= max_message else None


def decode_request(body: bytes) -> tuple[str, str, str, tuple[object, ...]]:
    """Decode the body of a `REQUEST` frame: ``(sender, to, ref, message)``.

    Raises:
        EnvelopeError: it is none.
    """
    try:
        sender, to, ref, tag, tuple_at, fields = _asked(body)
        if tuple_at != _NO_FIELD:
            fields[tuple_at] = tuple(fields[tuple_at])  # type: ignore[arg-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, IndexError) as error:
        raise EnvelopeError(f"a request has a broken envelope: {error}") from error
    return sender, to, ref, (tag, (sender, ref), *fields)


def encode(signal: AnySignal, max_message: int) -> Frame:
    """Encode any signal; those of the dead never fail (ER-02).

    Raises:
        UnserializableError: for a user message, or a reason given to ``exit()``.
        MessageTooLargeError: for a user message; a reason over the cap is replaced.
    """
    kind = type(signal)
    if kind in _PLAIN:
        return Frame(_PLAIN[kind], _encode(signal), getattr(signal, "sender", None))
    if isinstance(signal, Message | AliasMessage | TimerMessage):
        return encode_message(signal, max_message)
    if isinstance(signal, Exit | Exit2):
        reason = _given_reason(signal.reason) if isinstance(signal, Exit2) else dumps_reason(signal.reason)
        body = _encode((signal.sender, signal.to, _bounded(reason, signal.reason, max_message)))
        return Frame(_REASONS[kind], body, signal.sender)
    if isinstance(signal, Down):
        reason = _bounded(dumps_reason(signal.reason), signal.reason, max_message)
        return Frame(_REFERRED[kind], _encode((signal.sender, signal.to, signal.ref, reason)), signal.sender)
    if isinstance(signal, Answer):
        value = _bounded(_answer(signal.value), signal.value, max_message)
        return Frame(_REFERRED[kind], _encode((signal.sender, signal.to, signal.ref, value)), signal.sender)
    raise TypeError(f"no frame carries a {kind.__name__}")


def _given_reason(reason: object) -> bytes:
    """Encode what the user gave to ``exit()``: an exception becomes what a death would send, the rest must travel."""
    return dumps_reason(reason) if isinstance(reason, BaseException) else dumps(reason, what="reason")


def _answer(value: object) -> bytes:
    """Encode an answer; of a snapshot with something that cannot travel, the rest still does (PI-01)."""
    try:
        return dumps(value)
    except UnserializableError:
        if not isinstance(value, dict):
            return dumps_reason(value)
        return dumps({key: loads_reason(dumps_reason(each)) for key, each in value.items()})


def _bounded(payload: bytes, value: object, max_message: int) -> bytes:
    """Never let a gigantic reason keep a death from being told (ER-02)."""
    if len(payload) <= max_message:
        return payload
    return dumps_reason(("too_large", type(value).__name__, len(payload)))


def decode(kind: int, body: Body) -> AnySignal:
    """Decode one frame.

    Raises:
        EnvelopeError: unknown kind or broken envelope: the stream is corrupt.
        PayloadError: the stream is sound, this one message is not; it is to be dropped (SD-07).
    """
    signal = _NAMES.get(kind)
    try:
        if isinstance(body, tuple):
            return _decode_apart(kind, body)
        if kind in _FLAT_KINDS:
            return signal(*_flat(body))  # type: ignore[no-any-return, misc]
        if kind not in _APART_KINDS and (signal in _MESSAGES or signal in _REASONS):
            sender, to, payload = _carried(body) if len(body) < _LONG else _long_carried(body)
            content = loads(payload) if signal in _MESSAGES else loads_reason(payload)
            return signal(sender, to, content)  # type: ignore[no-any-return]
        if signal in _REFERRED:
            sender, to, ref, payload = _carried_ref(body)
            return signal(sender, to, ref, loads_reason(payload))  # type: ignore[no-any-return]
        if signal in _PLAIN:
            return _PLAIN_DECODERS[kind].decode(body)
    except MemoryError as error:
        raise PayloadError("the payload asks for more memory than there is") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"a frame of kind {kind} has a broken envelope: {error}") from error
    raise EnvelopeError(f"unknown frame kind {kind}")


def _decode_apart(kind: int, body: tuple[Part, ...]) -> AnySignal:
    if kind not in _APART_KINDS:
        raise EnvelopeError(f"a frame of kind {kind} does not come in parts")
    head, payload, *buffers = body
    sender, to, raw = _apart(head)
    return _NAMES[kind](sender, to, payload if raw else loads(payload, buffers))  # type: ignore[no-any-return]


def about(kind: int, body: Body) -> str:
    """Return who a message frame was for, for the log of one that could not be decoded."""
    try:
        sender, to, _ = _apart(body[0]) if isinstance(body, tuple) else _carried(body)
        return f"{_NAMES[kind].__name__} from {sender} to {to}"
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return f"a frame of kind {kind}"


def addressee(body: Body) -> str:
    """Return whom the frame of a user message was for; its envelope has been found sound."""
    return _apart(body[0])[1] if isinstance(body, tuple) else _carried(body).to


__all__ = [
    "BUNDLE",
    "CREDIT",
    "FLAT",
    "MESSAGE",
    "REPLY",
    "REQUEST",
    "USER_MESSAGES",
    "AnySignal",
    "EnvelopeError",
    "Frame",
    "PayloadError",
    "about",
    "addressee",
    "decode",
    "decode_bundle",
    "decode_flat",
    "decode_request",
    "encode",
    "encode_flat",
    "encode_message",
    "encode_request",
]
