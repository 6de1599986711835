"""What a state machine is told, and what it may answer: small frozen objects.

A callback gets a kind and a content, and returns where to go (`Next`, `Keep`,
`Repeat`, or `Stop`), with the actions to take on the way::

    def state_locked(self, kind, content):
        match kind, content:
            case Called(sender), ("unlock", code) if code == self.data.code:
                return Next("open", [ReplyTo(sender, True), StateTimeout(5.0)])
            case Called(sender), _:
                return Keep([ReplyTo(sender, False)])
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any, Generic, Literal, NamedTuple, get_args

from msgspec import Struct
from typing_extensions import TypeVar

from otpnode.behaviours.common.control import Control, Sender

S = TypeVar("S", default=Any)

# -- kinds --------------------------------------------------------------------


class Called(Struct, frozen=True):
    """The kind of a request by `GenStatem.call`; it is answered by ``ReplyTo(sender, …)``, now or in a later event."""

    sender: Sender


class TimedOut(Struct, frozen=True):
    """The kind of the event of a `NamedTimeout`."""

    name: object


Plain = Literal["cast", "info", "enter", "internal", "state_timeout", "event_timeout"]

_INSERTED = tuple(kind for kind in get_args(Plain) if kind != "enter")

EventKind = Called | TimedOut | Plain
"""What sort of event it is; a content that a client sends cannot pass for another kind."""


class Event(NamedTuple):
    """One event on its way: what the callback gets, and who waits for the answer (`CallCycleError`)."""

    kind: EventKind
    content: object
    chain: Sequence[str] = ()


# -- actions ------------------------------------------------------------------


class Action(Struct, frozen=True):
    """Base of what a transition may do besides changing the state."""


class ReplyTo(Action, frozen=True):
    """Answer a call, this one or one left open by an earlier event."""

    sender: Sender
    value: object


class Postpone(Action, frozen=True):
    """Handle this event again after the state has changed, before all newer ones (SM-01)."""


class NextEvent(Action, frozen=True):
    """Handle an event of the machine's own next, before all that are queued; several in their order (SM-02)."""

    kind: EventKind
    content: object = None

    def __post_init__(self) -> None:
        if isinstance(self.kind, (Called, TimedOut)) or (isinstance(self.kind, str) and self.kind in _INSERTED):
            return
        raise ValueError(f"NextEvent takes one of {_INSERTED}, Called(sender) or TimedOut(name), not {self.kind!r}")


class StateTimeout(Action, frozen=True):
    """Send ``'state_timeout'`` if the state is still this one in `seconds`; None cancels (SM-03)."""

    seconds: float | None
    content: object = None

    def __post_init__(self) -> None:
        _check(self, self.seconds)

    @property
    def kind(self) -> EventKind:
        """Return the kind of the event that comes."""
        return "state_timeout"


class EventTimeout(Action, frozen=True):
    """Send ``'event_timeout'`` if no event at all comes for `seconds` (SM-04)."""

    seconds: float | None
    content: object = None

    def __post_init__(self) -> None:
        _check(self, self.seconds)

    @property
    def kind(self) -> EventKind:
        """Return the kind of the event that comes."""
        return "event_timeout"


class NamedTimeout(Action, frozen=True):
    """Send ``TimedOut(name)`` in `seconds`, whatever the state is then; None cancels, another replaces it (SM-04)."""

    name: object
    seconds: float | None
    content: object = None

    def __post_init__(self) -> None:
        _check(self, self.seconds)
        hash(self.name)

    @property
    def kind(self) -> EventKind:
        """Return the kind of the event that comes."""
        return TimedOut(self.name)


Alarm = StateTimeout | EventTimeout | NamedTimeout
"""A timeout; there is at most one of each kind, and one of each name. With 0 seconds its event comes before all
that are still in the mailbox, and after the machine's own (SM-03)."""


def _check(alarm: Action, seconds: object) -> None:
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{type(alarm).__name__} takes a number of seconds, or None to cancel, not {seconds!r}")
    if isnan(seconds) or seconds < 0:
        raise ValueError(f"{type(alarm).__name__} takes at least 0 seconds, or None to cancel, not {seconds!r}")


# -- where to go --------------------------------------------------------------


class Next(Control, Generic[S], frozen=True):
    """Go to `state`; if it equals the present one, this is `Keep`.

    A state is compared by ``==``: take values, ``str`` or an enum, not objects that change.
    """

    state: S
    actions: Sequence[Action] = ()


class Keep(Control, frozen=True):
    """Stay in this state, as None does, with actions."""

    actions: Sequence[Action] = ()


class Repeat(Control, frozen=True):
    """Stay in this state, but be told ``'enter'`` again (SM-05)."""

    actions: Sequence[Action] = ()
