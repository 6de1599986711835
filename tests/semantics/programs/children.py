"""CT: child tasks, threads, and callers outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import cast

import pytest

from otpnode import process
from otpnode.process import NotInProcessError, Pid, Ref
from tests.semantics.peers import (
    SOON,
    Boom,
    down,
    exit_of,
    finish,
    gone,
    linger,
    me,
    nothing_comes,
    settle,
    spawn_link_there,
    spawn_monitor_there,
    spawn_there,
)
from tests.semantics.program import semantic
from tests.support import until


async def who_in_children(answer: Ref) -> None:
    """Say what `self` is in everything a process can start."""
    seen: list[object] = []

    async def look() -> None:
        seen.append(process.self())

    await asyncio.create_task(look())
    async with asyncio.TaskGroup() as group:
        group.create_task(look())
    called = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: called.set_result(process.self()))
    seen += [await called, await asyncio.to_thread(process.self)]
    seen.append(await asyncio.get_running_loop().run_in_executor(None, process.self))
    await process.send(answer, (answer, seen))


@semantic("CT-01")
async def ct01_child_tasks_are_their_process() -> None:
    answer = process.alias()
    pid = await spawn_there(who_in_children, answer)
    assert await process.receive(SOON, ref=answer) == (answer, [pid] * 4 + [None])


async def link_in_child(to: Pid) -> None:
    """Link, monitor and send from a child task."""

    async def child() -> Ref:
        await process.link(to)
        await process.send(to, ("from child", process.self()))
        return await process.monitor(to)

    ref = await asyncio.create_task(child())
    await process.send(to, ("monitored", ref))
    await process.receive(match=lambda message: message == "end")
    raise process.ProcessExit("linked by child")


@semantic("CT-01")
async def ct01_what_a_child_task_causes_is_the_processs() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_there(link_in_child, me())
    assert await process.receive(SOON) == ("from child", pid)
    assert cast("tuple[object, Ref]", await process.receive(SOON))[0] == "monitored"
    assert pid in cast("list[Pid]", await process.process_info(me(), "monitored_by"))
    await process.send(pid, "end")
    assert await exit_of(pid) == "linked by child"


async def leave_children(answer: Ref) -> Pid:
    """End with tasks still running; return who counts them."""

    async def child() -> None:
        try:
            await linger()
        except asyncio.CancelledError:
            STOPPED.append(str(pid))
            raise

    pid = me()
    tasks = [asyncio.create_task(child()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return await process.spawn(count_stopped, [str(pid), answer], on="local")


STOPPED: list[str] = []


async def count_stopped(pid: str, answer: Ref) -> None:
    """Report once three children of `pid` are cancelled."""
    await until(lambda: STOPPED.count(pid) >= 3)
    await process.send(answer, (answer, STOPPED.count(pid)))


@semantic("CT-02")
async def ct02_child_tasks_end_with_their_process() -> None:
    answer = process.alias()
    _, ref = await spawn_monitor_there(leave_children, answer)
    assert await down(ref) == "normal"
    assert await process.receive(SOON, ref=answer) == (answer, 3)


async def bare_child_fails(answer: Ref) -> None:
    """Have a bare child task fail."""

    async def child() -> None:
        raise Boom("bare")

    task = asyncio.create_task(child())
    await asyncio.wait([task])
    assert isinstance(task.exception(), Boom)
    await process.send(answer, (answer, "lives"))


@semantic("CT-03")
async def ct03_the_exception_of_a_bare_child_is_no_exit() -> None:
    answer = process.alias()
    _, ref = await spawn_monitor_there(bare_child_fails, answer)
    assert await process.receive(SOON, ref=answer) == (answer, "lives")
    assert await down(ref) == "normal"


def run_verb(verb: Callable[..., Coroutine[object, object, object]], *args: object) -> None:
    """Run a coroutine verb as a thread might, once the process is off the step that started the thread."""
    process.call_threadsafe(process.self).result(SOON)
    asyncio.run(verb(*args))


async def use_threads(answer: Ref, to: Pid) -> None:
    """Say what the verbs do in a thread."""
    refused = 0
    for verb, args in ((process.send, (to, "m")), (process.receive, ()), (process.spawn, (finish,))):
        try:
            await asyncio.to_thread(run_verb, verb, *args)
        except RuntimeError:
            refused += 1
    for plain in (process.processes, process.alias, process.make_ref):
        try:
            await asyncio.to_thread(plain)
        except RuntimeError:
            refused += 1

    def in_thread() -> object:
        process.call_threadsafe(process.send, to, ("by thread", process.self())).result(SOON)
        return process.call_threadsafe(process.self).result(SOON)

    await process.send(answer, (answer, refused, await asyncio.to_thread(in_thread)))


@semantic("CT-04")
async def ct04_threads_use_call_threadsafe() -> None:
    answer = process.alias()
    pid = await spawn_there(use_threads, answer, me())
    assert await process.receive(SOON, ref=answer) == (answer, 6, pid)
    assert await process.receive(SOON) == ("by thread", pid)
    await nothing_comes()


async def outside(func: Callable[[], object]) -> object:
    """Run `func` in a task that belongs to no process."""
    return await asyncio.get_running_loop().create_task(_call(func), context=Context())


async def _call(func: Callable[[], object]) -> object:
    result = func()
    return await result if asyncio.iscoroutine(result) else result


@semantic("CT-05", only=("one",), why="two shards in one loop would have two outsides, a worker none")
async def ct05_what_works_outside_a_process() -> None:
    target = await process.spawn(linger)
    assert await outside(process.self) is None
    assert await outside(lambda: process.send(target, "hello")) is None
    assert await process.process_info(target, "messages") == ["hello"]
    spawned = cast(Pid, await outside(lambda: process.spawn(linger)))
    assert process.is_alive(spawned)
    await outside(lambda: process.register("ct05", spawned))
    assert await outside(lambda: process.whereis("ct05")) == spawned
    assert await outside(process.registered) == ["ct05"]
    assert spawned in cast("list[Pid]", await outside(process.processes))
    assert await outside(lambda: process.is_alive(spawned)) is True
    process.process_flag("trap_exits", True)
    await process.link(spawned)
    await outside(lambda: process.exit(spawned, "from outside"))
    assert await exit_of(spawned) == "from outside"
    mine = me()
    await outside(lambda: process.exit(mine, "hello"))
    message = cast("tuple[str, str, str]", await process.receive(SOON))
    assert message == ("EXIT", message[1], "hello")
    assert message[1].endswith(".0")


@semantic("CT-05", "RG-05", only=("one",), why="two shards in one loop would have two outsides, a worker none")
async def ct05_what_needs_a_process() -> None:
    pid, ref = me(), process.make_ref()
    attempts: list[Callable[[], object]] = [
        lambda: process.receive(timeout=0),
        lambda: process.link(pid),
        lambda: process.unlink(pid),
        lambda: process.monitor(pid),
        lambda: process.demonitor(ref),
        process.alias,
        lambda: process.spawn_link(finish),
        lambda: process.spawn_monitor(finish),
        lambda: process.process_flag("trap_exits", True),
        lambda: process.register("ct05"),
    ]
    for attempt in attempts:
        with pytest.raises(NotInProcessError):
            await outside(attempt)


@semantic("CT-02")
async def ct02_a_child_of_a_killed_process_is_cancelled() -> None:
    process.process_flag("trap_exits", True)
    answer = process.alias()
    pid = await spawn_link_there(wait_with_children, answer)
    counter = cast("tuple[object, Pid]", await process.receive(SOON, ref=answer))[1]
    await process.exit(pid, "kill")
    assert await exit_of(pid) == "killed"
    assert await process.receive(SOON, ref=answer) == (answer, 3)
    await gone(counter)
    await settle()


async def wait_with_children(answer: Ref) -> None:
    """Have children, and somebody who counts them, and wait."""
    await process.send(answer, (answer, await leave_children(answer)))
    await linger()
