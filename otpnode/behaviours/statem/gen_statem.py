"""GenStatem: a process that is a state machine, with timeouts and postponed events.

::

    class Door(GenStatem[str, str]):                       # state, data
        def init(self, code: str) -> tuple[str, str]:
            return "locked", code

        def state_locked(self, kind: EventKind, content: object) -> Next[str] | Keep:
            match kind, content:
                case Called(sender), self.data:
                    return Next("open", [ReplyTo(sender, "welcome"), StateTimeout(5.0)])
                case Called(sender), _:
                    return Keep([ReplyTo(sender, "wrong code")])
            return self.handle_event(kind, content)

        def state_open(self, kind: EventKind, content: object) -> Next[str] | Keep:
            if kind == "state_timeout":
                return Next("locked")
            return Keep([Postpone()])

    pid = await Door.start_link(["1234"])
    assert await Door.call(pid, "1234") == "welcome"
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar, Generic

from typing_extensions import TypeVar

from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import Ignore, Sender, Server, Status, Stop
from otpnode.behaviours.common.crash import shown
from otpnode.behaviours.common.startable import Startable
from otpnode.behaviours.statem.events import Action, EventKind, Keep, Next, Repeat
from otpnode.behaviours.statem.loop import serve

State = TypeVar("State", default=Any)
Data = TypeVar("Data", default=Any)

Beginning = tuple[State, Data] | tuple[State, Data, *tuple[Action, ...]]
"""What `init` returns: the first state, the data, and actions, if there are any."""

Outcome = Next[State] | Keep | Repeat | Stop[Any] | None
"""What a callback for an event may return."""


class GenStatem(Startable, Generic[State, Data]):
    """Base of state machines; the type arguments are state and data, each optional.

    An event is handled by ``state_<name>(self, kind, content)`` when the state is the
    ``str`` name and the class has such a method, else by `handle_event`. Kinds:
    ``Called(sender)`` (by `call`), ``'cast'`` (by `cast`), ``'info'`` (any other
    message), ``'internal'`` (by `NextEvent`), ``'state_timeout'``, ``'event_timeout'``,
    ``TimedOut(name)``, and ``'enter'``.

    A callback may be ``def`` or ``async def``. One runs at a time: an ``await`` in it
    holds up the next event. How it is started, and its options: `Startable`.

    Attributes:
        enter: whether each state is told ``'enter'``, with the old state as content: the
            first one on start, and again by `Repeat`. It may not change the state,
            postpone or insert events (SEMANTICS SM-05).
        data: what the machine keeps besides its state; callbacks assign it.

    Guarantees:
        Postponed events come back after a change of the state only, oldest first, before
        newer ones (SM-01); inserted events come before all queued ones (SM-02); a state
        timeout ends with its state (SM-03), an event timeout with any event (SM-04), and
        no event of a cancelled timeout is ever seen.
    """

    enter: ClassVar[bool] = False

    data: Data
    _state: State

    _body = staticmethod(serve)

    @property
    def state(self) -> State:
        """The present state; a callback changes it by returning ``Next(state)``."""
        return self._state

    # -- callbacks ------------------------------------------------------------

    def init(
        self, *args: Any, **kwargs: Any
    ) -> Beginning[State, Data] | Stop[Any] | Ignore | Awaitable[Beginning[State, Data] | Stop[Any] | Ignore]:
        """Return ``(state, data, *actions)``, `Stop` or `IGNORE`; there is nothing to postpone yet.

        Runs in the new process, while the starter waits; it does not wait for the first ``'enter'``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no init; it must return (state, data, *actions)")

    def handle_event(self, kind: EventKind, content: Any, /) -> Outcome[State] | Awaitable[Outcome[State]]:
        """Handle an event for which the state has no method; return None to keep the state, or where to go.

        By default the machine crashes, naming the event (SM-06).
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not handle {shown(kind, 200)} with {shown(content, 200)} "
            f"in state {shown(self.state, 200)}"
        )

    def terminate(self, reason: Any, /) -> Any:
        """Clean up; what it raises replaces the reason. Not called on exit signals (GS-09)."""
        return None

    def format_status(self, status: Status, /) -> Status:
        """Return what crash reports and `get_status` may show; ``status.state`` is ``(state, data)``."""
        return status

    # -- asking ---------------------------------------------------------------

    @staticmethod
    async def call(server: Server, request: object, timeout: float | None = 5.0) -> Any:
        """Ask `server`, which sees ``Called(sender)``, and wait for its `ReplyTo`; see `GenServer.call`.

        Raises:
            CallExit: no reply: ``'noproc'``, ``'noconnection'``, or the machine's exit reason.
            CallTimeoutError: no reply within `timeout` seconds (None: for ever); the machine
                goes on, and may still handle the request, if it is postponed.
            CallCycleError: the machine is the caller, or waits for it already.
        """
        return await wire.call(server, request, timeout)

    @staticmethod
    async def cast(server: Server, request: object) -> None:
        """Send `server` a ``'cast'`` event; no error when it is dead or unknown (GS-07)."""
        await wire.cast(server, request)

    @staticmethod
    def reply(sender: Sender, value: object) -> None:
        """Answer a call at once, from any process; before ``Stop`` it is OTP's stop_and_reply (SM-06)."""
        wire.reply(sender, value)
