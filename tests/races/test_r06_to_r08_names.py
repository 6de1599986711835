"""R6 … R8: names that are given, lost and used at the same moment on several shards (SEMANTICS §22)."""

from __future__ import annotations

import pytest

from otpnode import process
from otpnode.process import NameAlreadyRegisteredError, Pid, ProcessNotFoundError
from otpnode.scheduler.control import NameRegister, NamesGone
from otpnode.signals import Message
from tests.races.puppets import SOON, Puppet, Stage, downs, play


async def where(name: str) -> Pid | None:
    """Look a name up, as the process that is ordered to."""
    return process.whereis(name)


@pytest.mark.parametrize("winner", [0, 1])
def test_r06_two_shards_register_one_name(winner: int) -> None:
    async def script(stage: Stage) -> None:
        puppets = [await stage.puppet(shard) for shard in range(2)]
        lookers = [await stage.puppet(shard) for shard in range(3)]
        gates = [stage.names(shard) for shard in range(2)]
        answers = []
        for gate, puppet in zip(gates, puppets, strict=True):
            gate.hold(NameRegister)
            answers.append(puppet.begin(process.register, "n"))
            await gate.caught(NameRegister)
        gates[winner].release()
        await answers[winner]
        for looker in lookers:
            assert await looker.do(where, "n") == puppets[winner].pid
        gates[1 - winner].release()
        with pytest.raises(NameAlreadyRegisteredError):
            await answers[1 - winner]
        for looker in lookers:
            assert await looker.do(where, "n") == puppets[winner].pid

    play(script, shards=3)


async def take_over(ref: str, name: str) -> object:
    """Register the name of a process as soon as its DOWN is here."""
    down = await process.receive(SOON, ref=ref)
    await process.register(name)
    assert isinstance(down, tuple)
    return down[4]


@pytest.mark.parametrize("heir", [0, 1, 2])
def test_r07_name_is_free_for_who_learns_of_the_death(heir: int) -> None:
    async def script(stage: Stage) -> None:
        p, q = await stage.puppet(1, name="n"), await stage.puppet(heir)
        ref = await q.do(process.monitor, p.pid)
        gate = stage.names(1)
        gate.hold(NamesGone)
        done = q.begin(take_over, ref, "n")
        await p.die("boom")
        await gate.caught(NamesGone)
        await stage.quiet()
        assert downs(q, ref) == []
        assert not done.done()
        gate.release()
        assert await done == "boom"
        assert await q.do(where, "n") == q.pid

    play(script, shards=3)


def got(puppet: Puppet) -> list[object]:
    """Return the user messages of a puppet."""
    return [each for each in puppet.mail if isinstance(each, str)]


def test_r08_send_by_name_while_the_name_moves() -> None:
    async def script(stage: Stage) -> None:
        sender, old, new = await stage.puppet(0), await stage.puppet(1, name="n"), await stage.puppet(2)
        stage.layer.hold(0, 1)
        await sender.do(process.send, "n", "first")
        await stage.layer.caught(0, 1, Message)
        await old.do(process.unregister, "n")
        await new.do(process.register, "n")
        await sender.do(process.send, "n", "second")
        await stage.quiet()
        assert got(new) == ["second"]
        stage.layer.release(0, 1)
        await stage.quiet()
        assert got(old) == ["first"]
        assert got(new) == ["second"]

    play(script, shards=3)


def test_r08_send_by_name_to_one_who_dies_reaches_no_stranger() -> None:
    """The message was resolved to a pid; neither the next process in its slot nor the next owner gets it."""

    async def script(stage: Stage) -> None:
        sender, old = await stage.puppet(0), await stage.puppet(1, name="n")
        stage.layer.hold(0, 1)
        await sender.do(process.send, "n", "lost")
        await old.die("boom")
        await stage.quiet()
        with pytest.raises(ProcessNotFoundError):
            await sender.do(process.send, "n", "refused")
        new = await stage.puppet(1, name="n")
        stage.layer.release(0, 1)
        await stage.quiet()
        assert got(new) == []
        await sender.do(process.send, "n", "found")
        await stage.quiet()
        assert got(new) == ["found"]

    play(script)


def test_r08_name_moves_with_the_publication_still_unread() -> None:
    """The sender's replica is behind; the version on the board makes it read first."""

    async def script(stage: Stage) -> None:
        sender, old, new = await stage.puppet(0), await stage.puppet(1, name="n"), await stage.puppet(2)
        await sender.do(where, "n")
        moved = new.begin(move, "n")
        sent = sender.begin(send_when, moved, "n", "late")
        await moved
        await sent
        await stage.quiet()
        assert (got(old), got(new)) == ([], ["late"])

    play(script, shards=3)


async def move(name: str) -> None:
    """Take a name from whoever has it."""
    await process.unregister(name)
    await process.register(name)


async def send_when(condition: object, name: str, message: str) -> None:
    """Send in the very turn in which a future completes."""
    await condition  # type: ignore[misc]
    await process.send(name, message)
