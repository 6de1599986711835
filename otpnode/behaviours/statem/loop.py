"""The body of a GenStatem's process: which event comes next, and what a transition does in which order.

Next comes, as long as there is one (SM-01 … SM-04):

1. the machine's own queue: inserted events, then postponed ones that have come back;
2. a timeout of 0 seconds, the oldest first;
3. the mailbox.

A transition, after the callback has returned (the order of OTP's gen_statem):

1. a postponed event is put aside;
2. if the state changes, the state timeout ends and all that was put aside goes before
   the machine's own queue, oldest first;
3. the actions, in their order: replies go out, timeouts are set; inserted events go
   before everything else;
4. the new state is told ``'enter'`` (if the class says so), and its actions follow.

System messages are read from the mailbox alone, so a suspended machine has no events of
its own: it was suspended when it had none, and nothing but an event makes one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from msgspec import UNSET

from otpnode import process
from otpnode.behaviours.common.callbacks import Ending, run_callback
from otpnode.behaviours.common.control import Ignore, Sender, Stop
from otpnode.behaviours.common.crash import shown
from otpnode.behaviours.common.life import Life, Mortal, answered, bad_return, serving
from otpnode.behaviours.common.starting import Birthplace, Cradle
from otpnode.behaviours.common.wire import CALL, CAST, SYSTEM, kind_of
from otpnode.behaviours.statem.alarms import Alarms
from otpnode.behaviours.statem.events import (
    Action,
    Called,
    Event,
    EventKind,
    EventTimeout,
    Keep,
    NamedTimeout,
    Next,
    NextEvent,
    Postpone,
    Repeat,
    ReplyTo,
    StateTimeout,
)

Step = Next[Any] | Keep | Repeat

Actions = tuple[type[Action], ...]
ON_ENTER: Actions = (ReplyTo, StateTimeout, EventTimeout, NamedTimeout)
ON_INIT: Actions = (*ON_ENTER, NextEvent)
ON_EVENT: Actions = (*ON_INIT, Postpone)
"""What may be done in which callback: on `init` there is nothing to postpone, and ``'enter'`` makes no events."""


class Callbacks(Mortal, Protocol):
    """What the loop asks of a machine, besides its methods ``state_<name>``."""

    enter: bool
    data: Any
    _state: Any

    def init(self, *args: Any, **kwargs: Any) -> Any:
        """Make the first state and the data."""
        ...

    def handle_event(self, kind: Any, content: Any, /) -> Any:
        """Handle an event."""
        ...


async def serve(place: Birthplace, cls: type[Callbacks], args: list[object], kwargs: dict[str, object]) -> None:
    """Be a machine of class `cls`; importable by name, so that it can live on any shard."""
    await StatemLife(cls, place).run(args, kwargs)


class StatemLife(Life[Callbacks]):
    """One state machine from init to its end."""

    def __init__(self, cls: type[Callbacks], place: Birthplace) -> None:
        super().__init__(cls(), place)
        self._server._state = self._server.data = None
        self._queue: deque[Event] = deque()
        self._postponed: list[Event] = []
        self._alarms = Alarms(self._me)

    async def begin(self, cradle: Cradle, args: list[object], kwargs: dict[str, object]) -> None:
        """Run `init`, tell the starter, and enter the first state."""
        made = await run_callback(self._server.init, *args, **kwargs)
        match made:
            case Ignore():
                await cradle.ignored()
            case Ending():
                await self.fail(cradle, made)
            case Stop(reason=reason, reply=answer) if answer is UNSET:
                await self.fail(cradle, Ending(reason))
            case (state, data, *actions) if type(made) is tuple:
                if not _are(actions, ON_INIT):
                    await self.fail(cradle, bad_return(made))
                self._server._state, self._server.data = state, data
            case _:
                await self.fail(cradle, bad_return(made))
        cradle.started()
        ending = await self._follow(Repeat(cast(list[Action], actions)), None, ON_INIT)
        if ending is not None:
            await self.end(ending)

    # -- events ---------------------------------------------------------------

    async def turn(self) -> Ending | None:
        """Handle the next event, or serve a system message."""
        event = self._queue.popleft() if self._queue else self._alarms.due()
        if event is not None:
            await self.give_way()
            return await self._handle(event)
        message = await process.receive(None, self.is_urgent if self.suspended else None)
        kind = kind_of(message)
        if kind is SYSTEM:
            return self.system(message)
        if kind is CALL:
            _, sender, request, chain = cast("tuple[str, Sender, object, list[str]]", message)
            return await self._handle(Event(Called(sender), request, chain))
        if kind is CAST:
            return await self._handle(Event("cast", message[1]))  # type: ignore[index]
        if self._alarms.is_ring(message):
            rung = self._alarms.rung(message)
            return None if rung is None else await self._handle(rung)
        return self.ordered_end(message) or await self._handle(Event("info", message))

    async def _handle(self, event: Event) -> Ending | None:
        await self._alarms.cancel("event_timeout")
        self._last = (event.kind, event.content)
        callback = self._callback()
        if isinstance(event.kind, Called):
            result = await serving(event.kind.sender, event.chain, callback, event.kind, event.content)
        else:
            result = await run_callback(callback, event.kind, event.content)
        return await self._follow(result, event, ON_EVENT)

    def _callback(self) -> Callable[..., object]:
        state = self._server._state
        if isinstance(state, str) and hasattr(type(self._server), "state_" + state):
            return cast("Callable[..., object]", getattr(self._server, "state_" + state))
        return self._server.handle_event

    # -- transitions ----------------------------------------------------------

    async def _follow(self, result: object, event: Event | None, allowed: Actions) -> Ending | None:
        """Do what a callback has returned for `event` (None: `init`), then enter the state as often as it asks."""
        while True:
            before = self._server._state
            step = self._step(result, allowed)
            if isinstance(step, Ending):
                return step
            ending = await self._take(step, event)
            if ending is not None or not self._server.enter or isinstance(step, Keep):
                return ending
            event, allowed = None, ON_ENTER
            self._last = ("enter", before)
            result = await run_callback(self._callback(), "enter", before)

    def _step(self, result: object, allowed: Actions) -> Step | Ending:
        """Say what a callback's result means; a `Next` to the present state is a `Keep`."""
        match result:
            case Ending():
                return result
            case Stop(reason=reason, reply=answer) if answer is UNSET:
                return Ending(reason)
            case None:
                return Keep()
            case Next(state=state, actions=actions) if _are(actions, allowed):
                try:
                    stays = state is self._server._state or bool(state == self._server._state)
                except Exception as error:
                    return Ending(error, error)
                if stays:
                    return Keep(actions)
                return result if allowed is not ON_ENTER else bad_return(result)
            case Keep(actions=actions) | Repeat(actions=actions) if _are(actions, allowed):
                return result
        return bad_return(result)

    async def _take(self, step: Step, event: Event | None) -> Ending | None:
        if event is not None and any(isinstance(action, Postpone) for action in step.actions):
            self._postponed.append(event)
        if isinstance(step, Next):
            self._server._state = step.state
            await self._alarms.cancel("state_timeout")
            self._queue.extendleft(reversed(self._postponed))
            self._postponed.clear()
        inserted: list[Event] = []
        for action in step.actions:
            match action:
                case ReplyTo(sender=sender, value=value):
                    unsent = answered(sender, value)
                    if unsent is not None:
                        return unsent
                case NextEvent(kind=kind, content=content):
                    inserted.append(Event(kind, content, _waiting(kind, event)))
                case StateTimeout() | EventTimeout() | NamedTimeout():
                    await self._alarms.set(action)
        self._queue.extendleft(reversed(inserted))
        return None

    # -- being looked into ----------------------------------------------------

    def get_state(self) -> tuple[object, object]:
        """Return ``(state, data)``."""
        return self._server._state, self._server.data

    def replace_state(self, func: Callable[[object], object]) -> object:
        """Change ``(state, data)`` and return it; no transition: nothing is entered, retried or cancelled."""
        made = func(self.get_state())
        if not isinstance(made, tuple) or len(made) != 2:
            raise TypeError(f"the function for replace_state must return (state, data), not {shown(made, 200)}")
        self._server._state, self._server.data = made
        return made


def _are(actions: object, allowed: Actions) -> bool:
    return isinstance(actions, (list, tuple)) and all(isinstance(action, allowed) for action in actions)


def _waiting(kind: EventKind, event: Event | None) -> Sequence[str]:
    """Return who waits for an inserted event: for a call that is handled again, the same as before."""
    if not isinstance(kind, Called):
        return ()
    return event.chain if event is not None and event.kind == kind else (kind.sender[0],)
