"""The body of a GenServer's process: one message, one callback, one answer at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from msgspec import UNSET

from otpnode import process
from otpnode.behaviours.common.callbacks import PLAIN, Ending, ending_by, run_callback
from otpnode.behaviours.common.control import (
    Continue,
    Control,
    Ignore,
    Init,
    NoReply,
    Reply,
    Sender,
    Stop,
    Then,
    Timeout,
)
from otpnode.behaviours.common.life import Life, Mortal, answered, bad_return
from otpnode.behaviours.common.starting import Birthplace, Cradle
from otpnode.behaviours.common.wire import CAST, SERVING, SYSTEM, Serving, is_call, kind_of


class Callbacks(Mortal, Protocol):
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
        """Take messages and run their callbacks: calls one after another, or one of anything else.

        What `serving` and `answered` do for the other behaviours is done in place: nobody's server is idle, and
        their two coroutines were a twentieth of a call.
        """
        while True:
            if self._then is None and not self.suspended:
                message = await process.receive()
            elif isinstance(self._then, Continue):
                await self.give_way()
                self._last, self._then = self._then, None
                return await self._plain(self._server.handle_continue, self._last.arg)
            else:
                message = await self._next()
            if not is_call(message):
                return await self._handle(message)
            self._last, self._then = message, None
            _, sender, request, chain = message
            call = Serving(sender, chain)
            SERVING.set(call)
            try:
                result = self._server.handle_call(request, sender)
                if type(result) not in PLAIN and hasattr(type(result), "__await__"):
                    result = await result
            except BaseException as error:
                result = ending_by(error)
            call.chain = ()
            ending = answered(sender, result) if type(result) in PLAIN else self._called(result, sender)
            if ending is not None:
                return ending

    async def _next(self) -> object:
        """Wait for the next message until `Timeout` is over, or for one that is served while suspended."""
        then = cast("Timeout | None", self._then)
        seconds = None if then is None or self.suspended else then.seconds
        try:
            return await process.receive(seconds, self.is_urgent if self.suspended else None)
        except TimeoutError:
            return "timeout"

    async def _handle(self, message: object) -> Ending | None:
        kind = kind_of(message)
        if kind is SYSTEM:
            return self.system(message)
        self._last, self._then = message, None
        if kind is CAST:
            return await self._plain(self._server.handle_cast, message[1])  # type: ignore[index]
        return self.ordered_end(message) or await self._plain(self._server.handle_info, message)

    def _called(self, result: object, sender: Sender) -> Ending | None:
        """Do what the callback of a call has returned."""
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
