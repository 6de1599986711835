"""The splitter gives the same frames whatever the split, and never trusts a length."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpnode.transport.framing import FrameError, FrameReader, pack

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=12)


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in pairwise(at)]


def test_pack_spells_length_kind_body() -> None:
    assert pack(7, b"abc") == b"\x04\x00\x00\x00\x07abc"


@given(FRAMES, st.lists(st.integers(min_value=0), max_size=20), st.sampled_from((bytes, bytearray, memoryview)))
def test_any_split_gives_the_same_frames(
    frames: list[tuple[int, bytes]], cuts: list[int], kind: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    reader = FrameReader(64)
    got = [
        frame for chunk in split(b"".join(pack(*frame) for frame in frames), cuts) for frame in reader.feed(kind(chunk))
    ]
    assert got == frames
    assert not reader.partial


def test_every_two_way_split_and_byte_by_byte() -> None:
    frames = [(1, b""), (2, b"x"), (3, b"yyyyyyyy"), (4, b"")]
    stream = b"".join(pack(*frame) for frame in frames)
    for cut in range(len(stream) + 1):
        reader = FrameReader(16)
        assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) == frames
    reader = FrameReader(16)
    assert [frame for byte in stream for frame in reader.feed(bytes([byte]))] == frames


@pytest.mark.parametrize("held", [1, 3, 4, 5, 8])
def test_truncated_tail_is_held_and_never_returned(held: int) -> None:
    reader = FrameReader(16)
    assert reader.feed(pack(1, b"whole") + pack(2, b"tail")[:held]) == [(1, b"whole")]
    assert reader.partial
    assert reader.feed(b"") == []


@pytest.mark.parametrize("length", [0, 17, 1 << 31, (1 << 32) - 1])
@given(before=FRAMES.map(lambda frames: [(kind, body[:15]) for kind, body in frames]), cuts=st.lists(st.integers(0)))
def test_corrupt_length_is_found_at_the_same_place_whatever_the_split(
    length: int, before: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(pack(*frame) for frame in before) + length.to_bytes(4, "little") + b"rest"
    reader = FrameReader(16)
    got: list[tuple[int, bytes]] = []
    raised = 0
    for chunk in split(stream, cuts):
        try:
            got += reader.feed(chunk)
        except FrameError as corrupt:
            raised += 1
            got += corrupt.complete
    assert got == before
    assert raised >= 1


def test_frame_of_exactly_the_cap_passes() -> None:
    assert FrameReader(16).feed(pack(1, bytes(15))) == [(1, bytes(15))]
    with pytest.raises(FrameError, match="17 bytes"):
        FrameReader(16).feed(pack(1, bytes(16)))


def test_an_announced_length_allocates_nothing() -> None:
    reader = FrameReader(1 << 30)
    tracemalloc.start()
    try:
        reader.feed((1 << 29).to_bytes(4, "little") + b"\x01some")
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


def test_one_big_frame_over_many_chunks_is_joined_once() -> None:
    reader = FrameReader(1 << 26)
    body = bytes(range(256)) * (1 << 14)
    stream = pack(9, body)
    frames: list[tuple[int, bytes]] = []
    for at in range(0, len(stream), 1000):
        frames += reader.feed(stream[at : at + 1000])
    assert frames == [(9, body)]
