"""Child tasks: they end with the process that started them (CT-02)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Protocol, cast

from otpnode.process.current import CURRENT
from otpnode.process.generators import watch_generators


class TaskFactory(Protocol):
    """What ``loop.set_task_factory`` takes."""

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[object, object, object], **options: object
    ) -> asyncio.Future[object]:
        """Make the task."""
        ...


class ChildTasks:
    """A task factory that remembers whose child a task is, and leaves the making to the one before it."""

    def __init__(self, before: TaskFactory | None) -> None:
        self.before = before

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[object, object, object], **options: object
    ) -> asyncio.Future[object]:
        """Make a task of `coro`."""
        if options.get("eager_start", True) is None:
            # uvloop says None where nobody asked; the eager factory of 3.13.0 does not take the word at all.
            del options["eager_start"]
        if self.before is None:
            make = cast(Callable[..., "asyncio.Task[object]"], asyncio.Task)
            task: asyncio.Future[object] = make(coro, loop=loop, **options)
        else:
            task = self.before(loop, coro, **options)
        context = options.get("context")
        proc = context.get(CURRENT) if isinstance(context, Context) else CURRENT.get()
        if proc is not None and not proc.cut_off and not task.done():
            if proc.children is None:
                proc.children = set()
            proc.children.add(task)
            task.add_done_callback(proc.children.discard)
        return task


def adopt(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Install `ChildTasks` on `loop`, and the hooks of async generators if it runs; returns what takes them out."""
    before = cast("TaskFactory | None", loop.get_task_factory())
    if isinstance(before, ChildTasks):
        return lambda: None
    mine = ChildTasks(before)
    loop.set_task_factory(mine)  # type: ignore[arg-type]
    unwatch = watch_generators() if loop.is_running() else None

    def release() -> None:
        if unwatch is not None:
            unwatch()
        if cast(object, loop.get_task_factory()) is mine:
            loop.set_task_factory(before)  # type: ignore[arg-type]

    return release
