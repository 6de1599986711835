"""Agent: a process that keeps a value, and runs the functions it is given on it.

::

    pid = await Agent.start_link([list])                     # func and its arguments: []
    await Agent.update(pid, operator.add, [["first"]])       # func(state, *args) is the new state
    assert await Agent.get(pid, len) == 1                    # func(state, *args) is the answer

It is a GenServer whose requests are functions::

    ('$gen_call', (pid, ref), ('get' | 'update' | 'get_and_update', func, args), chain)
    ('$gen_cast', ('update', func, args))
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, TypeVar, cast, overload

from otpnode import process
from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import Init, Reply, Sender, Server
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.tasks.body import value_of
from otpnode.errors import UnserializableError

R = TypeVar("R")

GET = "get"
UPDATE = "update"
GET_AND_UPDATE = "get_and_update"

Request = tuple[str, Callable[..., Any], list[object]]


class Agent(GenServer[Any, Request, Any]):
    """A value in a process of its own, beside whoever starts it unless ``on=`` says otherwise.

    Every function may be plain or a coroutine function, runs in the agent, one at a time,
    and gets the state as its first argument. One that raises ends the agent with that
    exception, and the caller gets it as the reason of a `CallExit` (SEMANTICS AG-01).
    Start one with ``start_link([func, *args])``: ``func(*args)`` is the first state.
    """

    on: ClassVar[str | int] = "local"

    @overload
    @staticmethod
    async def get(
        agent: Server,
        func: Callable[..., Coroutine[Any, Any, R]],
        args: Sequence[object] = (),
        timeout: float | None = 5.0,
    ) -> R: ...

    @overload
    @staticmethod
    async def get(
        agent: Server, func: Callable[..., R], args: Sequence[object] = (), timeout: float | None = 5.0
    ) -> R: ...

    @staticmethod
    async def get(
        agent: Server, func: Callable[..., Any], args: Sequence[object] = (), timeout: float | None = 5.0
    ) -> Any:
        """Return ``func(state, *args)``.

        Args:
            agent: a pid or a name.
            func: importable by name if the agent lives on another shard (`operator.itemgetter` travels).
            args: what it gets after the state.
            timeout: seconds; None for ever.

        Raises:
            CallExit: the agent is dead, or `func` raised, which ended it: ``reason`` is the exception.
            CallTimeoutError: no answer in time; the agent goes on, with this function too.
            UnserializableError: `func` or an argument cannot travel to the agent's shard; nothing was sent.
        """
        return await _ask(agent, GET, func, args, timeout)

    @staticmethod
    async def update(
        agent: Server, func: Callable[..., object], args: Sequence[object] = (), timeout: float | None = 5.0
    ) -> None:
        """Make ``func(state, *args)`` the state; arguments and errors as `get`."""
        await _ask(agent, UPDATE, func, args, timeout)

    @staticmethod
    async def get_and_update(
        agent: Server, func: Callable[..., tuple[R, object]], args: Sequence[object] = (), timeout: float | None = 5.0
    ) -> R:
        """Let ``func(state, *args)`` return ``(value, state)``: return the value and keep the state.

        Arguments and errors as `get`; anything but a pair ends the agent with ``('bad_return_value', it)``.
        """
        return cast(R, await _ask(agent, GET_AND_UPDATE, func, args, timeout))

    @staticmethod
    async def cast(agent: Server, func: Callable[..., object], args: Sequence[object] = ()) -> None:  # type: ignore[override]
        """`update` without waiting for it; no error when the agent is dead or unknown (GS-07)."""
        try:
            await wire.cast(agent, (UPDATE, func, list(args)))
        except UnserializableError as error:
            raise _unsent(agent, func, error) from None

    # -- in the agent ---------------------------------------------------------

    async def init(self, func: Callable[..., Any], *args: object) -> Init[Any]:
        """Make the first state."""
        return Init(await value_of(func, *args))

    async def handle_call(self, request: Request, sender: Sender, /) -> Reply[Any]:
        """Run a function on the state."""
        kind, func, args = request
        made = await value_of(func, self.state, *args)
        if kind == GET:
            return Reply(made)
        if kind == UPDATE:
            self.state = made
            return Reply(None)
        if not isinstance(made, tuple) or len(made) != 2:
            raise process.ProcessExit(("bad_return_value", made))
        value, self.state = made
        return Reply(value)

    async def handle_cast(self, request: Request, /) -> None:
        """Run a function nobody waits for."""
        _, func, args = request
        self.state = await value_of(func, self.state, *args)


async def _ask(
    agent: Server, kind: str, func: Callable[..., object], args: Sequence[object], timeout: float | None
) -> object:
    if not callable(func):
        raise TypeError(f"an agent takes a function of its state, not {type(func).__name__}")
    try:
        return await wire.call(agent, (kind, func, list(args)), timeout)
    except UnserializableError as error:
        raise _unsent(agent, func, error) from None


def _unsent(agent: Server, func: Callable[..., object], error: UnserializableError) -> UnserializableError:
    name = getattr(func, "__qualname__", repr(func))
    return UnserializableError(
        f"{name} was not sent to the agent {agent} on another shard: {error}. Such a function must be importable: "
        'define it at the top of a module, or start the agent with on="local" beside its users'
    )
