"""Bad bytes: whatever comes in, nothing comes out but frames, signals and three errors (SD-07, SH-11)."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otpnode import signals
from otpnode.transport.bulk import Inbox, Outbox
from otpnode.transport.codec import AnySignal, EnvelopeError, PayloadError, decode, encode
from otpnode.transport.framing import FrameError, FrameReader, pack

A, B, REF = "pid_n.0.1.1", "pid_n.1.1.2", "ref_n.0.1.3"
MAX = 1 << 20
VALUES: tuple[object, ...] = (
    None, 7, 1 << 80, "text", b"bytes", (A, 1), [1, [2, (3,)]], {"k": {1, 2}}, ValueError("bad"), bytearray(300), 1.5,
)  # fmt: skip


def one_of_each() -> list[AnySignal]:
    """Return signals of every kind."""
    plain: list[AnySignal] = [
        signals.Link(A, B), signals.UnlinkId(A, B, 3), signals.UnlinkAck(A, B, 3), signals.Monitor(A, B, REF),
        signals.Demonitor(A, B, REF), signals.Ask(A, B, REF, "info", ["x"]), signals.SpawnReply(A, REF, B, b"x"),
        signals.SpawnRequest(A, REF, b"call", True, False, True, True, 5, "name", None, False, [A]),
        signals.Credit(A, 5), signals.Nack(A, "why"), signals.Probe(A, B, REF),
    ]  # fmt: skip
    for value in VALUES:
        plain += [signals.Message(A, B, value), signals.AliasMessage(A, REF, value), signals.TimerMessage(A, B, value)]
        plain += [signals.Exit(A, B, value), signals.Exit2(A, B, value)]
        plain += [signals.Down(A, B, REF, value), signals.Answer(A, B, REF, value)]
    return plain


FRAMES = [encode(signal, MAX) for signal in one_of_each()]
STREAM = b"".join(pack(frame.kind, frame.body) for frame in FRAMES)


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """Return `data` with something wrong in it."""
    bad = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(bad) + 1)
        match rng.randrange(5):
            case 0 if at < len(bad):
                bad[at] ^= 1 << rng.randrange(8)
            case 1:
                del bad[at : at + rng.randrange(1, 9)]
            case 2:
                bad[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                bad[at : at + 4] = struct.pack("<I", rng.choice((0, 1, MAX, 1 << 31, (1 << 32) - 1)))
            case _:
                del bad[at:]
    return bytes(bad)


def pieces(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """Cut `data` anywhere."""
    at = 0
    while at < len(data):
        size = rng.choice((1, 3, 100, 70_000))
        yield data[at : at + size]
        at += size


def read_all(kind: int, body: bytes) -> None:
    """Decode one frame; the two errors are the only ones."""
    try:
        signal = decode(kind, body)
    except (EnvelopeError, PayloadError):
        return
    assert type(signal).__module__ == signals.__name__


def test_the_frames_are_sound_to_begin_with() -> None:
    for frame in FRAMES:
        decode(frame.kind, frame.body)
    assert FrameReader(MAX).feed(STREAM) == [(frame.kind, frame.body) for frame in FRAMES]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 62))
def test_spoiled_bodies(seed: int) -> None:
    rng = random.Random(seed)
    for frame in rng.choices(FRAMES, k=10):
        read_all(frame.kind if rng.random() < 0.9 else rng.randrange(256), spoiled(rng, frame.body))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 62))
def test_spoiled_streams(seed: int) -> None:
    rng = random.Random(seed)
    reader = FrameReader(MAX)
    try:
        for piece in pieces(rng, spoiled(rng, STREAM)):
            for kind, body in reader.feed(piece):
                read_all(kind, body)
    except FrameError:
        with pytest.raises(FrameError):
            reader.feed(b"")


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_bytes(kind: int, body: bytes) -> None:
    read_all(kind, body)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 62))
def test_spoiled_pieces_of_big_frames(seed: int) -> None:
    """What is put together is corrupt or not; it never grows beyond what has come, and it never raises."""
    rng = random.Random(seed)
    outbox, inbox = Outbox(MAX), Inbox(MAX)
    for lane in range(3):
        outbox.put(1, rng.randbytes(150_000), lane)
        outbox.put(2, b"small", lane)
    stream = b""
    while outbox.buffered:
        stream += outbox.take(1 << 16)
    for piece in pieces(rng, spoiled(rng, stream)):
        inbox.feed(piece)
    for kind, body in inbox.arrived:
        read_all(kind, body)


def test_memory_is_not_taken_on_the_word_of_a_length() -> None:
    rng = random.Random(1)
    tracemalloc.start()
    try:
        for _ in range(300):
            for frame in rng.choices(FRAMES, k=3):
                read_all(frame.kind, spoiled(rng, frame.body))
            inbox = Inbox(MAX)
            inbox.feed(spoiled(rng, STREAM))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 64 << 20
