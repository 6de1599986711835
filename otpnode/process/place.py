"""The parking place: what a process awaits in `receive` when its mailbox is empty.

One object per process, a future in shape only. The run queue knows it by
identity and does nothing, so a receive that waits costs no Future, no Handle and
no Task switch. Driven by an asyncio Task instead (a ``TaskGroup`` child, a
``wait_for`` on 3.11, an eager task) it is waited on like any future, because it
has what a Task asks of one: ``_asyncio_future_blocking``, ``get_loop``,
``add_done_callback``, ``result`` and ``cancel``.

It subclasses ``tuple`` for one reason: ``tuple.__iter__`` as ``__await__`` is a C
slot that yields the place itself once, where a generator would be made and
thrown away for every message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Final, cast

from otpnode.process.current import CURRENT

if TYPE_CHECKING:
    from collections.abc import Generator

    from otpnode.process.proc import Proc

Callback = Callable[[object], object]


class Bay:
    """What a process yields to say that it is parked."""

    __slots__ = ("_callbacks", "_cancel_message", "_cancelled", "owner")

    def __init__(self, owner: Proc) -> None:
        self.owner = owner
        self._callbacks: list[tuple[Callback, Context | None]] | None = None
        self._cancelled = False
        self._cancel_message: object = None

    @property
    def driven(self) -> bool:
        """Whether an asyncio Task, not the run queue, waits here."""
        return bool(self._callbacks)

    @property
    def _asyncio_future_blocking(self) -> bool:
        return True

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value: bool) -> None:
        # A Task resets it; parking always blocks, so there is nothing to keep.
        pass

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the owner's shard."""
        return self.owner.shard.loop

    def add_done_callback(self, callback: Callback, *, context: Context | None = None) -> None:
        """Be waited on by a Task: the owner's wait is now that Task's."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append((callback, context))
        self.owner.mailbox.regate()

    def remove_done_callback(self, callback: Callback) -> int:
        """Forget a Task's callback; returns how many were removed."""
        before = self._callbacks or []
        self._callbacks = [entry for entry in before if entry[0] != callback] or None
        return len(before) - len(self._callbacks or [])

    def wake_driver(self) -> None:
        """Call back the Task that waits here, in the next turn of the loop."""
        callbacks, self._callbacks = self._callbacks, None
        loop = self.owner.shard.loop
        for callback, context in callbacks or ():
            loop.call_soon(callback, self, context=context)

    def cancel(self, msg: object = None) -> bool:
        """Cancel the wait of the Task that waits here."""
        if not self._callbacks:
            return False
        self._cancelled = True
        self._cancel_message = msg
        self.wake_driver()
        return True

    def done(self) -> bool:
        """A place is never done: it is left."""
        return False

    def result(self) -> None:
        """End the wait of the Task that was called back."""
        if self._cancelled:
            self._cancelled = False
            raise (
                asyncio.CancelledError()
                if self._cancel_message is None
                else asyncio.CancelledError(self._cancel_message)
            )


class Place(tuple[Bay]):
    """The awaitable that yields one process's bay; see the module's argument."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __await__(self) -> Generator[object, None, None]: ...

    else:
        __await__ = tuple.__iter__


class FirstPlace:
    """Stands in for the place of a process that has not waited yet; awaited, it makes the real one."""

    __slots__ = ()

    def __await__(self) -> Generator[object, None, None]:
        me = cast("Proc", CURRENT.get())
        return open_bay(me).__await__()


def open_bay(me: Proc) -> Place:
    """Make the bay and the place of a process that waits for the first time."""
    me.bay = Bay(me)
    me.place = place = Place((me.bay,))
    return place


NO_BAY: Final = Bay(cast("Proc", None))
"""The bay of a process that has not waited yet: nobody yields it, nothing waits there."""

FIRST_PLACE: Final = FirstPlace()
