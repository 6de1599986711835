"""The timeouts of a state machine, as timers to itself.

A timer that runs out sends ``('timeout', ref, token)`` into the machine's own mailbox,
so that its event keeps its place among the messages. Cancelling is exact although that
message may be there already: an event comes only of a ref that is still known, and the
token, which nobody else has, tells a message that has come too late from one of the
user's own timers. The content waits here and never travels.

Timeouts of 0 seconds take no timer: their events wait here, oldest first, until the
machine has none of its own left, and come before it looks into its mailbox (SM-03).
"""

from __future__ import annotations

from math import inf
from typing import cast

from otpnode import process
from otpnode.behaviours.statem.events import Alarm, Event, EventKind
from otpnode.pid import Pid
from otpnode.ref import Ref


class Alarms:
    """All timeouts that are set; at most one of each kind."""

    def __init__(self, me: Pid) -> None:
        self._me = me
        self._token = process.make_ref()
        self._refs: dict[EventKind, Ref] = {}
        self._events: dict[Ref, Event] = {}
        self._due: dict[EventKind, Event] = {}

    async def set(self, alarm: Alarm) -> None:
        """Set a timeout in the place of its like, or cancel it."""
        kind, seconds = alarm.kind, alarm.seconds
        await self.cancel(kind)
        event = Event(kind, alarm.content)
        if seconds == 0:
            self._due[kind] = event
        elif seconds is not None and seconds != inf:
            ref = process.start_timer(seconds, self._me, self._token)
            self._refs[kind] = ref
            self._events[ref] = event

    async def cancel(self, kind: EventKind) -> None:
        """Forget a timeout, if it is set: its event will not come."""
        self._due.pop(kind, None)
        ref = self._refs.pop(kind, None)
        if ref is not None:
            del self._events[ref]
            await process.cancel_timer(ref)

    def due(self) -> Event | None:
        """Take the oldest timeout of 0 seconds."""
        oldest = next(iter(self._due), None)
        return None if oldest is None else self._due.pop(oldest)

    def is_ring(self, message: object) -> bool:
        """Tell whether `message` is from a timer of these, be it cancelled."""
        if type(message) is not tuple or len(message) != 3:
            return False
        return type(message[2]) is str and message[2] == self._token

    def rung(self, message: object) -> Event | None:
        """Take the timeout whose timer has sent `message`; None if it has been cancelled."""
        _, ref, _ = cast("tuple[str, Ref, Ref]", message)
        event = self._events.pop(ref, None)
        if event is not None:
            del self._refs[event.kind]
        return event
