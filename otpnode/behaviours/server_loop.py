"""The body of a GenServer's process: one message, one callback, one answer at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Protocol, cast

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
from otpnode.behaviours.crash import formatted, report_crash
from otpnode.behaviours.starting import Birthplace, Cradle
from otpnode.behaviours.system import Terminate, serve_system
from otpnode.behaviours.wire import (
    CALL,
    CAST,
    SERVING,
    SYSTEM,
    Serving,
    exit_message,
    is_stop_order,
    kind_of,
    reply,
)
from otpnode.errors import MessageTooLargeError, ProcessExit, UnserializableError
from otpnode.pid import Pid
from otpnode.reasons import is_quiet


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
    cradle = Cradle(place)
    await cradle.wait()
    life = Life(cls, place.parent)
    await life.begin(cradle, args, kwargs)
    while True:
        ending = await life.turn()
        if ending is not None:
            await life.end(ending)


class Life:
    """One server from init to its end."""

    def __init__(self, cls: type[Callbacks], parent: Pid | None) -> None:
        self.suspended = False
        self._server = cls()
        self._server.state = None
        self._behaviour = f"{cls.__module__}.{cls.__qualname__}"
        self._me = cast(Pid, process.self())
        self._parent = parent
        self._then: Then = None
        self._last: object = None

    # -- beginning ------------------------------------------------------------

    async def begin(self, cradle: Cradle, args: list[object], kwargs: dict[str, object]) -> None:
        """Run `init` and tell the starter; does not return unless there is something to serve."""
        made = await run_callback(self._server.init, *args, **kwargs)
        match made:
            case Ignore():
                await cradle.ignored()
            case Ending():
                await self._fail(cradle, made)
            case Stop(reason=reason, reply=answer) if answer is UNSET:
                await self._fail(cradle, Ending(reason))
            case Init(state=state, then=then) if _is_then(then):
                self._server.state = state
                self._then = then
            case Control():
                await self._fail(cradle, _bad_return(made))
            case None:
                pass
            case _:
                self._server.state = made
        cradle.started()

    async def _fail(self, cradle: Cradle, ending: Ending) -> NoReturn:
        await self._report(ending.reason, ending.error)
        await cradle.failed(ending.reason)

    # -- serving --------------------------------------------------------------

    async def turn(self) -> Ending | None:
        """Take one message, or do what the last callback wanted, and run the callback for it."""
        then, self._then = self._then, None
        if isinstance(then, Continue):
            self._last = then
            return await self._plain(self._server.handle_continue, then.arg)
        seconds = None if then is None or self.suspended else then.seconds
        try:
            message = await process.receive(seconds, self._is_urgent if self.suspended else None)
        except TimeoutError:
            message = "timeout"
        kind = kind_of(message)
        if kind is SYSTEM:
            self._then = then
            return self._system(message)
        self._last = message
        if kind is CALL:
            return await self._call(message)
        if kind is CAST:
            return await self._plain(self._server.handle_cast, message[1])  # type: ignore[index]
        if is_stop_order(message, self._parent):
            return Ending(cast("tuple[Pid, object]", exit_message(message))[1])
        return await self._plain(self._server.handle_info, message)

    def _is_urgent(self, message: object) -> bool:
        return kind_of(message) is SYSTEM or is_stop_order(message, self._parent)

    async def _call(self, message: object) -> Ending | None:
        _, sender, request, chain = cast("tuple[str, Sender, object, list[str]]", message)
        serving = Serving(sender, chain)
        outer = SERVING.set(serving)
        result = await run_callback(self._server.handle_call, request, sender)
        SERVING.reset(outer)
        serving.over()
        if not isinstance(result, (Control, Ending)):
            return _answered(sender, result)
        match result:
            case Ending():
                return result
            case Reply(value=value, then=then) if _is_then(then):
                self._then = then
                return _answered(sender, value)
            case NoReply(then=then) if _is_then(then):
                self._then = then
                return None
            case Stop(reason=reason, reply=value):
                return Ending(reason, None, sender, value)
        return _bad_return(result)

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
        return _bad_return(result)

    def _system(self, message: object) -> Ending | None:
        _, sender, request = cast("tuple[str, Sender, object]", message)
        try:
            serve_system(self, sender, request)
        except Terminate as order:
            return Ending(order.reason)
        return None

    # -- being looked into ----------------------------------------------------

    def get_state(self) -> object:
        """Return the state."""
        return self._server.state

    def replace_state(self, func: Callable[[object], object]) -> object:
        """Change the state and return it."""
        self._server.state = func(self._server.state)
        return self._server.state

    def status(self) -> Status:
        """Return what `format_status` lets be seen of a running server."""
        return self._formatted("suspended" if self.suspended else "running", None, None)

    def _formatted(self, phase: str, reason: object, message: object) -> Status:
        raw = Status(self._me, self._behaviour, self._server.state, phase, reason, message)
        return formatted(self._server.format_status, raw)

    # -- ending ---------------------------------------------------------------

    async def end(self, ending: Ending) -> NoReturn:
        """Run `terminate`, answer who is still to be answered, report, and end (GS-08, GS-09)."""
        outcome = await run_callback(self._server.terminate, ending.reason)
        reason, error = ending.reason, ending.error
        if isinstance(outcome, Ending):
            reason, error = outcome.reason, outcome.error
        if ending.sender is not None and ending.reply is not UNSET:
            unsent = _answered(ending.sender, ending.reply)
            if unsent is not None:
                reason, error = unsent.reason, unsent.error
        await self._report(reason, error)
        raise ProcessExit(reason)

    async def _report(self, reason: object, error: BaseException | None) -> None:
        if is_quiet(reason):
            return
        if error is None and isinstance(reason, BaseException):
            error = reason
        label = await process.process_info(self._me, "label")
        status = self._formatted("terminating", reason, self._last)
        await report_crash(status, error, self._parent, str(label) if label else None)


def _answered(sender: Sender, value: object) -> Ending | None:
    """Reply; an `Ending` when the value cannot travel to the caller: the server's own fault."""
    try:
        reply(sender, value)
    except (UnserializableError, MessageTooLargeError) as error:
        return Ending(error, error)
    return None


def _is_then(then: object) -> bool:
    return then is None or isinstance(then, (Continue, Timeout))


def _bad_return(value: object) -> Ending:
    return Ending(("bad_return_value", value))
