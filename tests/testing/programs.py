"""Programs that the tests of `otpnode.testing` run: right ones, and such as leave something behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import cast

from otpnode import GenServer, Supervisor, child, process
from otpnode.process import Pid
from otpnode.testing import ManualClock, kill_shard, settle


class Boom(Exception):
    """What a program raises."""


def far() -> int:
    """Return the number of the last shard."""
    return process.schedulers() - 1


async def add(a: int, b: int) -> int:
    return a + b


async def fail() -> None:
    raise Boom("on purpose")


async def end_half_way() -> None:
    raise process.ProcessExit("normal")


async def crash_by_link() -> None:
    await process.spawn_link(fail, on=far())
    await process.receive()


async def never_end() -> None:
    await process.receive()


async def compute() -> None:
    while True:
        pass


async def wait_beside_one_that_computes() -> None:
    await process.spawn(compute, on="local", label="the culprit")
    await process.receive()


async def idle() -> None:
    while True:
        await process.receive()


# -- what is left behind ------------------------------------------------------


async def parent_of_one_forgotten() -> None:
    process.set_label("careless parent")
    await process.spawn(idle, on=far(), name="lost", label="forgotten")
    await process.receive()


async def leave_a_process() -> None:
    await process.spawn_link(parent_of_one_forgotten, on=far())
    while process.whereis("lost") is None:  # noqa: ASYNC110 - its parent never says a word
        await asyncio.sleep(0)


async def leave_linked_ones() -> None:
    await process.spawn_link(idle, on=far())
    await process.spawn_link(idle, on="local", name="not lost")


async def leave_an_os_process() -> int:
    answer = process.alias(reply=True)
    await process.spawn(start_an_os_process, [answer], on=far())
    return cast("tuple[object, int]", await process.receive(ref=answer))[1]


async def start_an_os_process(answer: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
    await process.send(answer, (answer, child.pid))


# -- settling -----------------------------------------------------------------


async def relay(to: Pid) -> None:
    await process.send(to, await process.receive())


async def keep_the_first() -> None:
    process.put("got", await process.receive())
    await process.receive()


async def chain(links: int, size: int) -> object:
    """Send `size` bytes along a chain of processes over all shards; return what is at its end once all is settled."""
    last = end = await process.spawn_link(keep_the_first, on=far())
    for number in range(links):
        last = await process.spawn(relay, [last], on=number % process.schedulers())
    await process.send(last, b"x" * size)
    # Ninety megabytes in all: a busy machine takes its time, and settle's own patience is not what is asked about.
    await settle(within=60)
    return len(cast(bytes, cast("dict[str, object]", await process.process_info(end, "dictionary"))["got"]))


async def exit_signals_settle_too() -> bool:
    """End a line of linked processes by one signal; none of it is a message."""
    first = last = await process.spawn(idle, on=far())
    for number in range(20):
        last = await process.spawn(link_to, [last], on=number % process.schedulers())
    await settle()
    await process.exit(last, "over")
    await settle()
    return process.is_alive(first) or process.is_alive(last)


async def link_to(other: Pid) -> None:
    await process.link(other)
    await process.receive()


async def names_settle_too() -> list[str]:
    await process.spawn_link(take_a_name, on=far())
    await settle()
    return process.registered()


async def take_a_name() -> None:
    await process.register("mine", cast(Pid, process.self()))
    await process.receive()


async def calls_under_way_are_still() -> None:
    """Settle beside two calls that nobody answers."""
    deaf = await process.spawn_link(idle, on=far())
    for where in (0, far()):
        await process.spawn_link(ask, [deaf], on=where)
    await settle(2)


async def ask(server: Pid) -> None:
    await GenServer.call(server, "anything", 600)


async def yield_for_ever() -> None:
    while True:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def ping_pong(other: Pid | None) -> None:
    if other is not None:
        await process.send(other, process.self())
    while True:
        await process.send(cast(Pid, await process.receive()), process.self())


async def settle_beside_a_busy_one() -> None:
    await process.spawn_link(yield_for_ever, on=far(), label="restless")
    await settle(0.3)


async def settle_beside_a_ping_pong() -> None:
    first = await process.spawn_link(ping_pong, [None], on="local", label="ping")
    await process.spawn_link(ping_pong, [first], on=far(), label="pong")
    await settle(0.3)


async def settle_beside_one_that_computes() -> None:
    pid = await process.spawn(compute, on=far())
    try:
        await settle(0.1)
    finally:
        await process.exit(pid, "kill")


async def settle_in_a_child_task() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(settle())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(yield_for_ever(), name="spinner")
        try:
            await settle(0.1)
        finally:
            task.cancel()


async def settling_leaves_no_message() -> object:
    await settle()
    return await process.process_info(cast(Pid, process.self()), "messages", "monitors")


# -- the loss of a shard ------------------------------------------------------


async def lose_a_shard(computing: bool = False) -> tuple[object, object, int]:
    """Kill shard 1; return the reason of a DOWN from there, what else came, and the incarnation that follows."""
    pid, ref = await process.spawn_monitor(idle, on=1, name="gone")
    if computing:
        await process.spawn(compute, on=1)
    await kill_shard(1)
    assert not process.is_alive(pid)
    assert process.whereis("gone") is None
    reason = cast("tuple[object, ...]", await process.receive(0, ref=ref))[4]
    left = await process.process_info(cast(Pid, process.self()), "messages", "monitors")
    return reason, left, await next_incarnation()


async def next_incarnation() -> int:
    """Return that of shard 1, once it is up again."""
    up = dict(await process.subscribe_shards())
    if 1 not in up:
        word = await process.receive(10, match=lambda m: isinstance(m, tuple) and m[:2] == ("shard_up", 1))
        return cast("tuple[str, int, int]", word)[2]
    return up[1]


async def kill_wrong_shards() -> list[str]:
    said = []
    for number in (0, 7):
        try:
            await kill_shard(number)
        except (ValueError, RuntimeError) as error:
            said.append(str(error))
    return said


# -- a clock of one's own -----------------------------------------------------


async def time_flies(clock: ManualClock) -> list[object]:
    """Note what an hour's timers do while the clock is moved by hand."""
    seen: list[object] = []
    me = cast(Pid, process.self())
    process.send_after(3600, me, "an hour")
    sleeper, ref = await process.spawn_monitor(process.sleep, [1800], on=far())
    await settle()
    seen.append(process.is_alive(sleeper))
    clock.advance(1800)
    await settle()
    seen.append(process.is_alive(sleeper))
    await process.receive(0, ref=ref)
    seen.append(await process.process_info(me, "messages"))
    clock.advance(1800)
    seen.append(await process.receive(0))
    return seen


async def crash_when_told() -> None:
    await process.receive()
    raise Boom("as told")


async def crash_every(seconds: float, clock: ManualClock) -> list[bool]:
    """Crash the child of a supervisor that bears two restarts in five seconds again and again; say if that lives on."""
    spec = child(crash_when_told, name="crashing", on=far())
    sup = await Supervisor.start([spec], max_restarts=2, max_seconds=5.0)
    survived: list[bool] = []
    while len(survived) < 5 and False not in survived:
        await process.send("crashing", "boom")
        await settle()
        survived.append(process.is_alive(sup))
        clock.advance(seconds)
    if survived[-1]:
        await Supervisor.stop(sup)
    return survived


async def refuse_to_die() -> None:
    process.process_flag("trap_exits", True)
    process.set_label("stubborn")
    while True:
        await process.receive()


async def leave_a_stubborn_one(clock: ManualClock) -> None:
    await process.spawn_link(refuse_to_die, on="local")
    await settle()


async def os_pids() -> tuple[int, int]:
    """Return the OS process of shard 0 and that of the last shard."""
    answer = process.alias(reply=True)
    await process.spawn(tell_os_pid, [answer], on=far())
    return os.getpid(), cast("tuple[object, int]", await process.receive(ref=answer))[1]


async def tell_os_pid(answer: str) -> None:
    await process.send(answer, (answer, os.getpid()))
