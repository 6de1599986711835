"""What every link does, whatever carries its bytes. Functions, applied by the tests of each link."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable

import pytest

from otpnode.errors import MessageTooLargeError
from otpnode.transport.bulk import CHUNK
from otpnode.transport.framing import pack
from tests.contracts.link_tools import MIB, LinkLog, Recorder, Rig, turn


async def frames_arrive_whole_and_in_order(rig: Rig) -> None:
    at_a, at_b = Recorder(), Recorder()
    a, b = rig.pair(at_a, at_b)
    there = [(n % 254, b"%d" % n * (n % 7)) for n in range(500)]
    back = [(n % 3, b"back" * n) for n in range(50)]
    for kind, body in there:
        a.write(kind, body)
    for kind, body in back:
        b.write(kind, body)
    assert at_b.frames == [], "a write delivers nothing by itself"
    await at_b.count(500)
    await at_a.count(50)
    assert at_b.frames == there
    assert at_a.frames == back
    assert (a.statistics().frames_out, b.statistics().frames_in) == (500, 500)
    assert a.statistics().bytes_out == b.statistics().bytes_in == sum(len(pack(*frame)) for frame in there)
    a.close()
    b.close()


async def frames_of_every_length_arrive(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    bodies = [random.Random(7).randbytes(size) for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7, 3 * MIB)]
    for number, body in enumerate(bodies):
        a.write(number, body, number)
    await at_b.count(len(bodies))
    assert sorted(at_b.frames) == list(enumerate(bodies))
    assert a.buffered == 0
    assert a.statistics().bulk_streams == 0
    a.close()
    b.close()


async def frames_in_parts_arrive_in_their_parts(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    dice = random.Random(8)
    bodies = [
        (b"head", bytearray(dice.randbytes(3 * CHUNK))),
        (b"head", dice.randbytes(CHUNK), bytearray(b"x"), dice.randbytes(2 * CHUNK + 1)),
        (dice.randbytes(CHUNK + 1), b"y"),
    ]
    for number, body in enumerate(bodies):
        a.write(number, body, number)
        a.write(number + 10, b"behind", number)
    await at_b.count(2 * len(bodies))
    arrived = [frame for frame in at_b.frames if frame[0] < 10]
    assert sorted(arrived) == list(enumerate(bodies))
    assert [[type(part) for part in body] for _, body in sorted(arrived)] == [list(map(type, body)) for body in bodies]
    assert (a.buffered, b.statistics().bytes_in) == (0, a.statistics().bytes_out)
    a.close()
    b.close()


async def what_is_written_at_once_keeps_its_place(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    a.write_at_once(1, b"first")
    assert a.buffered == 0, "it is out already"
    a.write(2, b"second")
    a.write_at_once(3, b"third")
    a.write_at_once(4, bytes(8 * MIB))
    a.write_at_once(5, b"behind")
    await at_b.count(5)
    assert [kind for kind, _ in at_b.frames] == [1, 2, 3, 4, 5]
    assert (a.statistics().frames_out, b.statistics().frames_in) == (5, 5)
    a.close()
    b.close()


async def a_bulk_frame_lets_other_lanes_pass_but_not_its_own(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    a.write(1, b"before", "bulky")
    a.write(2, bytes(8 * MIB), "bulky")
    a.write(3, b"behind", "bulky")
    assert a.statistics().bulk_streams == 1
    await at_b.count(1)
    a.write(4, b"signal", "other")
    await at_b.count(4)
    assert [kind for kind, _ in at_b.frames] == [1, 4, 2, 3]
    a.close()
    b.close()


async def bulk_frames_take_turns(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    a.write(1, bytes(6 * MIB), "long")
    a.write(2, bytes(MIB), "short")
    a.write(3, bytes(CHUNK + 1), "short")
    a.write(4, b"", "short")
    await at_b.count(4)
    assert [kind for kind, _ in at_b.frames] == [2, 3, 4, 1]
    a.close()
    b.close()


async def lanes_keep_their_order(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    dice = random.Random(20)
    sent: dict[int, list[bytes]] = {lane: [] for lane in range(5)}
    for number in range(400):
        lane = dice.randrange(5)
        size = dice.choice((0, 10, 1000, CHUNK, CHUNK + 1, 5 * CHUNK)) if number % 4 == 0 else 12
        body = b"%d " % number + bytes(size)
        sent[lane].append(body)
        a.write(lane, body, lane if lane else None)
        if number % 50 == 0:
            await turn()
    await at_b.count(400)
    for lane, bodies in sent.items():
        assert [body for kind, body in at_b.frames if kind == lane] == bodies
    a.close()
    b.close()


async def a_full_link_says_once_when_it_is_writable(rig: Rig) -> None:
    at_a, at_b = Recorder(), Recorder()
    a, b = rig.pair(at_a, at_b, high_water=MIB)
    for number in range(80):
        a.write(1, bytes(CHUNK), number)
    assert (a.full, a.buffered >= 80 * CHUNK) == (True, True)
    queued_when_told: list[int] = []
    at_a.on_room = lambda: queued_when_told.append(a.buffered)
    await at_b.count(80)
    assert len(queued_when_told) == 1
    assert queued_when_told[0] < MIB // 2
    assert not a.full
    a.close()
    b.close()


async def a_tap_keeps_frames_and_gives_them_back(rig: Rig) -> None:
    kept: list[tuple[int, bytes]] = []

    def tap(kind: int, body: bytes, /) -> bool:
        if kind == 9:
            kept.append((kind, body))
        return kind != 9

    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b, tap=tap)
    a.write(9, b"late")
    a.write(1, b"early")
    assert a.statistics().frames_out == 1
    a.inject(*kept[0])
    await at_b.count(2)
    assert at_b.frames == [(1, b"early"), (9, b"late")]
    a.close()
    b.close()


async def a_handler_that_raises_is_logged_and_reading_goes_on(rig: Rig) -> None:
    at_b, told = Recorder(), LinkLog()
    a, b = rig.pair(Recorder(), at_b)

    def fail(kind: int, body: bytes) -> None:
        if kind == 77:
            raise ValueError(body)

    at_b.on_each = fail
    with told:
        a.write(77, b"x")
        a.write(1, b"y")
        await at_b.count(2)
    (record,) = told.records
    assert "77" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    a.close()
    b.close()


async def a_burst_is_read_in_slices(rig: Rig) -> None:
    """FS-02: others get their turn in the middle of a burst, and order is kept."""
    at_b, time = Recorder(), [0.0]
    a, b = rig.pair(Recorder(), at_b, now=lambda: time[0])
    loop = asyncio.get_running_loop()
    seen_at_turn: list[int] = []

    def spend(kind: int, body: bytes) -> None:
        time[0] += 0.001

    def other() -> None:
        seen_at_turn.append(len(at_b.frames))
        if len(at_b.frames) < 100:
            loop.call_soon(other)

    at_b.on_each = spend
    for number in range(100):
        a.write(1, b"%d" % number)
    other()
    await at_b.count(100)
    assert [body for _, body in at_b.frames] == [b"%d" % number for number in range(100)]
    steps = [later - earlier for earlier, later in itertools.pairwise(seen_at_turn)]
    assert max(steps) <= 2
    a.close()
    b.close()


async def drain_delivers_at_once_what_was_written(rig: Rig) -> None:
    at_b, time = Recorder(), [0.0]
    a, b = rig.pair(Recorder(), at_b, now=lambda: time[0])

    def spend(kind: int, body: bytes) -> None:
        time[0] += 1.0

    at_b.on_each = spend
    for number in range(50):
        a.write(1, b"%d" % number)
    assert a.flush_now() == 0
    await at_b.count(1)
    a.write(2, b"last")
    a.flush_now()
    b.drain()
    assert [body for _, body in at_b.frames] == [*(b"%d" % number for number in range(50)), b"last"]
    assert at_b.closed == 0
    await turn()
    await turn()
    assert len(at_b.frames) == 51
    a.close()
    b.close()


async def drain_within_on_frame_keeps_order(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    at_b.on_each = lambda kind, body: b.drain() if kind == 3 else None
    for kind in range(8):
        a.write(kind, b"")
    a.flush_now()
    rig.cut(a, b"")
    await at_b.until(lambda: at_b.closed > 0)
    assert [kind for kind, _ in at_b.frames] == list(range(8))
    assert at_b.closed == 1
    b.close()


async def flush_now_returns_what_remains(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    a.write(1, bytes(16 * MIB))
    assert a.flush_now() == a.buffered > 0
    await at_b.count(1)
    assert a.flush_now() == a.buffered == 0
    a.close()
    b.close()


async def the_end_is_told_once_after_the_last_frame(rig: Rig) -> None:
    at_a, at_b = Recorder(), Recorder()
    a, b = rig.pair(at_a, at_b)
    closed_at: list[int] = []
    at_b.on_each = lambda kind, body: closed_at.append(at_b.closed)
    for number in range(20):
        a.write(1, b"%d" % number)
    a.flush_now()
    a.close()
    a.close()
    await at_b.until(lambda: at_b.closed > 0)
    b.drain()
    await turn()
    assert closed_at == [0] * 20
    assert (at_b.closed, at_b.corrupt) == (1, [])
    assert at_a.closed == 0, "who closes is not told"
    assert a.closed
    assert not b.closed
    b.close()


async def a_peer_that_is_gone_breaks_writing_and_not_reading(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b, high_water=MIB)
    b.write(1, bytes(8 * MIB))
    assert b.full
    a.write(7, b"said before it died")
    a.flush_now()
    rig.cut(a, b"")
    b.flush_now()
    assert b.broken
    assert (b.buffered, b.full) == (0, False)
    assert at_b.writable == 1, "whoever waits for room must not wait for ever"
    b.write(1, b"into the void")
    assert b.buffered == 0
    await at_b.until(lambda: at_b.closed > 0)
    assert at_b.frames == [(7, b"said before it died")]
    b.close()


async def a_partial_last_frame_is_discarded(rig: Rig) -> None:
    for split in (1, 4, 5, 9):
        at_b = Recorder()
        a, b = rig.pair(Recorder(), at_b)
        a.write(1, b"whole")
        a.flush_now()
        rig.cut(a, pack(2, b"partial")[:split])
        b.drain()
        assert (at_b.frames, at_b.closed, at_b.corrupt) == ([(1, b"whole")], 1, [])
        b.close()


async def a_corrupt_stream_is_told_once_and_delivers_no_more(rig: Rig) -> None:
    for rubbish in (bytes(4), b"\xff\xff\xff\xff", pack(254, b"no"), pack(255, b"1234")):
        at_b = Recorder()
        a, b = rig.pair(Recorder(), at_b)
        a.write(1, b"sound")
        a.flush_now()
        rig.cut(a, pack(2, b"sound too") + rubbish + pack(3, b"never"))
        await at_b.until(lambda at_b=at_b: bool(at_b.corrupt))  # type: ignore[misc]
        b.drain()
        await turn()
        assert at_b.frames == [(1, b"sound"), (2, b"sound too")]
        assert (len(at_b.corrupt), at_b.closed) == (1, 0)
        b.close()


async def close_stops_delivery(rig: Rig) -> None:
    at_b = Recorder()
    a, b = rig.pair(Recorder(), at_b)
    at_b.on_each = lambda kind, body: b.close()
    for _ in range(10):
        a.write(1, b"")
    a.flush_now()
    await at_b.count(1)
    b.drain()
    await turn()
    assert len(at_b.frames) == 1
    assert at_b.closed == 0
    a.close()


async def a_frame_over_the_cap_is_refused_and_nothing_is_queued(rig: Rig) -> None:
    a, b = rig.pair(Recorder(), Recorder(), max_message=MIB)
    with pytest.raises(MessageTooLargeError):
        a.write(1, bytes(2 * MIB))
    with pytest.raises(ValueError, match="254"):
        a.write(254, b"")
    assert a.statistics().frames_out == a.buffered == 0
    a.close()
    b.close()


CONTRACT: tuple[Callable[[Rig], Awaitable[None]], ...] = (
    frames_arrive_whole_and_in_order,
    frames_of_every_length_arrive,
    frames_in_parts_arrive_in_their_parts,
    what_is_written_at_once_keeps_its_place,
    a_bulk_frame_lets_other_lanes_pass_but_not_its_own,
    bulk_frames_take_turns,
    lanes_keep_their_order,
    a_full_link_says_once_when_it_is_writable,
    a_tap_keeps_frames_and_gives_them_back,
    a_handler_that_raises_is_logged_and_reading_goes_on,
    a_burst_is_read_in_slices,
    drain_delivers_at_once_what_was_written,
    drain_within_on_frame_keeps_order,
    flush_now_returns_what_remains,
    the_end_is_told_once_after_the_last_frame,
    a_peer_that_is_gone_breaks_writing_and_not_reading,
    a_partial_last_frame_is_discarded,
    a_corrupt_stream_is_told_once_and_delivers_no_more,
    close_stops_delivery,
    a_frame_over_the_cap_is_refused_and_nothing_is_queued,
)
