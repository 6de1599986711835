"""GenServer: a process that serves calls, casts and messages, its state in one slot.

::

    class Counter(GenServer[int, str, int]):          # state, request, reply
        def init(self, start: int = 0) -> int:
            return start

        def handle_call(self, request: str, sender: Sender, /) -> int:
            self.state += 1
            return self.state

    pid = await Counter.start_link([41], name="counter")
    assert await Counter.call("counter", "next") == 42
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, ClassVar, Generic, cast

from msgspec import UNSET, UnsetType
from typing_extensions import TypeVar

from otpnode import process
from otpnode.behaviours import system, wire
from otpnode.behaviours.control import Continue, Ignore, Init, NoReply, Reply, Sender, Server, Status, Stop, Timeout
from otpnode.behaviours.crash import shown
from otpnode.behaviours.outside import inside
from otpnode.behaviours.server_loop import serve
from otpnode.behaviours.starting import Options, launch
from otpnode.pid import Pid

log = logging.getLogger(__name__)

State = TypeVar("State", default=Any)
Call = TypeVar("Call", default=Any)
ReplyT = TypeVar("ReplyT", default=Any)

Outcome = Continue | Timeout | Stop[Any] | None
"""What `handle_cast`, `handle_info` and `handle_continue` may return."""


class GenServer(Generic[State, Call, ReplyT]):
    """Base of servers; the type arguments are state, request and reply, each optional.

    A callback may be ``def`` or ``async def``. One runs at a time: an ``await`` in it
    holds up the next message. Class attributes are the defaults of the options of
    `start` and `start_link`. Subclasses define no ``__init__``.

    Attributes:
        state: what the server keeps; the one thing that `get_state` and reports see.
        trap_exits: whether exit signals become messages; without it `terminate` is not
            called when a supervisor stops the server (GS-09).
        mailbox_limit: bound on queued messages; UNSET for the node's.
        on: where the server lives, as ``process.spawn(on=…)``.
        label: shown in logs; the class name if None.
    """

    trap_exits: ClassVar[bool] = False
    mailbox_limit: ClassVar[int | UnsetType | None] = UNSET
    on: ClassVar[str | int] = "spread"
    label: ClassVar[str | None] = None

    state: State

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is not object.__init__:
            raise TypeError(
                f"{cls.__name__} defines __init__, but its object is made in its own process: "
                "define init(self, ...), which takes the args of start_link and returns the state"
            )

    # -- callbacks ------------------------------------------------------------

    def init(
        self, *args: Any, **kwargs: Any
    ) -> State | Init[State] | Stop[Any] | Ignore | Awaitable[State | Init[State] | Stop[Any] | Ignore | None] | None:
        """Return the state, None to keep the `self.state` it has set, `Init`, `Stop` or `IGNORE`.

        Runs in the new process, while the starter waits.
        """
        return None

    def handle_call(
        self, request: Call, sender: Sender, /
    ) -> ReplyT | Reply[ReplyT] | NoReply | Stop[ReplyT] | Awaitable[ReplyT | Reply[ReplyT] | NoReply | Stop[ReplyT]]:
        """Return the reply, `Reply`, `NO_REPLY` / `NoReply`, or `Stop`."""
        raise NotImplementedError(f"{type(self).__name__} has no handle_call; it was called with {shown(request, 200)}")

    def handle_cast(self, request: Any, /) -> Outcome | Awaitable[Outcome]:
        """Take a cast; return None, `Continue`, `Timeout` or `Stop`."""
        raise NotImplementedError(f"{type(self).__name__} has no handle_cast; it was sent {shown(request, 200)}")

    def handle_info(self, message: Any, /) -> Outcome | Awaitable[Outcome]:
        """Take any other message, and ``'timeout'``; by default logs it (GS-12)."""
        log.warning("%s (%s) got an unexpected message: %s", process.self(), type(self).__name__, shown(message, 500))
        return None

    def handle_continue(self, arg: Any, /) -> Outcome | Awaitable[Outcome]:
        """Go on after the callback that returned ``Continue(arg)``, before any message (GS-10)."""
        raise NotImplementedError(
            f"{type(self).__name__} has no handle_continue; it was continued with {shown(arg, 200)}"
        )

    def terminate(self, reason: Any, /) -> Any:
        """Clean up; what it raises replaces the reason. Not called on exit signals (GS-09)."""
        return None

    def format_status(self, status: Status, /) -> Status:
        """Return what crash reports and `get_status` may show."""
        return status

    # -- starting -------------------------------------------------------------

    @classmethod
    async def start_link(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        name: str | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
        trap_exits: bool | None = None,
    ) -> Pid:
        """Start a server linked to the caller, and wait until `init` is done.

        Args:
            args: positional arguments of `init`.
            kwargs: keyword arguments of `init`.
            name: registered before `init` runs.
            on: where, as ``process.spawn(on=…)``; like the others, by default what the class says.
            timeout: seconds `init` may take; None for ever.
            mailbox_limit: bound on queued messages.
            label: shown in logs.
            trap_exits: turn exit signals into messages.

        Returns:
            The pid.

        Raises:
            StartError: the reason `init` failed with, ``'ignore'`` or ``'timeout'``.
            AlreadyStartedError: `name` belongs to a running process; `init` did not run.
            NotInProcessError: called outside a process; `start` works there.
            UnserializableError, ShardDownError, SystemLimitError, ValueError, TypeError: as ``process.spawn``.

        Guarantees:
            A failed init also sends its reason over the link: it *ends a caller that
            does not trap exits*, whatever it catches (SEMANTICS GS-01, GS-02).
        """
        return await launch(
            serve,
            [cls, *_arguments(args, kwargs)],
            cls._options(name, on, timeout, mailbox_limit, label, trap_exits),
            link=True,
        )

    @classmethod
    async def start(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        name: str | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
        trap_exits: bool | None = None,
    ) -> Pid:
        """Start a server without a link, also from outside a process; arguments and errors as `start_link`."""
        arguments = [cls, *_arguments(args, kwargs)]
        options = cls._options(name, on, timeout, mailbox_limit, label, trap_exits)
        if process.self() is None:
            return await inside(_start, arguments, options)
        return await _start(arguments, options)

    @classmethod
    def _options(
        cls,
        name: str | None,
        on: str | int | None,
        timeout: float | None,
        mailbox_limit: int | UnsetType | None,
        label: str | None,
        trap_exits: bool | None,
    ) -> Options:
        return Options(
            on=cls.on if on is None else on,
            label=label or cls.label or cls.__name__,
            name=name,
            timeout=wire.check_timeout(timeout),
            mailbox_limit=cls.mailbox_limit if mailbox_limit is UNSET else mailbox_limit,
            trap_exits=cls.trap_exits if trap_exits is None else trap_exits,
        )

    # -- asking ---------------------------------------------------------------

    @classmethod
    async def call(cls, server: Server, request: Call, timeout: float | None = 5.0) -> ReplyT:
        """Ask `server` and wait for its reply; see `otpnode.behaviours.wire.call`.

        Raises:
            CallExit: no reply: ``'noproc'``, ``'noconnection'``, or the server's exit reason.
            CallTimeoutError: no reply within `timeout` seconds (None: for ever); the server goes on.
            CallCycleError: the server is the caller, or waits for it already.

        Guarantees:
            The caller's mailbox is as before (SEMANTICS GS-03 … GS-05). Works from any
            number of child tasks at once, and from outside a process.
        """
        return cast(ReplyT, await wire.call(server, request, timeout))

    @staticmethod
    async def cast(server: Server, request: object) -> None:
        """Send `server` a request without reply; no error when it is dead or unknown (GS-07)."""
        await wire.cast(server, request)

    @classmethod
    async def multi_call(
        cls, servers: Sequence[Server], request: Call, timeout: float | None = 5.0
    ) -> tuple[dict[Server, ReplyT], dict[Server, object]]:
        """Ask many servers at once; returns ``(replies, failed)``, `failed` with the reasons."""
        replies, failed = await wire.multi_call(servers, request, timeout)
        return cast("dict[Server, ReplyT]", replies), failed

    @staticmethod
    async def abcast(servers: Sequence[Server], request: object) -> None:
        """`cast` to each of `servers`."""
        await wire.abcast(servers, request)

    @staticmethod
    def reply(sender: Sender, value: object) -> None:
        """Answer a call that `handle_call` left open with `NO_REPLY`, from any process (GS-06)."""
        wire.reply(sender, value)

    @staticmethod
    async def stop(server: Server, reason: object = "normal", timeout: float | None = None) -> None:
        """End `server` orderly and wait until it is dead (GS-13); see `otpnode.system.stop`."""
        await system.stop(server, reason, timeout)

    @staticmethod
    def whereis(name: str) -> Pid | None:
        """Return the pid registered as `name`, or None."""
        return process.whereis(name)


async def _start(arguments: list[object], options: Options) -> Pid:
    return await launch(serve, arguments, options, link=False)


def _arguments(args: object, kwargs: object) -> tuple[list[object], dict[str, object]]:
    """Check the arguments of `init` and take copies of the containers."""
    if not isinstance(args, (list, tuple, type(None))):
        raise TypeError(f"args must be a list of init's arguments, not {type(args).__name__}")
    if not isinstance(kwargs, (Mapping, type(None))):
        raise TypeError(f"kwargs must be a dict of init's keyword arguments, not {type(kwargs).__name__}")
    return list(args or ()), dict(kwargs or {})
