"""One process, which is its own task.

`Proc` drives its coroutine itself and is, to asyncio and everything built on it,
the current task: ``asyncio.timeout``, ``TaskGroup``, ``wait_for``, streams and
anyio work inside a process because every question they ask of a Task has an
answer here. Rejected: one asyncio Task per process. A Task needs a Future and a
Handle per wake-up; the run queue needs neither (``benchmarks/local.py`` holds the
two against each other).

The run queue steps a process that is regular: it has begun, it is not being
cancelled and it is not ending. Everything else sets `irregular` and takes `step`.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import FrameType
from typing import TYPE_CHECKING, Final, TextIO, cast

from otpnode.process.asyncio_names import CURRENT_TASKS, UNCANCEL_CLEARS, task_get_stack, task_print_stack
from otpnode.process.current import CURRENT
from otpnode.process.mailbox import WOKEN, Mailbox
from otpnode.process.place import FIRST_PLACE, NO_BAY, Bay, FirstPlace, Place
from otpnode.process.rare import Rare
from otpnode.process.relations import AliasMode, Asker, LinkTable, MonitorRecord

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

Body = Coroutine[object, None, object]
Call = tuple[Callable[..., object], tuple[object, ...], dict[str, object]]
DoneCallback = Callable[["Proc"], object]

_BECOME: Final = CURRENT.set
NOWHERE: Final = Context()
"""The context of the dead; nothing runs in it."""


class Proc:
    """A process of this shard; the owner of a mailbox, and a task to asyncio."""

    __slots__ = (
        *("__weakref__", "shard", "pid", "serial", "state", "irregular", "deaf", "cut_off", "trap_exits", "spread"),
        *("ops", "begun_at", "send", "context", "box", "bay", "place", "reason", "value", "ancestors", "line"),
        *("links", "monitors", "monitored_by", "children", "rare"),
        *("_coro", "_exception", "_fut_waiter", "_must_cancel", "_cancel_message", "_num_cancels"),
    )

    # Written before they are read, so that a birth need not pay for them.
    ops: int
    begun_at: float
    reason: object
    value: object
    """What the function returned, once it has ended."""
    _cancel_message: object

    call: Rare[Call] = Rare()
    """What becomes the coroutine at the first step, if it could not be made before."""
    label: Rare[str] = Rare()
    aliases: Rare[dict[str, AliasMode]] = Rare()
    dictionary: Rare[dict[object, object]] = Rare()
    timers: Rare[set[str]] = Rare()
    askers: Rare[dict[str, Asker]] = Rare()
    """Ref → the shard of who has asked by it: requests of other shards that are not answered yet."""
    blocks: Rare[list[Block]] = Rare()
    circled_at: Rare[float] = Rare()
    """When a circle of full mailboxes was last broken at a send of its own."""
    grace: Rare[Deadline] = Rare()
    _callbacks: Rare[list[tuple[DoneCallback, Context | None]]] = Rare()
    _name: Rare[str] = Rare()

    def __init__(self, shard: Shard, pid: Pid, serial: int, coro: Body | None = None, *, deaf: bool = False) -> None:
        self.shard = shard
        self.pid = pid
        self.serial = serial
        self.deaf = deaf
        self.cut_off = False
        self.trap_exits = False
        self.spread = False
        self.send: Callable[[None], object] | None
        if coro is None:
            self.state = NEW
            self.irregular = True
            self.send = None
        else:
            self.state = RUNNING_STATE
            self.irregular = False
            self.send = coro.send
        self.context = context = Context()
        context.run(_BECOME, self)
        self.box: Mailbox | None = None
        self.bay: Bay = NO_BAY
        self.place: Place | FirstPlace = FIRST_PLACE
        self.ancestors: tuple[str, ...] = ()
        self.line: tuple[str, ...] | None = None
        self.links: LinkTable | None = None
        self.monitors: dict[str, MonitorRecord] | None = None
        self.monitored_by: dict[str, str] | None = None
        self.children: set[asyncio.Future[object]] | None = None
        self.rare: dict[str, object] | None = None
        self._coro: Body | None = coro
        self._exception: BaseException | None = None
        self._fut_waiter: asyncio.Future[object] | None = None
        self._must_cancel = False
        self._num_cancels = 0

    def __repr__(self) -> str:
        return f"<Proc {self.pid} {self.label or ''} {STATUS[self.state]}>"

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox, made for the first who looks: who neither receives nor is sent anything has none."""
        box = self.box
        if box is None:
            self.box = box = Mailbox(self, self.shard.default_bound)
            self.shard.table.opened(self, box)
        return box

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
        cancelled, self._must_cancel = self._must_cancel, False
        self.irregular = self.state >= EXITING
        shard.running = None if self.irregular else self
        self.ops = 0
        CURRENT_TASKS[loop] = self
        try:
            if self.send is None:
                self._begin()
            send = self.send
            if cancelled:
                # Kept in no variable: its traceback may lead to this frame.
                throw = cast(Body, self._coro).throw
                yielded = throw(self._cancellation()) if inside else self.context.run(throw, self._cancellation())
            else:
                yielded = send(None) if inside else self.context.run(send, None)  # type: ignore[misc, arg-type]
        except BaseException as exc:
            shard.running = None
            CURRENT_TASKS.pop(loop, None)
            self.ended(exc)
            return
        shard.running = None
        CURRENT_TASKS.pop(loop, None)
        self.waits_for(yielded)

    def _begin(self) -> None:
        func, args, kwargs = cast(Call, self.call)
        coro = self.context.run(func, *args, **kwargs)
        if not isinstance(coro, Coroutine):
            name = getattr(func, "__qualname__", repr(func))
            raise TypeError(
                f"{name} is not a coroutine function (it returned {type(coro).__name__}); write `async def`"
            )
        self._coro = coro
        self.send = coro.send
        self.call = None
        if self.state == NEW:
            self.state = RUNNING_STATE

    def _cancellation(self) -> BaseException:
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
                if (
                    type(yielded) is Future
                    and yielded._asyncio_future_blocking
                    and not self.irregular
                    and yielded.get_loop() is loop
                ):
                    # What `waits_for` does with it, in place: a stream of awaited futures is a tenth faster.
                    yielded._asyncio_future_blocking = False
                    yielded.add_done_callback(self.wakeup, context=self.context)
                    self._fut_waiter = yielded
                else:
                    self.waits_for(yielded)
        finally:
            # A send on this step has put its receiver on the queue as in a slice, which this is not. Even when the
            # watchdog's exception came as late as here: the receiver has done nothing to deserve it (FS-03).
            if shard.ready or shard.deadlines.young:
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
            yielded = cast(Body, self._coro).throw(cast(BaseException, future.exception()))
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
        """Let go of what leads back here: the last who knew of the dead frees them, no collector is needed."""
        self._coro = self.send = self._fut_waiter = None
        self.call = None
        self.context = NOWHERE
        self.bay = NO_BAY
        self.place = FIRST_PLACE
        self.box = self.shard.graveyard

    # -- what a Task answers --------------------------------------------------

    def conclude(self, value: object, exception: BaseException | None) -> None:
        """Become done, and call back whoever asked."""
        self.value = value
        self._exception = exception
        callbacks, self._callbacks = self._callbacks, None
        for callback, context in callbacks or ():
            self.shard.loop.call_soon(callback, self, context=context)

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
        box = self.box
        if box is not None and box.parked and not self.bay.driven:
            box.set_state(WOKEN)
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
        return self.value

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
        return len(before) - len(self._callbacks or ())

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the shard."""
        return self.shard.loop

    def get_name(self) -> str:
        """Return the task name: the label, else the pid."""
        return self._name or self.label or self.pid

    def set_name(self, value: object) -> None:
        """Set the task name; the label stays as it is."""
        self._name = str(value)

    def get_coro(self) -> Body | Generator[object, None, object] | None:
        """Return the coroutine; None while it is not made and after the end."""
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
