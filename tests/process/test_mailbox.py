"""The mailbox as a part: queue, bound, gate, save position, refs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid
from otpnode.process.mailbox import IDLE, PARKED, SPECIAL, Exempt, refs_in
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard
from tests.support import drive, in_process, proc_of, settled, still_node, turns

Body = Callable[[Shard], Awaitable[None]]


def on_a_still_node(body: Body, **settings: object) -> None:
    """Run `body` beside a node whose time stands still."""

    async def main() -> None:
        async with still_node(**settings) as (shard, _):
            await body(shard)

    drive(main)


async def collect(got: list[object], count: int) -> None:
    for _ in range(count):
        got.append(await process.receive())


async def selective(got: list[object], wanted: object) -> None:
    got.append(await process.receive(match=lambda message: message == wanted))


async def parked(shard: Shard, func: Callable[..., object], *args: object) -> Proc:
    """Spawn, and wait until the process waits."""
    pid = await process.spawn(func, list(args))
    await settled(shard)
    return proc_of(shard, pid)


@pytest.mark.parametrize(
    ("message", "refs"),
    [
        (("a", "b", "c"), ("a", "b")),
        (("a",), ("a",)),
        ((1, "b"), ("b",)),
        ((), ()),
        (["a"], ()),
        ("a", ()),
        (None, ()),
    ],
)
def test_refs_are_looked_for_at_index_zero_and_one_of_tuples(message: object, refs: tuple[str, ...]) -> None:
    assert refs_in(message) == refs


def test_the_gate_says_where_the_owner_stands() -> None:
    async def body(shard: Shard) -> None:
        got: list[object] = []
        proc = await parked(shard, collect, got, 2)
        box = proc.mailbox
        assert box.gate == PARKED
        assert box.parked
        await process.send(proc.pid, 1)
        assert not box.parked
        assert box.receiving
        await settled(shard)
        assert got == [1]
        assert box.gate == PARKED
        await process.send(proc.pid, 2)
        await settled(shard)
        assert got == [1, 2]

    on_a_still_node(body)


def test_a_wait_for_one_ref_is_not_woken_by_other_messages() -> None:
    async def body(shard: Shard) -> None:
        got: list[object] = []

        async def waits() -> None:
            ref = process.make_ref()
            process.put("ref", ref)
            got.append(await process.receive(ref=ref))

        proc = await parked(shard, waits)
        assert proc.mailbox.gate == SPECIAL
        assert proc.mailbox.parked
        for number in range(5):
            await process.send(proc.pid, (number, "noise"))
        assert not shard.queue.ready
        ref = cast("dict[str, object]", await process.process_info(proc.pid, "dictionary"))["ref"]
        await process.send(proc.pid, ("reply", ref))
        await settled(shard)
        assert got == [("reply", ref)]

    on_a_still_node(body)


def test_mb09_exempt_messages_count_in_the_length_and_not_against_the_bound() -> None:
    async def body(shard: Shard) -> None:
        async def never_receives() -> None:
            await process.sleep(1000)

        proc = await parked(shard, never_receives)
        box = proc.mailbox
        for number in range(150):
            box.put_exempt(number)
        assert (len(box.queue), box.users, box.full) == (150, 0, False)
        for number in range(100):
            assert process.send_nowait(proc.pid, number)
        assert (box.users, box.full) == (100, True)
        assert not process.send_nowait(proc.pid, "one too many")
        assert box.messages() == [*range(150), *range(100)]
        assert type(box.queue[0]) is Exempt

    on_a_still_node(body)


def test_mb07_a_parked_mailbox_is_never_full() -> None:
    async def body(shard: Shard) -> None:
        got: list[object] = []
        proc = await parked(shard, selective, got, "wanted")
        for number in range(200):
            assert process.send_nowait(proc.pid, number)
            await settled(shard)
        assert process.send_nowait(proc.pid, "wanted")
        await settled(shard)
        assert got == ["wanted"]

    on_a_still_node(body)


def test_mb03_one_slot_admits_one_blocked_sender() -> None:
    async def body(shard: Shard) -> None:
        sent: list[int] = []

        async def sends(to: Pid, number: int) -> None:
            await process.send(to, number)
            sent.append(number)

        async def holds() -> None:
            await process.sleep(1000)

        pid = await process.spawn(holds, mailbox_limit=2)
        for number in range(5):
            await process.spawn(sends, [pid, number])
            await settled(shard)
        box = proc_of(shard, pid).mailbox
        assert sent == [0, 1]
        for number in range(3):
            assert box.take_at(0) == number
            await settled(shard)
            assert sent == list(range(number + 3))

    on_a_still_node(body)


def test_mb02_the_hundred_and_first_send_suspends() -> None:
    async def body(shard: Shard) -> None:
        async def holds() -> None:
            await process.sleep(1000)

        async def sends(to: Pid) -> None:
            for number in range(101):
                process.put("sent", number)
                await process.send(to, number)

        pid = await process.spawn(holds)
        sender = await process.spawn(sends, [pid])
        await settled(shard)
        assert await process.process_info(sender, "dictionary") == {"sent": 100}
        assert await process.process_info(pid, "message_queue_len") == 100
        assert [block.to for block in proc_of(shard, sender).blocks or ()] == [pid]

    on_a_still_node(body)


def test_rc08_messages_older_than_the_ref_are_not_looked_at() -> None:
    async def body(shard: Shard) -> None:
        looked = 0

        async def waits() -> object:
            for number in range(1000):
                await process.send(cast(Pid, process.self()), (number,))
            ref = process.make_ref()
            box = proc_of(shard, cast(Pid, process.self())).mailbox
            assert box.older == 1000
            await process.send(cast(Pid, process.self()), (ref, "reply"))
            found = box.find_ref(ref, count)
            assert found == 1000
            return await process.receive(ref=ref)

        def count(message: object) -> bool:
            nonlocal looked
            looked += 1
            return True

        assert cast("tuple[object, str]", await in_process(shard, waits))[1] == "reply"
        assert looked == 1

    on_a_still_node(body)


def test_rc08_the_mark_moves_with_what_is_taken_before_it() -> None:
    async def body(shard: Shard) -> None:
        async def takes() -> None:
            mine = cast(Pid, process.self())
            for number in range(10):
                await process.send(mine, number)
            ref = process.make_ref()
            await process.send(mine, (ref, "reply"))
            for number in range(4):
                assert await process.receive() == number
            assert await process.receive(match=lambda message: message == 7) == 7
            assert await process.receive(ref=ref) == (ref, "reply")
            assert [await process.receive(0) for _ in range(5)] == [4, 5, 6, 8, 9]

        await in_process(shard, takes)

    on_a_still_node(body)


async def hold() -> None:
    """Never receive."""
    await process.sleep(1000)


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_mb04_a_sender_that_is_gone_between_room_and_its_turn_has_not_sent(how: str) -> None:
    async def body(shard: Shard) -> None:
        pid = await process.spawn(hold, mailbox_limit=1)
        box = proc_of(shard, pid).mailbox
        await process.send(pid, "fills it")
        senders = [await process.spawn(process.send, [pid, name]) for name in ("first", "second", "third")]
        await settled(shard)
        box.take_at(0)
        assert box.full, "the slot is promised"
        if how == "killed":
            await process.exit(senders[0], "kill")
        else:
            proc_of(shard, senders[0]).cancel()
        await settled(shard)
        assert box.messages() == ["second"]
        assert [process.is_alive(each) for each in senders] == [False, False, True]
        assert (box.users, box.bound - box.limit) == (1, 0)
        box.take_at(0)
        await settled(shard)
        assert box.messages() == ["third"]

    on_a_still_node(body)


def test_mb04_one_let_in_by_a_parked_owner_makes_way_for_the_next() -> None:
    async def body(shard: Shard) -> None:
        got: list[object] = []
        word: asyncio.Future[None] = shard.loop.create_future()

        async def picks() -> None:
            await word
            await selective(got, "wanted")

        pid = await process.spawn(picks, mailbox_limit=1)
        await process.send(pid, "fills it")
        senders = [asyncio.ensure_future(process.send(pid, each)) for each in ("unwanted", "wanted")]
        await settled(shard)
        word.set_result(None)
        # Behind the step that parks the owner and lets the first in, before that one's own.
        shard.loop.call_soon(senders[0].cancel)
        await settled(shard)
        assert got == ["wanted"]
        await asyncio.wait(senders)
        assert [each.cancelled() for each in senders] == [True, False]

    on_a_still_node(body)


def test_mb05_closing_releases_who_is_blocked() -> None:
    async def body(shard: Shard) -> None:
        async def holds() -> None:
            await process.sleep(1000)

        pid = await process.spawn(holds, mailbox_limit=1)
        await process.send(pid, "fills it")
        outcome: list[object] = []

        async def sends() -> None:
            await process.send(pid, "blocked")
            outcome.append("returned")

        await process.spawn(sends)
        await settled(shard)
        box = proc_of(shard, pid).mailbox
        assert box.blocked
        await process.exit(pid, "kill")
        assert not box.queue
        await settled(shard)
        assert outcome == ["returned"]

    on_a_still_node(body)


def test_rc02_the_time_of_a_receive_is_measured_from_its_entry() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            ended: list[str] = []

            async def waits() -> None:
                try:
                    await process.receive(timeout=10, match=lambda message: message == "wanted")
                except TimeoutError:
                    ended.append("timeout")

            pid = await process.spawn(waits)
            await settled(shard)
            for _ in range(9):
                await process.send(pid, "noise")
                clock.advance(1)
                await settled(shard)
            assert ended == []
            clock.advance(1)
            await turns()
            assert ended == ["timeout"]

    drive(main)


def test_rc04_a_message_that_is_there_when_the_time_is_up_wins() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            got: list[object] = []

            async def waits() -> None:
                got.append(await process.receive(timeout=1))

            pid = await process.spawn(waits)
            await settled(shard)
            clock.advance(1)
            await process.send(pid, "just in time")
            await settled(shard)
            assert got == ["just in time"]

    drive(main)


def test_gates_of_the_dead_stay_shut() -> None:
    async def body(shard: Shard) -> None:
        async def holds() -> None:
            await process.sleep(1000)

        proc = await parked(shard, holds)
        await process.exit(proc.pid, "kill")
        proc.mailbox.put_exempt("nobody reads this")
        await settled(shard)
        assert proc.deaf
        assert proc.mailbox.state == IDLE

    on_a_still_node(body)
