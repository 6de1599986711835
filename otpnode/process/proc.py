"""One process, which is its own task.

`Proc` drives its coroutine itself and is, to asyncio and everything built on it,
the current task: ``asyncio.timeout``, ``TaskGroup``, ``wait_for``, streams and
anyio work inside a process because every question they ask of a Task has an
answer here. Rejected: one asyncio Task per process. A Task needs a Future and a
Handle per wake-up; the run queue needs neither (``benchmarks/pingpong.py`` holds the
two against each other).

The run queue steps a process that is regular: it has begun, it is not being
cancelled and it is not ending. Everything else sets `irregular` and takes `step`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import FrameType
from typing import TYPE_CHECKING, TextIO, cast

from otpnode.process.asyncio_names import CURRENT_TASKS, UNCANCEL_CLEARS, task_get_stack, task_print_stack
from otpnode.process.current import CURRENT
from otpnode.process.mailbox import WOKEN, Mailbox
from otpnode.process.place import Bay, make_place
from otpnode.process.relations import AliasMode, LinkTable, MonitorRecord

if TYPE_CHECKING:
    from otpnode.pid import Pid
    from otpnode.process.blocking import Block
    from otpnode.process.shard import Shard
    from otpnode.process.timers import Deadline

NEW = 0
RUNNING_STATE = 1
EXITING = 2
DEAD = 3

STATUS = ("waiting", "waiting", "exiting", "dead")

Body = Callable[..., object]
DoneCallback = Callable[["Proc"], object]


class Proc:
    """A process of this shard; the owner of a mailbox, and a task to asyncio."""

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_cancel_message",
        "_coro",
        "_exception",
        "_fut_waiter",
        "_must_cancel",
        "_name",
        "_num_cancels",
        "_value",
        "aliases",
        "ancestors",
        "bay",
        "begun_at",
        "blocks",
        "body",
        "children",
        "context",
        "cut_off",
        "deaf",
        "dictionary",
        "grace",
        "irregular",
        "label",
        "links",
        "mailbox",
        "monitored_by",
        "monitors",
        "ops",
        "pid",
        "place",
        "reason",
        "run",
        "send",
        "serial",
        "shard",
        "spread",
        "state",
        "timers",
        "trap_exits",
    )

    def __init__(self, shard: Shard, pid: Pid, serial: int, limit: int, *, deaf: bool = False) -> None:
        self.shard = shard
        self.pid = pid
        self.serial = serial
        self.state = NEW
        self.irregular = True
        self.deaf = deaf
        self.cut_off = False
        self.trap_exits = False
        self.spread = False
        self.ops = 0
        self.begun_at = 0.0
        self.reason: object = None
        self.body: tuple[Body, tuple[object, ...], dict[str, object]] | None = None
        self.label: str | None = None
        self.ancestors: list[str] = []
        self.links: LinkTable | None = None
        self.monitors: dict[str, MonitorRecord] | None = None
        self.aliases: dict[str, AliasMode] | None = None
        self.monitored_by: dict[str, str] | None = None
        self.dictionary: dict[object, object] | None = None
        self.children: set[asyncio.Future[object]] | None = None
        self.timers: set[str] | None = None
        self.blocks: list[Block] | None = None
        self.grace: Deadline | None = None
        self.bay = Bay(self)
        self.place = make_place(self.bay)
        self.mailbox = Mailbox(self, limit)
        self.context: Context = Context()
        self.context.run(CURRENT.set, self)
        self.run = self.context.run
        self.send: Callable[[None], object] | None = None
        self._coro: Coroutine[object, None, object] | None = None
        self._fut_waiter: asyncio.Future[object] | None = None
        self._must_cancel = False
        self._cancel_message: object = None
        self._num_cancels = 0
        self._callbacks: list[tuple[DoneCallback, Context | None]] | None = None
        self._exception: BaseException | None = None
        self._value: object = None
        self._name: str | None = None

    def __repr__(self) -> str:
        return f"<Proc {self.pid} {self.label or ''} {STATUS[self.state]}>"

    # -- being driven ---------------------------------------------------------

    def wake(self) -> None:
        """Run again: the wait in `receive` is over."""
        if self.bay.driven:
            self.bay.wake_driver()
        else:
            self.shard.queue.put(self)

    def step(self, *, inside: bool = False) -> None:
        """Take one step on the irregular path; `inside` when already in the process's context."""
        if self.send is None and self.state >= EXITING:
            if self.state == EXITING:
                self.shard.deaths.unborn(self)
            return
        shard = self.shard
        loop = shard.loop
        thrown = self._take_cancellation()
        self.irregular = self.state >= EXITING
        shard.running = None if self.irregular else self
        self.ops = 0
        CURRENT_TASKS[loop] = self
        try:
            if self.send is None:
                self._begin()
            send = self.send
            if thrown is not None:
                throw = cast(Coroutine[object, None, object], self._coro).throw
                yielded = throw(thrown) if inside else self.run(throw, thrown)
            else:
                yielded = send(None) if inside else self.run(send, None)  # type: ignore[misc, arg-type]
        except BaseException as exc:
            shard.running = None
            CURRENT_TASKS.pop(loop, None)
            self.ended(exc)
            return
        shard.running = None
        CURRENT_TASKS.pop(loop, None)
        self.waits_for(yielded)

    def _begin(self) -> None:
        func, args, kwargs = cast("tuple[Body, tuple[object, ...], dict[str, object]]", self.body)
        coro = self.run(func, *args, **kwargs)
        if not isinstance(coro, Coroutine):
            name = getattr(func, "__qualname__", repr(func))
            raise TypeError(
                f"{name} is not a coroutine function (it returned {type(coro).__name__}); write `async def`"
            )
        self._coro = coro
        self.send = coro.send
        self.body = None
        if self.state == NEW:
            self.state = RUNNING_STATE

    def _take_cancellation(self) -> BaseException | None:
        if not self._must_cancel:
            return None
        self._must_cancel = False
        message, self._cancel_message = self._cancel_message, None
        return asyncio.CancelledError() if message is None else asyncio.CancelledError(message)

    def wakeup(self, future: object) -> None:
        """Go on after an asyncio future: called by the loop, in the process's own context."""
        self._fut_waiter = None
        shard = self.shard
        try:
            if self.irregular:
                self.step(inside=True)
                return
            loop = shard.loop
            shard.running = self
            self.ops = 0
            CURRENT_TASKS[loop] = self
            try:
                yielded = self.send(None)  # type: ignore[misc]
            except BaseException as exc:
                shard.running = None
                CURRENT_TASKS.pop(loop, None)
                self.ended(exc)
            else:
                shard.running = None
                CURRENT_TASKS.pop(loop, None)
                self.waits_for(yielded)
        finally:
            # A send on this step has put its receiver on the queue as in a slice, which this is not. Even when the
            # watchdog's exception came as late as here: the receiver has done nothing to deserve it (FS-03).
            shard.queue.ensure()

    def waits_for(self, yielded: object) -> None:
        """Arrange the next step from what the coroutine yielded, as ``asyncio.Task`` does."""
        if yielded is self.bay:
            if self._must_cancel and not self.cut_off:
                self.mailbox.set_state(WOKEN)
                self.shard.queue.put(self)
        elif yielded is None:
            self.shard.queue.yielded(self)
        elif getattr(yielded, "_asyncio_future_blocking", None) is True:
            future = cast("asyncio.Future[object]", yielded)
            if future.get_loop() is not self.shard.loop:
                self._throw_later(RuntimeError(f"{self!r} got {future!r}, which is attached to a different loop"))
                return
            future._asyncio_future_blocking = False
            future.add_done_callback(self.wakeup, context=self.context)
            self._fut_waiter = future
            if self._must_cancel and future.cancel(msg=self._cancel_message):
                self._must_cancel = False
                self.irregular = self.state >= EXITING
        else:
            self._throw_later(RuntimeError(f"{self!r} got a bad yield: {yielded!r}; use `await`"))

    def _throw_later(self, error: RuntimeError) -> None:
        future = self.shard.loop.create_future()
        future.set_exception(error)
        future.add_done_callback(self._throw, context=self.context)

    def _throw(self, future: asyncio.Future[object]) -> None:
        loop = self.shard.loop
        CURRENT_TASKS[loop] = self
        try:
            yielded = cast(Coroutine[object, None, object], self._coro).throw(cast(BaseException, future.exception()))
        except BaseException as exc:
            CURRENT_TASKS.pop(loop, None)
            self.ended(exc)
            return
        CURRENT_TASKS.pop(loop, None)
        self.waits_for(yielded)

    def ended(self, how: BaseException) -> None:
        """The coroutine is over: by return (`StopIteration`) or by exception."""
        self.shard.deaths.ended(self, how)

    def drop_body(self) -> None:
        """Let go of the coroutine and context; what is left of the dead is a few words."""
        self._coro = None
        self.send = None
        self.body = None
        self._fut_waiter = None

    # -- what a Task answers --------------------------------------------------

    def conclude(self, value: object, exception: BaseException | None) -> None:
        """Become done, and call back whoever asked."""
        self._value = value
        self._exception = exception
        callbacks, self._callbacks = self._callbacks, None
        for callback, context in callbacks or ():
            self.shard.loop.call_soon(callback, self, context=context)

    @property
    def value(self) -> object:
        """What the function returned."""
        return self._value

    def cancel(self, msg: object = None) -> bool:
        """Request cancellation, as ``Task.cancel``; uncaught, the process ends with ``'cancelled'`` (AC-06)."""
        if self.state == DEAD:
            return False
        self._num_cancels += 1
        if self._fut_waiter is not None and self._fut_waiter.cancel(msg=msg):
            return True
        self._must_cancel = True
        self._cancel_message = msg
        self.irregular = True
        mailbox = self.mailbox
        if mailbox.parked and not self.bay.driven:
            mailbox.set_state(WOKEN)
            self.shard.queue.put(self)
        return True

    def uncancel(self) -> int:
        """Take back one request for cancellation, as ``Task.uncancel``."""
        if self._num_cancels > 0:
            self._num_cancels -= 1
            if UNCANCEL_CLEARS and self._num_cancels == 0:
                self._must_cancel = False
        return self._num_cancels

    def cancelling(self) -> int:
        """Return the number of cancellation requests not taken back."""
        return self._num_cancels

    def done(self) -> bool:
        """Tell whether the process has ended."""
        return self.state == DEAD

    def cancelled(self) -> bool:
        """Tell whether it ended by cancellation."""
        return self.state == DEAD and isinstance(self._exception, asyncio.CancelledError)

    def result(self) -> object:
        """Return what the function returned, or raise what ended it."""
        self._check_done()
        if self._exception is not None:
            raise self._exception
        return self._value

    def exception(self) -> BaseException | None:
        """Return the exception that ended it; None after a return."""
        self._check_done()
        if isinstance(self._exception, asyncio.CancelledError):
            raise self._exception
        return self._exception

    def _check_done(self) -> None:
        if self.state != DEAD:
            raise asyncio.InvalidStateError("the process has not ended")

    def add_done_callback(self, callback: DoneCallback, *, context: Context | None = None) -> None:
        """Call `callback` with the process once it is over."""
        if self.state == DEAD:
            self.shard.loop.call_soon(callback, self, context=context)
        else:
            self._callbacks = [*(self._callbacks or ()), (callback, context)]

    def remove_done_callback(self, callback: DoneCallback) -> int:
        """Forget `callback`; returns how many were removed."""
        before = self._callbacks or []
        self._callbacks = [entry for entry in before if entry[0] != callback]
        return len(before) - len(self._callbacks)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the shard."""
        return self.shard.loop

    def get_name(self) -> str:
        """Return the task name: the label, else the pid."""
        return self._name or self.label or self.pid

    def set_name(self, value: object) -> None:
        """Set the task name; the label stays as it is."""
        self._name = str(value)

    def get_coro(self) -> Coroutine[object, None, object] | Generator[object, None, object] | None:
        """Return the coroutine; None before the first step and after the end."""
        return self._coro

    def get_context(self) -> Context:
        """Return the context the process runs in."""
        return self.context

    def get_stack(self, *, limit: int | None = None) -> list[FrameType]:
        """Return the frames of the suspended coroutine."""
        return task_get_stack(self, limit)

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Print those frames."""
        task_print_stack(self, limit, file)
