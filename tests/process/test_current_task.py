"""What `asyncio.current_task()` answers inside a process: what a Task would."""

from __future__ import annotations

import asyncio
import io
import sys
from types import CoroutineType
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid
from otpnode.process.proc import Proc
from tests.support import perform

SOON = 20.0


def me() -> Pid:
    return cast(Pid, process.self())


async def linger() -> None:
    await asyncio.sleep(3600)


class TestCurrentTask:
    def test_it_answers_as_a_task(self, loop: str) -> None:
        async def body() -> None:
            task = asyncio.current_task()
            assert task is not None
            assert isinstance(cast(object, task), Proc)
            assert task not in asyncio.all_tasks()
            assert not task.done()
            assert not task.cancelled()
            assert task.get_loop() is asyncio.get_running_loop()
            assert task.get_name() == "main"
            task.set_name("renamed")
            assert task.get_name() == "renamed"
            assert asyncio.iscoroutine(task.get_coro())
            outermost = cast("CoroutineType[object, object, object]", task.get_coro()).cr_frame
            assert outermost in task.get_stack()
            text = io.StringIO()
            task.print_stack(file=text)
            assert f"in {outermost.f_code.co_name}" in text.getvalue()
            for answer in (task.result, task.exception):
                with pytest.raises(asyncio.InvalidStateError):
                    answer()
            if sys.version_info >= (3, 12):
                assert process.self() is not None
                assert task.get_context() is not None

        perform(loop, body)

    def test_the_stack_of_a_waiting_process(self, loop: str) -> None:
        async def body() -> None:
            pid = await process.spawn(linger)
            await asyncio.sleep(0)
            record = cast("asyncio.Task[object]", asyncio.current_task().shard.table.find(pid))  # type: ignore[union-attr]
            assert [frame.f_code.co_name for frame in record.get_stack()] == ["linger"]

        perform(loop, body)

    def test_cancel_is_delivered_at_the_next_wait(self, loop: str) -> None:
        async def body() -> None:
            task = cast("asyncio.Task[object]", asyncio.current_task())
            for wait in (linger, process.receive, lambda: asyncio.sleep(0)):
                assert task.cancel("why")
                assert task.cancelling() == 1
                with pytest.raises(asyncio.CancelledError, match="why"):
                    await wait()
                assert task.uncancel() == 0
            assert task.uncancel() == 0

        perform(loop, body)

    def test_cancel_from_a_callback_reaches_receive_and_future(self, loop: str) -> None:
        async def body() -> None:
            task = cast("asyncio.Task[object]", asyncio.current_task())
            for wait in (process.receive, linger, lambda: process.receive(SOON)):
                asyncio.get_running_loop().call_soon(task.cancel)
                with pytest.raises(asyncio.CancelledError):
                    await wait()
                task.uncancel()
            await process.send(me(), "message")
            assert await process.receive() == "message"

        perform(loop, body)

    @pytest.mark.parametrize("pending", [True, False])
    def test_uncancel_takes_a_pending_cancel_back_from_313_on(self, loop: str, pending: bool) -> None:
        async def body() -> bool:
            task = cast("asyncio.Task[object]", asyncio.current_task())
            task.cancel()
            if pending:
                task.uncancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return True
            return False

        assert perform(loop, body) is (not pending or sys.version_info < (3, 13))

    def test_done_callbacks_and_outcomes(self, loop: str) -> None:
        async def returns() -> str:
            await process.receive()
            return "value"

        async def raises() -> None:
            await process.receive()
            raise KeyError("why")

        async def body() -> None:
            done: list[object] = []
            tasks = []
            for func in (returns, raises, linger):
                pid, ref = await process.spawn_monitor(func)
                record = cast("asyncio.Task[object]", asyncio.current_task().shard.table.find(pid))  # type: ignore[union-attr]
                record.add_done_callback(done.append)
                record.add_done_callback(print)
                assert record.remove_done_callback(print) == 1
                tasks.append(record)
                if func is linger:
                    await asyncio.sleep(0)
                    record.cancel()
                else:
                    await process.send(pid, "go")
                await process.receive(SOON, ref=ref)
            await asyncio.sleep(0)
            assert done == tasks
            assert tasks[0].result() == "value"
            assert isinstance(tasks[1].exception(), KeyError)
            assert tasks[2].cancelled()
            assert not tasks[2].cancel()
            late: list[object] = []
            tasks[0].add_done_callback(late.append)
            await asyncio.sleep(0)
            assert late == [tasks[0]]

        perform(loop, body)

    def test_a_bad_await_is_an_error_of_the_process(self, loop: str) -> None:
        class Bad:
            def __await__(self):  # type: ignore[no-untyped-def]
                yield 3

        async def body() -> None:
            with pytest.raises(RuntimeError, match="bad yield"):
                await Bad()
            other = asyncio.new_event_loop()
            future = other.create_future()
            with pytest.raises(RuntimeError, match="different loop"):
                await future
            future.cancel()
            other.close()

        perform(loop, body)
