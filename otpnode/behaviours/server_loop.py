"""The body of a GenServer's process: one message, one callback, one answer at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from msgspec import UNSET

from otpnode import process
from otpnode.behaviours.callbacks import Ending, run_callback
from otpnode.behaviours.control import (
    Continue,
    Control,
    Ignore,
    Init,
    NoReply,
    Reply,
    Sender,
    Status,
    Stop,
    Then,
    Timeout,
)
from otpnode.behaviours.life import Life, answered, bad_return, serving
from otpnode.behaviours.starting import Birthplace, Cradle
from otpnode.behaviours.wire import CALL, CAST, SYSTEM, kind_of


class Callbacks(Protocol):
    """What the loop asks of a server."""

    state: Any

    def init(self, *args: Any, **kwargs: Any) -> Any:
        """Make the state."""
        ...

    def handle_call(self, request: Any, sender: Sender, /) -> Any:
        """Answer a call."""
        ...

    def handle_cast(self, request: Any, /) -> Any:
        """Take a cast."""
        ...

    def handle_info(self, message: Any, /) -> Any:
        """Take any other message."""
        ...

    def handle_continue(self, arg: Any, /) -> Any:
        """Go on."""
        ...

    def terminate(self, reason: Any, /) -> Any:
        """Clean up."""
        ...

    def format_status(self, status: Status, /) -> Status:
        """Say what may be seen."""
        ...


async def serve(place: Birthplace, cls: type[Callbacks], args: list[object], kwargs: dict[str, object]) -> None:
    """Be a server of class `cls`; importable by name, so that a server can live on any shard."""
    await ServerLife(cls, place).run(args, kwargs)


class ServerLife(Life[Callbacks]):
    """One server from init to its end."""

    def __init__(self, cls: type[Callbacks], place: Birthplace) -> None:
        super().__init__(cls(), place)
        self._server.state = None
        self._then: Then = None

    async def begin(self, cradle: Cradle, args: list[object], kwargs: dict[str, object]) -> None:
        """Run `init` and tell the starter; does not return unless there is something to serve."""
        made = await run_callback(self._server.init, *args, **kwargs)
        match made:
            case Ignore():
                await cradle.ignored()
            case Ending():
                await self.fail(cradle, made)
            case Stop(reason=reason, reply=answer) if answer is UNSET:
                await self.fail(cradle, Ending(reason))
            case Init(state=state, then=then) if _is_then(then):
                self._server.state = state
                self._then = then
            case Control():
                await self.fail(cradle, bad_return(made))
            case None:
                pass
            case _:
                self._server.state = made
        cradle.started()

    # -- serving --------------------------------------------------------------

    async def turn(self) -> Ending | None:
        """Take one message, or do what the last callback wanted, and run the callback for it."""
        then, self._then = self._then, None
        if isinstance(then, Continue):
            self._last = then
            return await self._plain(self._server.handle_continue, then.arg)
        seconds = None if then is None or self.suspended else then.seconds
        try:
            message = await process.receive(seconds, self.is_urgent if self.suspended else None)
        except TimeoutError:
            message = "timeout"
        kind = kind_of(message)
        if kind is SYSTEM:
            self._then = then
            return self.system(message)
        self._last = message
        if kind is CALL:
            return await self._call(message)
        if kind is CAST:
            return await self._plain(self._server.handle_cast, message[1])  # type: ignore[index]
        return self.ordered_end(message) or await self._plain(self._server.handle_info, message)

    async def _call(self, message: object) -> Ending | None:
        _, sender, request, chain = cast("tuple[str, Sender, object, list[str]]", message)
        result = await serving(sender, chain, self._server.handle_call, request, sender)
        if not isinstance(result, (Control, Ending)):
            return answered(sender, result)
        match result:
            case Ending():
                return result
            case Reply(value=value, then=then) if _is_then(then):
                self._then = then
                return answered(sender, value)
            case NoReply(then=then) if _is_then(then):
                self._then = then
                return None
            case Stop(reason=reason, reply=value):
                return Ending(reason, None, sender, value)
        return bad_return(result)

    async def _plain(self, callback: Callable[..., object], arg: object) -> Ending | None:
        result = await run_callback(callback, arg)
        match result:
            case None:
                return None
            case Ending():
                return result
            case Continue() | Timeout():
                self._then = result
                return None
            case Stop(reason=reason, reply=value) if value is UNSET:
                return Ending(reason)
        return bad_return(result)

    # -- being looked into ----------------------------------------------------

    def get_state(self) -> object:
        """Return the state."""
        return self._server.state

    def replace_state(self, func: Callable[[object], object]) -> object:
        """Change the state and return it."""
        self._server.state = func(self._server.state)
        return self._server.state


def _is_then(then: object) -> bool:
    return then is None or isinstance(then, (Continue, Timeout))
