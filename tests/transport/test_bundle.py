"""Many messages in one frame: what comes out, what is refused, and where the frame stands among the others."""

from __future__ import annotations

import math

import pytest

from otpnode.errors import MessageTooLargeError
from otpnode.transport.bulk import CHUNK, MAX_WIRE_FRAME, Outbox
from otpnode.transport.bundle import FULL_BYTES, LONGEST, Bundle
from otpnode.transport.codec import BUNDLE, EnvelopeError, decode_bundle
from otpnode.transport.framing import HEADER_BYTES, FrameReader

CAP = 1 << 20
SENDER, TO = "pid_n.0.1.1", "pid_n.1.1.2"

FLAT_MESSAGES = [(), ("a", 1, 2.5, None, True, b"x"), (-(2**63), 2**64 - 1), ("é" * 1000,), (math.inf,)]
OTHERS = [7, "text", b"x", ["a"], (("a",), 1), ("\ud800", 1), (2**70,), (True, [1]), ("x" * (LONGEST + 1),)]


def opened(max_message: int = CAP) -> Bundle:
    return Bundle(BUNDLE, SENDER, TO, max_message)


def frames_of(wire: bytes) -> list[tuple[int, bytes]]:
    return FrameReader(MAX_WIRE_FRAME).feed(wire)


def test_messages_come_back_as_they_were_and_in_order() -> None:
    bundle = opened()
    assert [bundle.add(message) for message in FLAT_MESSAGES] == [True] * len(FLAT_MESSAGES)
    ((kind, body),) = frames_of(bytes(bundle.seal()))
    assert kind == BUNDLE
    sender, to, messages = decode_bundle(body)
    assert (sender, to, messages) == (SENDER, TO, FLAT_MESSAGES)
    assert [[*map(type, message)] for message in messages] == [[*map(type, message)] for message in FLAT_MESSAGES]


@pytest.mark.parametrize("other", OTHERS, ids=lambda value: repr(value)[:20])
def test_what_is_not_flat_or_too_long_leaves_nothing_behind(other: object) -> None:
    bundle = opened()
    assert (bundle.add(("before",)), bundle.add(other), bundle.add(("after",))) == (True, False, True)
    ((_, body),) = frames_of(bytes(bundle.seal()))
    assert decode_bundle(body)[2] == [("before",), ("after",)]


def test_the_cap_of_one_message_holds_in_a_bundle() -> None:
    bundle = opened(max_message=20)
    assert not bundle.add(("x" * 20,))
    assert [bundle.add(("x" * 18,)) for _ in range(3)] == [True] * 3, "the cap is of one message, not of all"


def test_a_full_one_is_closed_and_still_no_big_frame() -> None:
    bundle = opened()
    while bundle.open:
        assert bundle.add(("x" * (LONGEST // 2), 1))
    assert bundle.add(("x" * (LONGEST - 10),))
    assert FULL_BYTES < len(bundle.seal()) <= CHUNK


def test_sh11_what_is_no_bundle_is_corruption() -> None:
    for body in (b"", b"\x93\xa1a\xa1b\x01", b"\x93\xa1a\xa1b\x91\xa1c", b"\x92\xa1a\xa1b"):
        with pytest.raises(EnvelopeError):
            decode_bundle(body)


# -- among other frames -------------------------------------------------------


def bodies(outbox: Outbox) -> list[object]:
    """Return what would be written: the body of each frame, of a bundle its messages."""
    wire = b""
    while outbox.buffered:
        wire += outbox.take(CHUNK)
    return [decode_bundle(body)[2] if kind == BUNDLE else body for kind, body in frames_of(wire)]


def test_so01_a_bundle_is_closed_by_the_next_frame() -> None:
    outbox, first, second = Outbox(CAP), opened(), opened()
    outbox.put(1, b"before", SENDER)
    assert first.add((1,))
    assert outbox.begin(first)
    assert first.add((2,))
    outbox.put(1, b"between", SENDER)
    assert not first.open
    assert second.add((3,))
    assert outbox.begin(second)
    assert second.add((4,))
    assert bodies(outbox) == [b"before", [(1,), (2,)], b"between", [(3,), (4,)]]
    assert not second.open


def test_so01_no_bundle_passes_a_big_frame() -> None:
    outbox, bundle = Outbox(CAP), opened()
    assert bundle.add((1,))
    outbox.put(1, bytes(2 * CHUNK), SENDER)
    assert not outbox.begin(bundle)
    while outbox.buffered:
        outbox.take(CHUNK)
    assert outbox.begin(bundle)


def test_an_outbox_counts_every_byte_of_a_bundle() -> None:
    outbox, bundle = Outbox(CAP), opened()
    assert bundle.add((1,))
    assert outbox.begin(bundle)
    assert outbox.buffered == HEADER_BYTES
    for number in range(100):
        assert bundle.add((number, "x" * 50))
    with pytest.raises(MessageTooLargeError):
        outbox.put(1, bytes(2 * CAP), "other")
    assert outbox.buffered > 0
    assert len(outbox.take(CHUNK)) > 5000
    assert outbox.buffered == 0
