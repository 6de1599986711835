"""A message comes back as it was, whichever of its three frames it travels in."""

from __future__ import annotations

import pickle
from typing import cast

import pytest

from otpnode.errors import MessageTooLargeError
from otpnode.signals import AliasMessage, Message, TimerMessage
from otpnode.transport.bulk import CHUNK
from otpnode.transport.codec import (
    FLAT,
    EnvelopeError,
    decode,
    decode_request,
    encode,
    encode_message,
    encode_request,
)

CAP = 1 << 30


class Samples:
    """What an array is to pickle: a buffer that may travel beside it."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Samples, (pickle.PickleBuffer(self.data),)


def there_and_back(message: object, kind: type = Message) -> object:
    """Return what arrives."""
    frame = encode_message(kind("pid_n.0.1.1", "pid_n.1.1.2", message), CAP)
    signal = decode(frame.kind, frame.body)
    assert type(signal) is kind
    assert signal[:2] == ("pid_n.0.1.1", "pid_n.1.1.2")
    return cast(Message, signal).message


@pytest.mark.parametrize("kind", [Message, AliasMessage, TimerMessage])
@pytest.mark.parametrize(
    "message",
    [
        *((), ("a", 1, 2.5, None, True, b"x"), ("\ud800", 1), (2**70,), ((1,), 2)),
        *(7, "text", [1, (2, 3)], b"x" * CHUNK, b"x" * (CHUNK + 1), ("x" * CHUNK, 1), ["y" * 3 * CHUNK]),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_every_message_comes_back_as_it_was(message: object, kind: type) -> None:
    back = there_and_back(message, kind)
    assert (back, type(back)) == (message, type(message))


def test_only_flat_tuples_are_flat() -> None:
    for message in (("a", 1), (b"", None)):
        assert encode_message(Message("a", "b", message), CAP).kind == FLAT
    for message in (1, ["a"], (("a",),), ("x" * CHUNK,)):
        assert encode_message(Message("a", "b", message), CAP).kind != FLAT


def test_sd06_a_long_buffer_is_what_it_was_when_it_was_sent() -> None:
    data = bytearray(b"a" * 3 * CHUNK)
    frame = encode_message(Message("a", "b", [Samples(data), Samples(b"b" * 2 * CHUNK), Samples(bytearray(b"c"))]), CAP)
    data[:] = b"z" * len(data)
    signal = decode(frame.kind, frame.body)
    assert isinstance(signal, Message)
    first, second, third = cast("list[Samples]", signal.message)
    assert (type(first.data), first.data) == (bytearray, b"a" * 3 * CHUNK)
    assert (type(second.data), second.data) == (bytes, b"b" * 2 * CHUNK)
    assert (type(third.data), third.data) == (bytearray, b"c")


@pytest.mark.parametrize("size", [100, CHUNK + 100])
def test_the_cap_is_the_same_whatever_the_frame(size: int) -> None:
    for message in (b"x" * size, ("x" * size,), ["x" * size], [Samples(b"x" * size)]):
        most = next(cap for cap in range(size, size + 200) if fits(message, cap))
        encoded = encode_message(Message("a", "b", message), most)
        assert not fits(message, most - 1)
        assert encoded.kind


def fits(message: object, cap: int) -> bool:
    """Tell whether a message may be sent."""
    try:
        encode_message(Message("a" * 100, "b" * 100, message), cap)
    except MessageTooLargeError:
        return False
    return True


def test_sh11_a_frame_in_parts_of_a_kind_that_has_none_is_corruption() -> None:
    frame = encode(Message("a", "b", 1), CAP)
    with pytest.raises(EnvelopeError, match="parts"):
        decode(frame.kind, (cast(bytes, frame.body), b"x"))
    long = encode(Message("a", "b", b"x" * 2 * CHUNK), CAP)
    with pytest.raises(EnvelopeError):
        decode(long.kind, b"".join(long.body))  # type: ignore[arg-type]
    with pytest.raises(EnvelopeError):
        decode(FLAT, b"\x93\xa1a\xa1b\x01")


REF = "ref_n.0.1.9"


@pytest.mark.parametrize(
    "fields",
    [(), (1,), ("x", [REF, None]), (("add", 1, b"2"), ["pid_n.0.1.1"]), ([],), ((),), (1.5, True, None)],
    ids=repr,
)
def test_a_request_comes_back_as_it_was(fields: tuple[object, ...]) -> None:
    message = ("call", ("pid_n.0.1.1", REF), *fields)
    body = encode_request("pid_n.0.1.1", "pid_n.1.1.2", REF, message, CAP)
    assert body is not None
    back = decode_request(body)
    assert back == ("pid_n.0.1.1", "pid_n.1.1.2", REF, message)
    assert [*map(type, back[3])] == [*map(type, message)]


def test_sd06_a_request_that_msgpack_would_change_is_pickled() -> None:
    same = [1]
    for fields in ((same, same), ((1,), (2,)), ({},), (((1,), 2),), ([[1]],), (2**70,), ("\ud800",), ("x" * CHUNK,)):
        assert encode_request("a", "b", REF, ("call", ("a", REF), *fields), CAP) is None
    assert encode_request("a", "b", REF, (1, ("a", REF)), CAP) is None, "a tag that is no text"
    assert encode_request("a", "b", REF, ("call", ("a", REF), "x" * 50), 60) is None, "perhaps over the cap"


def test_sh11_what_is_no_request_is_corruption() -> None:
    start = b"\x96\xa1a\xa1b\xa1r\xa1t"
    no_such_field, no_tuple = start + b"\x02\x91\x01", start + b"\x00\x91\x01"
    for body in (b"", b"\x92\xa1a\xa1b", no_such_field, no_tuple):
        with pytest.raises(EnvelopeError):
            decode_request(body)
