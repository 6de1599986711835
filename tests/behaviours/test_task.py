"""TK-01, TK-02: tasks and those who wait for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import Done, Exited, Task, TaskExit, TaskTimeoutError, process
from tests.behaviours.jobs import fail, report, square, square_later
from tests.behaviours.servers import SOON, ending_of, next_message, no_message, on_a_node

FAR = 1
"""A shard that is another one where there are two."""


async def own(boss: str, error: BaseException, catch: bool) -> None:
    """Own a linked task that fails, and wait for it."""
    process.process_flag("trap_exits", catch)
    task = await Task.run(fail, [error], on=FAR)
    try:
        await task
    except TaskExit as exit_:
        await process.send(boss, ("caught", exit_.reason))
    await process.send(boss, "alive")


@on_a_node
async def test_tk01_a_failing_task_ends_an_owner_that_does_not_trap_exits() -> None:
    _, ref = await process.spawn_monitor(own, [process.self(), ValueError("boom"), False])
    down: Any = await process.receive(SOON, ref=ref)
    assert (type(down[4]), str(down[4])) == (ValueError, "boom")
    assert await no_message()


@on_a_node
async def test_tk01_an_owner_that_traps_exits_catches_it() -> None:
    await process.spawn(own, [process.self(), ValueError("boom"), True])
    message: Any = await next_message()
    assert message[0] == "caught"
    assert str(message[1]) == "boom"
    assert await next_message() == "alive"


async def own_for_ever(boss: str, link: bool) -> None:
    """Start a task that waits, and wait too."""
    run = Task.run if link else Task.run_nolink
    await run(report, [(boss, 1)], on=FAR)
    await process.receive()
    raise process.ProcessExit("owner's reason")


@on_a_node
async def test_tk01_an_owner_that_ends_takes_its_task_along() -> None:
    owner = await process.spawn(own_for_ever, [process.self(), True])
    _, _, task = await next_message()  # type: ignore[misc]
    await process.send(owner, "end")
    assert await ending_of(task) in ("owner's reason", "noproc")


@on_a_node
async def test_tk01_without_a_link_the_failure_ends_only_the_wait() -> None:
    task = await Task.run_nolink(fail, [KeyError("k")], on=FAR)
    with pytest.raises(TaskExit) as caught:
        await task
    assert isinstance(caught.value.reason, KeyError)
    assert isinstance(caught.value.__cause__, KeyError)
    assert any("in fail" in note for note in caught.value.__cause__.__notes__)
    with pytest.raises(TaskExit):
        await task
    assert await no_message()


@on_a_node
async def test_tk02_awaiting_takes_the_value_and_nothing_else() -> None:
    me = process.self() or ""
    await process.send(me, "before")
    task = await Task.run(square, [7], on=FAR)
    assert [await task, await task, await task.await_(0)] == [49, 49, 49]
    later = await Task.run(square_later, kwargs={"n": 8}, on=FAR)
    assert await later.await_(SOON) == 64
    assert await next_message() == "before"
    assert await no_message()
    assert await process.process_info(me, "monitors") == []


@on_a_node
async def test_tk02_only_the_owner_can_wait() -> None:
    task = await Task.run(square, [7])

    async def stranger() -> None:
        for wait in (task.await_, task.yield_, task.shutdown):
            with pytest.raises(RuntimeError, match="belongs to"):
                await wait(SOON)

    assert await ending_of(await process.spawn(stranger, on="local")) in ("normal", "noproc")
    assert await task == 49


@on_a_node
async def test_tk02_a_wait_that_times_out_leaves_the_task_running() -> None:
    task = await Task.run(report, [(process.self(), 1)], on=FAR)
    await next_message()
    with pytest.raises(TaskTimeoutError) as caught:
        await task.await_(0.01)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, TaskExit)
    assert await task.yield_(0) is None
    await process.send(task.pid, "late")
    assert await task == "late"


@on_a_node
async def test_tk02_yield_gives_the_value_the_reason_or_none() -> None:
    task = await Task.run(report, [(process.self(), 1)], on=FAR)
    _, _, pid = await next_message()  # type: ignore[misc]
    assert pid == task.pid
    assert await task.yield_(0.01) is None
    await process.send(pid, 5)
    assert await task.yield_(SOON) == Done(5)
    failed = await Task.run_nolink(fail, [process.ProcessExit("why")], on=FAR)
    assert await failed.yield_(SOON) == Exited("why")


@on_a_node
async def test_tk02_shutdown_ends_the_task_and_not_its_owner() -> None:
    task = await Task.run(report, [(process.self(), 1)], on=FAR)
    await next_message()
    assert await task.shutdown(SOON) is None
    assert await ending_of(task.pid) == "noproc"
    assert await task.shutdown(SOON) is not None
    done = await Task.run(square, [3], on=FAR)
    assert await done.yield_(SOON) == await done.shutdown(SOON) == Done(9)
    assert await no_message()


async def hold_on(boss: str) -> str:
    """Refuse to be shut down."""
    process.process_flag("trap_exits", True)
    await process.send(boss, "trapping")
    while True:
        await process.receive()


@on_a_node
async def test_tk02_shutdown_kills_what_does_not_end() -> None:
    task = await Task.run(hold_on, [process.self()], on=FAR)
    await next_message()
    assert await task.shutdown(0.01) is None
    assert await ending_of(task.pid) == "noproc"


async def clean_up_for_ever(boss: str) -> None:
    """Never be done with what a shutdown begins."""
    await process.send(boss, "working")
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()


@pytest.mark.parametrize("seconds", [0, 0.01])
@on_a_node
async def test_tk02_a_task_killed_while_it_dies_of_the_shutdown_has_come_to_nothing_before(seconds: float) -> None:
    task = await Task.run(clean_up_for_ever, [process.self()], on=FAR)
    await next_message()
    assert await task.shutdown(seconds) is None
    assert await ending_of(task.pid) == "noproc"


@on_a_node
async def test_tk02_await_many_gives_all_values_or_the_first_failure() -> None:
    tasks = [await Task.run(square, [n], on=n % 2) for n in range(6)]
    assert await Task.await_many(tasks, SOON) == [0, 1, 4, 9, 16, 25]
    waiting = await Task.run(report, [(process.self(), 1)], on=FAR)
    failing = await Task.run_nolink(fail, [ValueError("x")], on=FAR)
    with pytest.raises(TaskExit):
        await Task.await_many([waiting, failing], None)
    _, _, pid = await next_message()  # type: ignore[misc]
    with pytest.raises(TaskTimeoutError):
        await Task.await_many([waiting], 0.01)
    await process.send(pid, "still there")
    assert await Task.await_many([waiting], SOON) == ["still there"]


@on_a_node
async def test_tk02_the_messages_are_a_value_and_then_a_down() -> None:
    task = await Task.run(square, [7], on=FAR)
    assert await next_message() == (task.ref, 49)
    assert await next_message() == ("DOWN", task.ref, "process", task.pid, "normal")


@on_a_node
async def test_rc10_child_tasks_start_and_await_beside_the_owners_own_receive() -> None:
    me = process.self() or ""

    async def in_a_child(n: int) -> int:
        task = await Task.run(square_later, [n], on=FAR)
        await asyncio.sleep(0)
        return await task

    waits = [asyncio.create_task(in_a_child(n)) for n in range(20)]
    for wait in waits:
        wait.add_done_callback(lambda _: process.send_nowait(me, "done"))
    assert [await next_message() for _ in waits] == ["done"] * 20
    assert [wait.result() for wait in waits] == [n * n for n in range(20)]


@on_a_node
async def test_rc10_one_task_is_awaited_by_many_child_tasks() -> None:
    task = await Task.run(square, [5], on=FAR)
    assert await asyncio.gather(*(task.await_(SOON) for _ in range(5)), task.yield_(SOON)) == [25] * 5 + [Done(25)]
    made_in_a_child: Task[int] = await asyncio.create_task(Task.run(square, [6], on=FAR))
    assert await made_in_a_child == 36


@on_a_node
async def test_a_value_that_cannot_travel_is_the_reason_of_the_task() -> None:
    task = await Task.run_nolink(asyncio.Lock, on=FAR)
    if process.shard_of(task.pid) == 0:
        return
    with pytest.raises(TaskExit) as caught:
        await task
    assert isinstance(caught.value.reason, otpnode.UnserializableError)


@on_a_node
async def test_what_cannot_travel_runs_beside_its_owner() -> None:
    seen: list[int] = []
    task = await Task.run(lambda: seen.append(1))
    await task
    assert seen == [1]


def test_task_exits_survive_pickle() -> None:
    import pickle

    for error in (TaskExit("why"), TaskExit(KeyError("k"), 3), TaskTimeoutError(), TaskTimeoutError(4)):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.index) == (type(error), str(error), error.index)
        assert repr(copy.reason) == repr(error.reason)
