"""What the bodies of all behaviours share: being looked into, serving a call, and ending."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, NoReturn, Protocol, cast

from msgspec import UNSET
from typing_extensions import TypeVar

from otpnode import process
from otpnode.behaviours.common.callbacks import Ending, is_struck, run_callback
from otpnode.behaviours.common.control import Sender, Status
from otpnode.behaviours.common.crash import formatted, report_crash
from otpnode.behaviours.common.starting import Birthplace, Cradle
from otpnode.behaviours.common.system import Terminate, serve_system
from otpnode.behaviours.common.wire import SERVING, SYSTEM, Serving, exit_message, is_stop_order, kind_of
from otpnode.errors import MessageTooLargeError, ProcessExit, ProcessNotFoundError, UnserializableError
from otpnode.pid import Pid
from otpnode.reasons import is_quiet

OWN_AT_ONCE = 64
"""After so many turns for which it took nothing from the mailbox a process gives way to the others (FS-01) …"""
OWN_SECONDS = 0.002
"""… or after so many seconds."""


class Mortal(Protocol):
    """What every life asks of the object it is the life of."""

    def terminate(self, reason: object, /) -> object:
        """Clean up."""
        ...

    def format_status(self, status: Status, /) -> Status:
        """Say what may be seen."""
        ...


M = TypeVar("M", bound=Mortal)


class Life(ABC, Generic[M]):
    """One process of a behaviour from init to its end."""

    def __init__(self, server: M, place: Birthplace) -> None:
        cls = type(server)
        self.suspended = False
        self._server = server
        self._behaviour = f"{cls.__module__}.{cls.__qualname__}"
        self._me = cast(Pid, process.self())
        self._place = place
        self._parent = place.parent
        self._last: object = None
        self._own = 0
        self._gave_way_at = 0.0

    async def run(self, args: list[object], kwargs: dict[str, object]) -> NoReturn:
        """Begin, take turns, and end."""
        cradle = Cradle(self._place)
        await cradle.wait()
        await self.begin(cradle, args, kwargs)
        while True:
            ending = await self.turn()
            if ending is not None:
                await self.end(ending)

    # -- what each kind of behaviour does its own way ---------------------------

    @abstractmethod
    async def begin(self, cradle: Cradle, args: list[object], kwargs: dict[str, object]) -> None:
        """Run `init` and tell the starter; does not return unless there is something to serve."""

    @abstractmethod
    async def turn(self) -> Ending | None:
        """Do the next thing there is to do, at most one callback for one message."""

    @abstractmethod
    def get_state(self) -> object:
        """Return the state."""

    @abstractmethod
    def replace_state(self, func: Callable[[object], object]) -> object:
        """Change the state and return it."""

    # -- serving --------------------------------------------------------------

    async def give_way(self) -> None:
        """Let others run now and then, before a turn that nothing in the mailbox is the cause of."""
        self._own += 1
        if not self._own % OWN_AT_ONCE or monotonic() > self._gave_way_at + OWN_SECONDS:
            await asyncio.sleep(0)
            self._gave_way_at = monotonic()

    async def fail(self, cradle: Cradle, ending: Ending) -> NoReturn:
        """Report an `init` that did not begin, tell the starter, and end."""
        await self._report(ending.reason, ending.error)
        await cradle.failed(ending.reason)

    def is_urgent(self, message: object) -> bool:
        """Tell whether `message` is served while suspended too."""
        return kind_of(message) is SYSTEM or is_stop_order(message, self._parent)

    def ordered_end(self, message: object) -> Ending | None:
        """Return the end that `message` orders, the parent's EXIT or the node's stop; None for another message."""
        if is_stop_order(message, self._parent):
            return Ending(cast("tuple[Pid, object]", exit_message(message))[1])
        return None

    def system(self, message: object) -> Ending | None:
        """Serve a system message."""
        _, sender, request = cast("tuple[str, Sender, object]", message)
        try:
            serve_system(self, sender, request)
        except Terminate as order:
            return Ending(order.reason)
        return None

    # -- being looked into ----------------------------------------------------

    def status(self) -> Status:
        """Return what `format_status` lets be seen of a running server."""
        return self._formatted("suspended" if self.suspended else "running", None, None)

    def _formatted(self, phase: str, reason: object, message: object) -> Status:
        raw = Status(self._me, self._behaviour, self.get_state(), phase, reason, message)
        return formatted(self._server.format_status, raw)

    # -- ending ---------------------------------------------------------------

    async def end(self, ending: Ending) -> NoReturn:
        """Run `terminate`, answer who is still to be answered, report, and end (GS-08, GS-09)."""
        if is_struck():
            # An exit signal struck first; the callback made something else of its cancellation.
            raise ProcessExit(ending.reason)
        outcome = await run_callback(self._server.terminate, ending.reason)
        reason, error = ending.reason, ending.error
        if isinstance(outcome, Ending):
            reason, error = outcome.reason, outcome.error
        if ending.sender is not None and ending.reply is not UNSET:
            unsent = answered(ending.sender, ending.reply)
            if unsent is not None:
                reason, error = unsent.reason, unsent.error
        await self._report(reason, error)
        raise ProcessExit(reason)

    async def _report(self, reason: object, error: BaseException | None) -> None:
        if is_quiet(reason):
            return
        if error is None and isinstance(reason, BaseException):
            error = reason
        await report_crash(self._formatted("terminating", reason, self._last), error)


async def serving(sender: Sender, chain: Sequence[str], callback: Callable[..., object], *args: object) -> object:
    """Run the callback that serves a call; what it calls meanwhile knows who waits (`CallCycleError`)."""
    call = Serving(sender, chain)
    SERVING.set(call)
    result = await run_callback(callback, *args)
    call.over()
    return result


def answered(sender: Sender, value: object) -> Ending | None:
    """Reply; an `Ending` when the value cannot travel to the caller: the server's own fault."""
    try:
        process.send_nowait(sender[1], (sender[1], value))
    except ProcessNotFoundError:
        # As in `wire.reply`: a request that names nobody to answer is no fault of the server.
        return None
    except (UnserializableError, MessageTooLargeError) as error:
        return Ending(error, error)
    return None


def bad_return(value: object) -> Ending:
    """Return the end of a server whose callback returned what it may not (GS-12)."""
    return Ending(("bad_return_value", value))
