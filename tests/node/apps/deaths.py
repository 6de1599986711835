"""What the living see of a shard that is SIGKILLed. Each function is a program that checks and says ``passed``."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import cast

from otpnode import process
from otpnode.process import NameAlreadyRegisteredError, Pid, ProcessNotFoundError, Ref, ShardDownError
from tests.node.apps.tools import (
    answers,
    echo,
    get,
    get_tagged,
    idle,
    kill_shard,
    me,
    os_pid_of,
    passed,
    silence,
    until,
    up_again,
)

COUNT = 50


async def watched() -> None:
    """Links, monitors by pid and monitors by name: ``'noconnection'`` exactly once each."""
    process.process_flag("trap_exits", True)
    linked = [await process.spawn_link(idle, on=1) for _ in range(COUNT)]
    owed: dict[Ref, object] = {}
    for number in range(COUNT):
        pid, ref = await process.spawn_monitor(idle, on=1)
        owed[ref] = pid
        pid = await process.spawn(idle, name=f"resident {number}", on=1)
        owed[await process.monitor(pid)] = pid
        owed[await process.monitor(f"resident {number}")] = (f"resident {number}", process.node_name())
    owed[await process.monitor(linked[0], alias="explicit_unalias")] = linked[0]
    dropped = await process.monitor(linked[0])
    await process.demonitor(dropped)
    await kill_shard(1)
    exits: list[object] = []
    for _ in range(len(linked) + len(owed)):
        match await get():
            case ("EXIT", source, "noconnection"):
                exits.append(source)
            case ("DOWN", told, "process", target, "noconnection"):
                assert owed.pop(cast(Ref, told)) == target
            case other:
                raise AssertionError(other)
    assert sorted(map(str, exits)) == sorted(linked)
    assert not owed
    assert len(await _links()) == 0
    await silence()
    passed()


async def _links() -> list[Pid]:
    return cast("list[Pid]", await process.process_info(me(), "links"))


async def linked_victim(pid: Pid) -> None:
    await process.link(pid)
    await idle()


async def untrapped() -> None:
    """A process that does not trap exits dies with the shard of its linked one, of that reason."""
    pid = await process.spawn(idle, on=1)
    victim, ref = await process.spawn_monitor(linked_victim, [pid], on=0)
    await until(lambda: _has_links(victim), "the link")
    await kill_shard(1)
    assert await get(ref=ref) == ("DOWN", ref, "process", victim, "noconnection")
    passed()


async def _has_links(pid: Pid) -> bool:
    return bool(await process.process_info(pid, "links"))


async def stale() -> None:
    """A pid of the dead incarnation, once the next one is up."""
    process.process_flag("trap_exits", True)
    incarnation = dict(await process.subscribe_shards())[1]
    old, ref = await process.spawn_monitor(idle, on=1)
    await kill_shard(1)
    assert (await get(ref=ref))[4] == "noconnection"
    again = await up_again(1, incarnation)
    assert again == incarnation + 1
    # The second incarnation after the old one has its place on the board.
    await kill_shard(1)
    assert await up_again(1, again) == incarnation + 2
    new = await _with_serial_of(old)
    await _is_dead(old)
    ref = await process.monitor(old)
    assert await get(ref=ref) == ("DOWN", ref, "process", old, "noproc")
    await process.link(old)
    assert await get_tagged("EXIT") == ("EXIT", old, "noproc")
    await process.exit(old, "kill")
    assert await answers(new)
    assert process.is_alive(new)
    for dead in (incarnation, again):
        assert await get_tagged("shard_down") == ("shard_down", 1, dead, -9)
    await silence()
    passed()


async def _with_serial_of(old: Pid) -> Pid:
    """Start a process that differs from `old` in nothing but the incarnation."""
    for _ in range(50):
        new = await process.spawn(echo, on=1)
        if new.rpartition(".")[2] == old.rpartition(".")[2]:
            assert new != old
            return new
    raise AssertionError(f"no new process has the serial of {old}: {new}")


async def _is_dead(pid: Pid) -> None:
    try:
        await process.send(pid, "anybody")
    except ProcessNotFoundError:
        pass
    else:
        raise AssertionError("a message to a stale pid was accepted")
    try:
        process.send_nowait(pid, "anybody")
    except ProcessNotFoundError:
        pass
    else:
        raise AssertionError("a message to a stale pid was accepted")
    assert not process.is_alive(pid)
    assert pid not in process.processes()
    assert await process.process_info(pid) is None


async def while_down() -> None:
    """In the handler of the news itself: the shard may still be down, and the old pid is dead."""
    process.process_flag("trap_exits", True)
    old, ref = await process.spawn_monitor(idle, on=1)
    await kill_shard(1)
    assert (await get(ref=ref))[4] == "noconnection"
    await _is_dead(old)
    second = await process.monitor(old)
    assert (await get(ref=second))[4] in ("noconnection", "noproc")
    await process.link(old)
    assert (await get_tagged("EXIT"))[2] in ("noconnection", "noproc")
    passed()


async def registrar(asker: Pid) -> None:
    """On a third shard: look the name up when told that its owner is dead, and take it."""
    await get()
    found = process.whereis("door")
    try:
        await process.register("door", me())
    except NameAlreadyRegisteredError:
        found = Pid("taken")
    await process.send(asker, ("told", found))
    await idle()


async def names() -> None:
    """Names are free before the news of the death: in its handler, and for whoever is told by it."""
    incarnation = dict(await process.subscribe_shards())[1]
    for told in (False, True, False, True):
        other = await process.spawn(registrar, [me()], on=2)
        pid, ref = await process.spawn_monitor(idle, name="door", on=1)
        assert process.whereis("door") == pid
        await kill_shard(1)
        await get(ref=ref)
        if told:
            await process.send(other, ("it is dead",))
            assert await get_tagged("told") == ("told", None)
            assert process.whereis("door") == other
        else:
            assert process.whereis("door") is None
            assert "door" not in process.registered()
            await process.register("door", me())
            assert process.whereis("door") == me()
        await process.unregister("door")
        incarnation = await up_again(1, incarnation)
        assert process.whereis("door") is None
    passed()


async def subscriber(asker: Pid) -> None:
    await process.send(asker, ("first", await process.subscribe_shards()))
    await process.send(asker, ("then", await get(), await get()))


async def subscribed() -> None:
    """``subscribe_shards``: who is up now, then each change once, with the status of the dead."""
    assert await process.subscribe_shards() == [(0, 1), (1, 1), (2, 1)]
    other = await process.spawn(subscriber, [me()], on=2)
    assert (await get_tagged("first"))[1] == [(0, 1), (1, 1), (2, 1)]
    await kill_shard(1)
    assert await get_tagged("shard_down") == ("shard_down", 1, 1, -9)
    assert await get_tagged("shard_up") == ("shard_up", 1, 2)
    assert (await get_tagged("then"))[1:] == (("shard_down", 1, 1, -9), ("shard_up", 1, 2))
    assert await process.subscribe_shards() == [(0, 1), (1, 2), (2, 1)]
    await until(lambda: not process.is_alive(other), "the end of the subscriber")
    await silence()
    passed()


async def spawns() -> None:
    """``on=k`` while k is down: `ShardDownError`, or it works once the shard is up; ``'spread'`` never picks it."""
    process.process_flag("trap_exits", True)
    await process.subscribe_shards()
    failed = 0
    for verb in (process.spawn, process.spawn_link, process.spawn_monitor):
        incarnation = dict(await process.subscribe_shards())[1]
        await kill_shard(1)
        # The shard is dying under these: each either raises or gives a pid.
        for _ in range(20):
            failed += not await _spawned_on(1, verb)
        await get_tagged("shard_down")
        while not await _spawned_on(1, verb):
            failed += 1
            pid = await process.spawn(idle)
            assert process.shard_of(pid) in (0, 2), pid
            await asyncio.sleep(0)
        await up_again(1, incarnation)
        assert await _spawned_on(1, verb)
    assert failed, "the shard was never seen down"
    places = {process.shard_of(await process.spawn(idle)) for _ in range(30)}
    assert 1 in places, places
    passed()


async def _spawned_on(shard: int, verb: Callable[..., Awaitable[object]]) -> bool:
    try:
        told = await verb(idle, on=shard)
    except ShardDownError:
        return False
    pid = cast(Pid, told[0] if isinstance(told, tuple) else told)
    assert process.shard_of(pid) == shard
    return True


async def blocked_sender(to: Pid, asker: Pid) -> None:
    number = 0
    try:
        while True:
            await process.send(to, ("item", number))
            number += 1
    except ProcessNotFoundError:
        await process.send(asker, ("released", number))


async def senders() -> None:
    """Senders that wait for room in a mailbox of the dead shard go on, and the next send raises."""
    hole = await process.spawn(process.sleep, [600], on=1)
    for where in (0, 2):
        await process.spawn(blocked_sender, [hole, me()], on=where)
    await until(lambda: _messages_of(hole, 100), "a full mailbox")
    await kill_shard(1)
    for _ in (0, 2):
        # One message was on its way when the shard died: that send returned, the one after it raised.
        assert cast(int, (await get_tagged("released"))[1]) >= 100
    passed()


async def _messages_of(pid: Pid, wanted: int) -> bool:
    return cast(int, await process.process_info(pid, "message_queue_len") or 0) >= wanted


async def questions() -> None:
    """What waits for an answer of the dead shard is answered: `process_info`, `spawn` with a name."""
    jam = await process.spawn(process.sleep, [600], on=1)
    os_pid = await os_pid_of(1)
    os.kill(os_pid, signal.SIGSTOP)
    info = asyncio.create_task(process.process_info(jam, "status"))
    named = asyncio.create_task(process.spawn(idle, name="held", on=1))
    # Both ask in their first step; nobody over there can answer.
    await asyncio.sleep(0)
    assert not info.done()
    assert not named.done()
    os.kill(os_pid, signal.SIGKILL)
    assert await info is None
    try:
        await named
    except ShardDownError:
        pass
    else:
        raise AssertionError("a stopped shard answered")
    await until(lambda: process.whereis("held") is None, "the name")
    await process.register("held", me())
    passed()


async def together() -> None:
    """Two shards die at once: the survivor hears of each relation once, and both come back."""
    await process.subscribe_shards()
    pairs = [await process.spawn_monitor(idle, on=where) for where in (1, 2) for _ in range(COUNT)]
    await asyncio.gather(*(_kill(os_pid) for os_pid in [await os_pid_of(1), await os_pid_of(2)]))
    for pid, ref in pairs:
        assert await get(ref=ref) == ("DOWN", ref, "process", pid, "noconnection")
    assert {(await get_tagged("shard_up"))[1:] for _ in range(2)} == {(1, 2), (2, 2)}
    first, second = [await process.spawn(echo, on=where) for where in (1, 2)]
    assert await answers(first)
    assert await answers(second)
    passed()


async def _kill(os_pid: int) -> None:
    os.kill(os_pid, signal.SIGKILL)
