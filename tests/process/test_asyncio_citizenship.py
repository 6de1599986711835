"""A process is a task to asyncio and to all that is built on it, under uvloop and under plain asyncio."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar
from typing import cast

import anyio
import anyio.lowlevel
import pytest

from otpnode import process
from otpnode.process import Pid, Ref
from tests.support import perform

SOON = 20.0


def me() -> Pid:
    return cast(Pid, process.self())


async def linger() -> None:
    await asyncio.sleep(3600)


async def echo() -> None:
    """Answer every ``(ref, message)``."""
    while True:
        ref, message = cast("tuple[Ref, object]", await process.receive())
        await process.send(ref, (ref, message))


class TestReceive:
    def test_timeout_over_receive_expires_and_loses_nothing(self, loop: str) -> None:
        async def body() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await process.receive()
            assert cast("asyncio.Task[object]", asyncio.current_task()).cancelling() == 0
            await process.send(me(), "kept")
            async with asyncio.timeout(SOON):
                assert await process.receive() == "kept"

        perform(loop, body)

    def test_wait_for_receive_times_out_or_returns(self, loop: str) -> None:
        async def body() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.receive(), 0.005)
            process.send_after(0.002, me(), "message")
            assert await asyncio.wait_for(process.receive(), SOON) == "message"
            await process.send(me(), "waiting already")
            assert await asyncio.wait_for(process.receive(), SOON) == "waiting already"

        perform(loop, body)

    def test_wait_for_in_a_loop_loses_no_message(self, loop: str) -> None:
        async def body() -> None:
            got: list[object] = []
            for number in range(40):
                process.send_after(0.001, me(), number)
                try:
                    got.append(await asyncio.wait_for(process.receive(), 0.001))
                except TimeoutError:
                    got.append(await process.receive(SOON))
            assert got == list(range(40))

        perform(loop, body)

    def test_a_created_task_may_receive(self, loop: str) -> None:
        async def body() -> None:
            task = asyncio.create_task(process.receive())
            await asyncio.sleep(0)
            await process.send(me(), "for the task")
            assert await task == "for the task"
            selective = asyncio.create_task(process.receive(match=lambda message: message == 2))
            await asyncio.sleep(0)
            for number in (1, 2):
                await process.send(me(), number)
            assert await selective == 2
            assert await process.receive() == 1

        perform(loop, body)

    def test_a_group_child_may_receive(self, loop: str) -> None:
        async def body() -> None:
            async with asyncio.TaskGroup() as group:
                child = group.create_task(process.receive())
                group.create_task(process.send(me(), "in a group"))
            assert child.result() == "in a group"

        perform(loop, body)

    def test_a_cancelled_child_leaves_the_mailbox_to_its_owner(self, loop: str) -> None:
        async def body() -> None:
            for timeout in (None, SOON):
                child = asyncio.create_task(process.receive(timeout))
                await asyncio.sleep(0)
                child.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await child
                process.send_after(0.001, me(), "for the owner")
                assert await process.receive(SOON) == "for the owner"

        perform(loop, body)

    def test_gather_of_calls_beside_the_own_receive(self, loop: str) -> None:
        async def body() -> None:
            server = await process.spawn(echo)

            async def call(number: int) -> object:
                ref = await process.monitor(server, alias="reply_demonitor")
                await process.send(server, (ref, number))
                return cast("tuple[object, object]", await process.receive(SOON, ref=ref))[1]

            calls = asyncio.gather(*(call(number) for number in range(30)))
            process.send_after(0.001, me(), "own")
            assert await process.receive(SOON) == "own"
            assert await calls == list(range(30))

        perform(loop, body)


class TestGroupsAndQueues:
    def test_a_group_returns_what_its_children_return(self, loop: str) -> None:
        async def child(number: int) -> tuple[int, Pid]:
            await asyncio.sleep(0)
            return number, me()

        async def body() -> None:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(child(number)) for number in range(5)]
            assert [task.result() for task in tasks] == [(number, me()) for number in range(5)]
            assert list(await asyncio.gather(child(1), child(2))) == [(1, me()), (2, me())]

        perform(loop, body)

    def test_a_failing_child_cancels_its_group_and_the_process_goes_on(self, loop: str) -> None:
        async def fails() -> None:
            raise KeyError("child")

        async def body() -> None:
            for waits in (linger, process.receive):
                with pytest.raises(ExceptionGroup) as caught:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(linger())
                        group.create_task(fails())
                        await waits()
                assert isinstance(caught.value.exceptions[0], KeyError)
                assert cast("asyncio.Task[object]", asyncio.current_task()).cancelling() == 0
            await process.send(me(), "still here")
            assert await process.receive() == "still here"

        perform(loop, body)

    def test_queue_event_lock_and_condition(self, loop: str) -> None:
        async def body() -> None:
            queue: asyncio.Queue[int] = asyncio.Queue(1)

            async def produce() -> None:
                for number in range(10):
                    await queue.put(number)

            producer = await process.spawn(produce)
            assert [await queue.get() for _ in range(10)] == list(range(10))
            ref = await process.monitor(producer)
            await process.receive(SOON, ref=ref)
            event = asyncio.Event()
            asyncio.get_running_loop().call_soon(event.set)
            await event.wait()
            async with asyncio.Lock(), asyncio.timeout(SOON):
                condition = asyncio.Condition()
                async with condition:
                    asyncio.get_running_loop().call_later(0.001, wake, condition)
                    await condition.wait()

        def wake(condition: asyncio.Condition) -> None:
            async def notify() -> None:
                async with condition:
                    condition.notify_all()

            tasks.append(asyncio.ensure_future(notify()))

        tasks: list[asyncio.Future[None]] = []
        perform(loop, body)

    def test_a_task_started_before_sleep_zero_has_run_after_it(self, loop: str) -> None:
        async def body() -> None:
            for _ in range(3):
                ran: list[int] = []
                asyncio.get_running_loop().call_soon(ran.append, 1)
                await asyncio.sleep(0)
                assert ran == [1]

        perform(loop, body)


class TestTheWorldOutside:
    def test_a_tcp_stream_between_two_processes(self, loop: str) -> None:
        served: list[asyncio.Task[object] | None] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(asyncio.current_task())
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def client(port: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for number in range(20):
                writer.write(b"line %d\n" % number)
                await writer.drain()
                async with asyncio.timeout(SOON):
                    assert await reader.readline() == b"LINE %d\n" % number
            writer.close()
            await writer.wait_closed()

        async def body() -> None:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                refs = [(await process.spawn_monitor(client, [port]))[1] for _ in range(5)]
                for ref in refs:
                    assert cast("tuple[object, ...]", await process.receive(SOON, ref=ref))[4] == "normal"
                assert len(served) == 5
                await asyncio.gather(*cast("list[asyncio.Task[object]]", served))

        perform(loop, body)

    def test_to_thread_knows_its_process_and_must_not_await_verbs(self, loop: str) -> None:
        def in_thread() -> Pid | None:
            process.call_threadsafe(process.self).result(SOON)  # Off the step that started this thread.
            for verb in (process.send(me(), "m"), process.receive()):
                with pytest.raises(RuntimeError, match="call_threadsafe"):
                    asyncio.run(verb)
            with pytest.raises(RuntimeError, match="call_threadsafe"):
                process.send_nowait(me(), "m")
            process.call_threadsafe(process.send, me(), "from the thread").result(SOON)
            return process.self()

        async def body() -> None:
            assert await asyncio.to_thread(in_thread) == me()
            assert await process.receive(0) == "from the thread"

        perform(loop, body)

    def test_anyio_groups_and_scopes(self, loop: str) -> None:
        async def body() -> None:
            with anyio.move_on_after(0.005) as scope:
                await process.receive()
            assert scope.cancelled_caught
            seen: list[Pid] = []

            async def child() -> None:
                await anyio.lowlevel.checkpoint()
                seen.append(me())

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(child)
            assert seen == [me()] * 3
            async with anyio.create_task_group() as group:
                group.start_soon(linger)
                with anyio.move_on_after(0.005):
                    await process.receive(match=lambda message: False)
                group.cancel_scope.cancel()
            with pytest.raises(TimeoutError), anyio.fail_after(0.005):
                await linger()
            assert await anyio.to_thread.run_sync(process.self) == me()
            task = cast("asyncio.Task[object]", asyncio.current_task())
            assert task.cancelling() == 0
            await process.send(me(), "still here")
            assert await process.receive() == "still here"

        perform(loop, body)

    def test_context_variables_reach_child_tasks(self, loop: str) -> None:
        async def body() -> None:
            variable.set("mine")

            async def child() -> str:
                return variable.get()

            assert await asyncio.create_task(child()) == "mine"

        variable: ContextVar[str] = ContextVar("variable", default="unset")
        perform(loop, body)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
class TestEagerTasks:
    def test_spawn_stays_lazy(self, loop: str) -> None:
        async def body() -> None:
            trace: list[str] = []

            async def child() -> None:
                trace.append("child")

            _, ref = await process.spawn_monitor(child)
            trace.append("spawned")
            await process.receive(SOON, ref=ref)
            assert trace == ["spawned", "child"]

        perform(loop, body, eager=True)

    def test_eager_children_may_receive(self, loop: str) -> None:
        async def body() -> None:
            task = asyncio.create_task(process.receive())
            await process.send(me(), "for the eager one")
            assert await task == "for the eager one"
            await process.send(me(), "at once")
            task = asyncio.create_task(process.receive())
            assert task.done()
            assert task.result() == "at once"
            refs = [process.alias(reply=True) for _ in range(5)]
            waiting = [asyncio.create_task(process.receive(ref=ref)) for ref in refs]
            for ref in reversed(refs):
                await process.send(ref, (ref, "answer"))
            assert [await task for task in waiting] == [(ref, "answer") for ref in refs]

        perform(loop, body, eager=True)

    def test_an_eager_child_is_its_process_and_a_task_of_its_own(self, loop: str) -> None:
        async def body() -> None:
            async def child() -> tuple[Pid | None, object]:
                return process.self(), asyncio.current_task()

            parent = asyncio.current_task()
            task = asyncio.create_task(child())
            pid, current = await task
            assert pid == me()
            assert current is task
            assert asyncio.current_task() is parent

        perform(loop, body, eager=True)
