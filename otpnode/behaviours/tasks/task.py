"""Task: one function call in a process of its own, and its value.

::

    task = await Task.run(digest, [path])         # linked, on a least loaded shard
    other = await Task.run(digest, [path2])
    print(await task, await other)

The owner and its task meet as `otpnode.behaviours.common.starting` does it: the ref of the
owner's monitor is the address of the value, so that what comes is ``(ref, value)`` or
``('DOWN', ref, 'process', pid, reason)``, and nothing else is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Generic, Literal, NoReturn, TypeVar, cast, overload

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.common.wire import check_timeout
from otpnode.behaviours.tasks.body import be_task
from otpnode.behaviours.tasks.map import TaskMap
from otpnode.errors import NotInProcessError, ProcessNotFoundError, TaskExit, TaskTimeoutError
from otpnode.pid import Pid
from otpnode.reasons import KILL, KILLED, SHUTDOWN, mend
from otpnode.ref import Ref

R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - an item


class Done(Struct, Generic[R], frozen=True):
    """The task has returned `value`."""

    value: R


class Exited(Struct, frozen=True):
    """The task has ended with `reason`, without a value."""

    reason: object


class Task(Generic[R]):
    """A call that runs in a process of its own; made by `run` and `run_nolink`.

    It belongs to the process that started it: only that process, in any of its child
    tasks, may wait for it (SEMANTICS TK-02).

    Attributes:
        pid: the process of the task.
        ref: what its messages carry: ``(ref, value)``, then ``('DOWN', ref, 'process', pid, 'normal')``;
            for those who take them by `receive` instead of waiting here.
        owner: who may wait.
    """

    def __init__(self, owner: Pid, pid: Pid, ref: Ref, *, in_child: bool) -> None:
        self.owner = owner
        self.pid = pid
        self.ref = ref
        self._in_child = in_child
        self._outcome: Done[R] | Exited | None = None
        self._turn = asyncio.Lock()

    # -- starting -------------------------------------------------------------

    @overload
    @staticmethod
    async def run(
        func: Callable[..., Coroutine[Any, Any, R]],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        on: str | int = "spread",
    ) -> Task[R]: ...

    @overload
    @staticmethod
    async def run(
        func: Callable[..., R],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        on: str | int = "spread",
    ) -> Task[R]: ...

    @staticmethod
    async def run(
        func: Callable[..., object],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        on: str | int = "spread",
    ) -> Task[Any]:
        """Start ``func(*args, **kwargs)`` in a process linked to the caller.

        Args:
            func: a coroutine function, or a plain one, which holds its shard while it runs.
            args: its positional arguments.
            kwargs: its keyword arguments.
            on: where, as ``process.spawn(on=…)``.

        Raises:
            NotInProcessError: called outside a process.
            UnserializableError, ShardDownError, SystemLimitError, ValueError, TypeError: as ``process.spawn``.

        Guarantees:
            Linked: a task that fails ends an owner that does not trap exits, and an owner
            that ends takes its task along (SEMANTICS TK-01).
        """
        return await _run(func, args, kwargs, on, link=True)

    @overload
    @staticmethod
    async def run_nolink(
        func: Callable[..., Coroutine[Any, Any, R]],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        on: str | int = "spread",
    ) -> Task[R]: ...

    @overload
    @staticmethod
    async def run_nolink(
        func: Callable[..., R],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        on: str | int = "spread",
    ) -> Task[R]: ...

    @staticmethod
    async def run_nolink(
        func: Callable[..., object],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        on: str | int = "spread",
    ) -> Task[Any]:
        """Like `run` without the link: a failure ends only the wait for it (SEMANTICS TK-01)."""
        return await _run(func, args, kwargs, on, link=False)

    # -- waiting --------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, R]:
        return self.await_(None).__await__()

    async def await_(self, timeout: float | None = 5.0) -> R:
        """Wait for the value; may be repeated.

        Args:
            timeout: seconds; None for ever, which is what ``await task`` does.

        Raises:
            TaskExit: the task ended without a value: its reason, and as cause the exception behind it.
            TaskTimeoutError: it is not done; it goes on.
            RuntimeError: called by another process than the owner.

        Guarantees:
            Takes nothing else out of the mailbox; works from any child task (SEMANTICS TK-02, RC-10).
        """
        outcome = await self.yield_(timeout)
        if outcome is None:
            raise TaskTimeoutError
        if isinstance(outcome, Exited):
            _raise_exit(outcome.reason)
        return outcome.value

    async def yield_(self, timeout: float | None = 5.0) -> Done[R] | Exited | None:
        """Wait for the end; None when it has not come within `timeout` seconds. The task goes on then.

        Raises:
            RuntimeError: called by another process than the owner.
        """
        self._check_owner()
        seconds = check_timeout(timeout)
        if self._outcome is not None:
            return self._outcome
        began = monotonic()
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError:
            return None
        try:
            left = None if seconds is None else max(0.0, seconds - (monotonic() - began))
            return await self._settled(left)
        finally:
            self._turn.release()

    async def shutdown(self, timeout: float | None = 5.0) -> Done[R] | Exited | None:
        """End the task and wait until it is dead.

        Args:
            timeout: seconds from ``'shutdown'`` to ``'kill'``; None: no kill.

        Returns:
            What the task had come to before that, ``Done`` or ``Exited``; None when this ended it.

        Guarantees:
            The owner survives: the link is taken away first.
        """
        self._check_owner()
        seconds = check_timeout(timeout)
        if self._outcome is not None:
            return self._outcome
        await process.unlink(self.pid)
        await process.exit(self.pid, SHUTDOWN)
        ours: tuple[str, ...] = (SHUTDOWN,)
        outcome = await self.yield_(seconds)
        if outcome is None:
            # One that does not trap exits is dying of the first already, and only sooner of this (EX-07).
            ours = (SHUTDOWN, KILLED)
            await process.exit(self.pid, KILL)
            outcome = await self.yield_(None)
        if isinstance(outcome, Exited) and type(outcome.reason) is str and outcome.reason in ours:
            return None
        return outcome

    @staticmethod
    async def await_many(tasks: Iterable[Task[R]], timeout: float | None = 5.0) -> list[R]:
        """Wait for all of `tasks`; returns their values in order.

        Raises:
            TaskExit: one ended without a value, told at once.
            TaskTimeoutError: they are not all done within `timeout` seconds; they go on.
        """
        waits = [asyncio.ensure_future(task.await_(timeout)) for task in tasks]
        try:
            return list(await asyncio.gather(*waits))
        finally:
            for wait in waits:
                wait.cancel()

    def _check_owner(self) -> None:
        if process.self() != self.owner:
            raise RuntimeError(
                f"the task {self.pid} belongs to {self.owner}, and {process.self()} asks for it: "
                "only its owner can wait, because the value was sent there"
            )

    async def _settled(self, timeout: float | None) -> Done[R] | Exited | None:
        if self._outcome is None and self._in_child and not _in_child_task():
            # What comes for a ref made in a child task is kept for child tasks (RC-10).
            await asyncio.ensure_future(self._receive(timeout))
        elif self._outcome is None:
            await self._receive(timeout)
        return self._outcome

    async def _receive(self, timeout: float | None) -> None:
        try:
            message = cast("tuple[Any, ...]", await process.receive(timeout, ref=self.ref))
        except TimeoutError:
            return
        self._outcome = Done(message[1]) if len(message) == 2 else Exited(message[4])
        await process.demonitor(self.ref, flush=True)

    # -- mapping --------------------------------------------------------------

    @overload
    @staticmethod
    def map(
        func: Callable[[I], Coroutine[Any, Any, R]],
        items: Iterable[I] | AsyncIterable[I],
        *,
        max_concurrency: int | None = None,
        timeout: float | None = None,
        ordered: bool = True,
        chunk: int | Literal["auto"] = 1,
        on_error: Literal["raise", "return"] = "raise",
        on: str | int = "spread",
    ) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(
        func: Callable[[I], R],
        items: Iterable[I] | AsyncIterable[I],
        *,
        max_concurrency: int | None = None,
        timeout: float | None = None,
        ordered: bool = True,
        chunk: int | Literal["auto"] = 1,
        on_error: Literal["raise", "return"] = "raise",
        on: str | int = "spread",
    ) -> TaskMap[R]: ...

    @staticmethod
    def map(
        func: Callable[[Any], object],
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        max_concurrency: int | None = None,
        timeout: float | None = None,
        ordered: bool = True,
        chunk: int | Literal["auto"] = 1,
        on_error: Literal["raise", "return"] = "raise",
        on: str | int = "spread",
    ) -> TaskMap[Any]:
        """Apply `func` to every item, in processes on all shards.

        ::

            results = await Task.map(func, items)             # a list
            async for result in Task.map(func, items): ...    # as they come, with back pressure
            async with Task.map(func, items) as results: ...  # ends what still runs on leaving

        Args:
            func: a coroutine function or a plain one, of one argument.
            items: any iterable or async iterable, also one without an end: items are pulled as
                results leave, in the caller's own process.
            max_concurrency: processes that run at once on the node; by default two a shard.
                On one loop raise it for I/O.
            timeout: seconds an item may take, measured from its own start; it is ended then, also
                in a loop that never awaits (SEMANTICS FS-03).
            ordered: results in the order of the items; otherwise as they are done.
            chunk: items a process runs one after another: 1, n, or ``'auto'``: as many as take some
                10 milliseconds.
            on_error: ``'raise'`` the `TaskExit` of an item, which ends the rest; or ``'return'`` it in its place.
            on: ``'spread'`` for all shards, ``'local'``, or a shard number.

        Raises:
            ValueError, TypeError: bad arguments, at once; nothing runs before the first result is asked for.
            TaskExit: while results are taken: an item failed; `index` says which. Its reason is the
                exception (also the cause), ``'noconnection'`` if its shard died, or whatever ended it.
            TaskTimeoutError: an item took longer than `timeout`.

        Guarantees:
            Never ends the caller. An item is started at most once: those handed to a shard that
            dies fail and are not tried again (SEMANTICS TK-03). Everything ends with the caller,
            with the ``async with`` block, and when the object is dropped.
        """
        return TaskMap(func, items, max_concurrency, timeout, ordered, chunk, on_error, on)


async def _run(
    func: Callable[..., object],
    args: Sequence[object] | None,
    kwargs: Mapping[str, object] | None,
    on: str | int,
    *,
    link: bool,
) -> Task[Any]:
    me = process.self()
    if me is None:
        raise NotInProcessError("Task.run needs a process to own the task; start one with process.spawn(func)")
    if not callable(func):
        raise TypeError(f"Task.run takes a function, not {type(func).__name__}")
    in_child = _in_child_task()
    token = process.make_ref()
    spawn = process.spawn_link if link else process.spawn
    label = getattr(func, "__qualname__", None) or "task"
    pid = await spawn(be_task, [me, token, func, list(args or ()), dict(kwargs or {})], on=on, label=str(label))
    try:
        # The latter keeps what comes for child tasks, where the process takes everything else meanwhile (RC-10).
        ref = await process.monitor(pid, alias="reply_demonitor" if in_child else "demonitor")
        try:
            await process.send(pid, (token, ref))
        except ProcessNotFoundError:
            pass  # It is dead already, and the monitor says why.
    except BaseException:
        if link:
            await process.unlink(pid)
        await process.exit(pid, "kill")
        raise
    return Task(me, pid, ref, in_child=in_child)


def _in_child_task() -> bool:
    """Tell whether a child task of a process asks: a process itself is no `asyncio.Task`."""
    return isinstance(asyncio.current_task(), asyncio.Task)


def _raise_exit(reason: object) -> NoReturn:
    if isinstance(reason, BaseException):
        raise TaskExit(reason) from mend(reason)
    raise TaskExit(reason)
