"""State machines of the tests: importable by name, so that they can live on any shard."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.common.control import IGNORE, Status, Stop
from otpnode.behaviours.statem.events import (
    Action,
    Called,
    EventKind,
    Keep,
    Next,
    NextEvent,
    Postpone,
    ReplyTo,
    TimedOut,
)
from otpnode.behaviours.statem.gen_statem import GenStatem
from tests.behaviours.servers import next_message, no_message


def shown(kind: EventKind) -> object:
    """Return a kind in the form the tests compare."""
    match kind:
        case Called():
            return "call"
        case TimedOut(name):
            return ("timed out", name)
        case _:
            return kind


class Machine(GenStatem[Any, str]):
    """Tells `watcher` each event as ``(state, kind, label)`` and does what the event says.

    A content is a label, or ``(label, {state: result})``: what to return in which state. A
    label ``'rung'`` waits until the message of a timer has come into the mailbox.
    """

    async def init(self, watcher: str, *actions: Action, state: object = "a") -> Any:
        return state, watcher, *actions

    async def handle_event(self, kind: EventKind, content: Any, /) -> Any:
        label, results = content if isinstance(content, tuple) and len(content) == 2 else (content, {})
        await self.tell((self.state, shown(kind), label))
        if label == "rung":
            while not await rung():
                await process.sleep(0.001)  # sleep: looks again whether the timer has run out
        result = results.get(self.state) if isinstance(self.state, str) else None
        if isinstance(result, BaseException):
            raise result
        if isinstance(kind, Called) and label == "ping":
            self.reply(kind.sender, "pong")
        return result

    async def tell(self, message: object) -> None:
        await process.send(self.data, message)


async def rung() -> bool:
    """Tell whether the message of a timer is in the caller's mailbox."""
    queued: Any = await process.process_info(process.self() or "", "messages")
    return any(isinstance(message, tuple) and message[0] == "timeout" for message in queued)


class Entering(Machine):
    """Also wants to be told of states it enters; of a state that is a pair the second is the result for ``'enter'``."""

    enter = True

    async def handle_event(self, kind: EventKind, content: Any, /) -> Any:
        if kind != "enter":
            return await super().handle_event(kind, content)
        await self.tell((self.state, "enter", content))
        return self.state[1] if isinstance(self.state, tuple) else None


class Methods(GenStatem[Any, list[object]]):
    """Has a method for one of its states; knows what was called."""

    def init(self, state: object) -> tuple[object, list[object]]:
        return state, []

    def state_open(self, kind: EventKind, content: object) -> None:
        self.data.append(("open", content))

    def handle_event(self, kind: EventKind, content: object, /) -> None:
        self.data.append(("any", content))


class Mode(StrEnum):
    """States that are members of an enum."""

    OPEN = "open"


class Endless(GenStatem[str, int]):
    """Gives itself one event after the other and never waits for anything."""

    def init(self) -> tuple[str, int, NextEvent]:
        return "on", 0, NextEvent("internal")

    def handle_event(self, kind: EventKind, content: object, /) -> Keep:
        return Keep([NextEvent("internal")])


class Only(GenStatem):
    """Handles nothing but casts in state `on`, and passes the rest on."""

    def init(self) -> tuple[str, str]:
        return "on", "secret"

    def state_on(self, kind: EventKind, content: Any) -> Any:
        return None if kind == "cast" else self.handle_event(kind, content)

    def format_status(self, status: Status, /) -> Status:
        return Status(status.pid, status.behaviour, "***", status.phase, status.reason, status.message)


class Begins(GenStatem):
    """Its init does what it is told."""

    async def init(self, how: str = "none", arg: object = None) -> Any:
        match how:
            case "stop":
                return Stop(arg)
            case "ignore":
                return IGNORE
            case "raise":
                raise ValueError(arg)
            case _:
                return arg


class Ending(Machine):
    """Traps exits and tells how it ends."""

    trap_exits = True

    async def terminate(self, reason: object, /) -> None:
        await self.tell(("terminate", reason, self.state))


class Incomparable:
    """Cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __hash__ = None  # type: ignore[assignment]


class Gate(GenStatem[str, str | None]):
    """Keeps callers waiting while it is shut; then calls the first of the servers it was given with the others."""

    def init(self, state: str = "shut", watcher: str | None = None) -> tuple[str, str | None]:
        return state, watcher

    async def state_shut(self, kind: EventKind, content: Any) -> Next[str] | Keep:
        if content == "open":
            return Next("open")
        if self.data is not None:
            await process.send(self.data, "postponed")
        return Keep([Postpone()])

    async def state_open(self, kind: EventKind, content: Any) -> Keep | None:
        match kind, content:
            case Called(), ["again", *others]:
                return Keep([NextEvent(kind, others)])
            case Called(sender), []:
                return Keep([ReplyTo(sender, "through")])
            case Called(sender), [first, *others]:
                return Keep([ReplyTo(sender, await self.call(first, others))])
        return None


async def told(pid: str, *events: object, until: int = 0) -> list[Any]:
    """Give a machine events, as casts that are all queued before the first is handled; then as `heard`."""
    await system.suspend(pid)
    for event in events:
        await GenStatem.cast(pid, event)
    await system.resume(pid)
    return await heard(pid, until)


async def suspended(pid: str, event: tuple[str, object]) -> None:
    """Give a machine an event that sets a timeout, and suspend it before that has run out."""
    while True:
        await GenStatem.cast(pid, event)
        assert (await next_message())[1:] == ("cast", event[0])  # type: ignore[index]
        await system.suspend(pid)
        if await no_message():
            return
        # The timeout was faster, and its event has been told; so once more.
        await system.resume(pid)
        await next_message()


async def heard(pid: str, until: int = 0) -> list[Any]:
    """Wait for `until` tellings of a machine, have it answer a call, and return all it told before."""
    tellings = [await next_message() for _ in range(until)]
    assert await GenStatem.call(pid, "ping") == "pong"
    while True:
        message: Any = await next_message()
        if message[1:] == ("call", "ping"):
            return tellings
        tellings.append(message)


def contents(tellings: Sequence[Any]) -> list[object]:
    """Return only the labels."""
    return [one[2] for one in tellings]
