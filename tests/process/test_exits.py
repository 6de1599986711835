"""What a signal does, cell by cell, and what a death owes; then graces, by the clock of the test."""

from __future__ import annotations

import asyncio

import pytest

from otpnode import process
from otpnode.process import exits
from otpnode.process.exits import Deliver, Die
from otpnode.process.proc import DEAD, EXITING
from otpnode.signals import Demonitor, Down, Exit
from tests.support import drive, proc_of, settled, still_node, turns

ME, OTHER = "pid_n.0.1.1", "pid_n.0.1.2"


class LooksNormal(str):
    """Equal to ``'normal'`` and not it."""

    __slots__ = ()


@pytest.mark.parametrize("reason", ["kill", "killed", "boom", "shutdown", ("shutdown", 1), None, LooksNormal("normal")])
def test_ex01_over_a_link(reason: object) -> None:
    assert exits.over_link(OTHER, reason, trapping=False) == Die(reason)
    assert exits.over_link(OTHER, reason, trapping=True) == Deliver(("EXIT", OTHER, reason))


def test_ex01_normal_over_a_link() -> None:
    assert exits.over_link(OTHER, "normal", trapping=False) is None
    assert exits.over_link(OTHER, "normal", trapping=True) == Deliver(("EXIT", OTHER, "normal"))


@pytest.mark.parametrize("trapping", [True, False])
@pytest.mark.parametrize("sender", [ME, OTHER])
def test_ex01_kill_by_exit(trapping: bool, sender: str) -> None:
    assert exits.by_exit(sender, ME, "kill", trapping=trapping) == Die("killed")


def test_ex01_normal_by_exit() -> None:
    assert exits.by_exit(OTHER, ME, "normal", trapping=False) is None
    assert exits.by_exit(OTHER, ME, "normal", trapping=True) == Deliver(("EXIT", OTHER, "normal"))
    assert exits.by_exit(ME, ME, "normal", trapping=False) == Die("normal")
    assert exits.by_exit(ME, ME, "normal", trapping=True) == Deliver(("EXIT", ME, "normal"))


@pytest.mark.parametrize("reason", ["killed", "boom", "shutdown", None, LooksNormal("kill")])
@pytest.mark.parametrize("sender", [ME, OTHER])
def test_ex01_any_other_reason_by_exit(reason: object, sender: str) -> None:
    assert exits.by_exit(sender, ME, reason, trapping=False) == Die(reason)
    assert exits.by_exit(sender, ME, reason, trapping=True) == Deliver(("EXIT", sender, reason))


async def holds() -> None:
    await asyncio.sleep(3600)


def test_a_death_owes_exits_then_downs_then_the_ends_of_its_monitors() -> None:
    async def main() -> None:
        async with still_node() as (shard, _):
            peers = [await process.spawn(holds) for _ in range(3)]

            async def related() -> None:
                await process.link(peers[0])
                await process.monitor(peers[1])
                await holds()

            async def watches() -> None:
                await process.monitor(pid)
                await holds()

            pid = await process.spawn(related)
            watcher = await process.spawn(watches)
            await settled(shard)
            proc = proc_of(shard, pid)
            owed = exits.fan_out(proc, "over")
            assert [type(signal) for signal in owed] == [Exit, Down, Demonitor]
            assert owed[0] == Exit(pid, peers[0], "over")
            assert owed[1][:2] == (pid, watcher)
            assert owed[2][:2] == (pid, peers[1])

    drive(main)


async def swallows(log: list[str]) -> None:
    """Take every cancellation for nothing, for a while."""
    for _ in range(100):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            log.append("cancelled")
        if len(log) == 3:
            return


def test_ac03_the_grace_is_five_seconds_then_a_second_cancel_then_it_is_abandoned() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            log: list[str] = []
            pid = await process.spawn(swallows, [log])
            await settled(shard)
            proc = proc_of(shard, pid)
            await process.exit(pid, "boom")
            await turns()
            assert log == ["cancelled"]
            clock.advance(4.9)
            await turns()
            assert proc.state == EXITING
            assert log == ["cancelled"]
            clock.advance(0.1)
            await turns()
            assert log == ["cancelled"] * 2
            assert proc.state == EXITING
            clock.advance(0.5)
            assert proc.state == DEAD
            assert proc.reason == "boom"
            assert shard.table.find(pid) is None
            proc.cancel()
            proc._fut_waiter.cancel()  # type: ignore[union-attr]
            await turns()
            assert log == ["cancelled"] * 3

    drive(main)


def test_ac05_kill_has_half_a_second() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            log: list[str] = []
            pid = await process.spawn(swallows, [log], name="stubborn")
            await settled(shard)
            proc = proc_of(shard, pid)
            await process.exit(pid, "kill")
            await turns()
            clock.advance(0.4)
            assert proc.state == EXITING
            assert process.whereis("stubborn") == pid
            clock.advance(0.1)
            assert proc.state == DEAD
            assert proc.reason == "killed"
            assert process.whereis("stubborn") is None
            for _ in range(2):
                proc._fut_waiter.cancel()  # type: ignore[union-attr]
                await turns()

    drive(main)


def test_ac05_what_is_cut_off_is_never_resumed() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            reached: list[str] = []

            async def zombie() -> None:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    await until_word
                reached.append("after the word")
                try:
                    process.send_nowait(witness, "from the dead")
                except process.ProcessExit:
                    reached.append("plain verb refused")
                await process.send(witness, "from the dead")
                reached.append("never")

            until_word: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            witness = await process.spawn(holds)
            pid = await process.spawn(zombie)
            await settled(shard)
            await process.exit(pid, "kill")
            await turns()
            clock.advance(0.5)
            until_word.set_result(None)
            await turns(10)
            assert reached == ["after the word", "plain verb refused"]
            assert await process.process_info(witness, "messages") == []

    drive(main)


def test_ex07_a_kill_shortens_the_grace_of_who_is_ending() -> None:
    async def main() -> None:
        async with still_node() as (shard, clock):
            log: list[str] = []
            pid = await process.spawn(swallows, [log])
            await settled(shard)
            proc = proc_of(shard, pid)
            await process.exit(pid, "first")
            await process.exit(pid, "kill")
            clock.advance(0.5)
            assert (proc.state, proc.reason) == (DEAD, "first")
            for _ in range(3):
                await turns()
                proc._fut_waiter and proc._fut_waiter.cancel()

    drive(main)


def test_ac02_a_process_struck_before_its_first_step_is_never_entered(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):
            entered: list[int] = []

            async def child() -> None:
                entered.append(1)

            pid = await process.spawn(child)
            proc = proc_of(shard, pid)
            await process.exit(pid, "boom")
            await settled(shard)
            assert entered == []
            assert (proc.state, proc.reason) == (DEAD, "boom")
            assert proc.cancelled()

    drive(main)
    assert not caplog.records


def test_er01_an_uncaught_exception_logs_one_error(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with still_node() as (shard, _):

            async def fails() -> None:
                raise KeyError("why")

            async def leaves() -> None:
                raise process.ProcessExit("boom")

            await process.spawn(fails, label="the failing one")
            await process.spawn(leaves)
            await settled(shard)

    drive(main)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    text = caplog.records[0].getMessage()
    assert "the failing one" in text
    assert "KeyError: 'why'" in text
    assert "in fails" in text
