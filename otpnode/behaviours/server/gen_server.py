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
from collections.abc import Awaitable, Sequence
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from otpnode import process
from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import (
    Continue,
    Ignore,
    Init,
    NoReply,
    Reply,
    Sender,
    Server,
    Status,
    Stop,
    Timeout,
)
from otpnode.behaviours.common.crash import shown, warn
from otpnode.behaviours.common.startable import Startable
from otpnode.behaviours.server.loop import serve

log = logging.getLogger("otpnode.gen_server")

State = TypeVar("State", default=Any)
Call = TypeVar("Call", default=Any)
ReplyT = TypeVar("ReplyT", default=Any)

Outcome = Continue | Timeout | Stop[Any] | None
"""What `handle_cast`, `handle_info` and `handle_continue` may return."""


class GenServer(Startable, Generic[State, Call, ReplyT]):
    """Base of servers; the type arguments are state, request and reply, each optional.

    A callback may be ``def`` or ``async def``. One runs at a time: an ``await`` in it
    holds up the next message. How it is started, and its options: `Startable`.

    Attributes:
        state: what the server keeps; the one thing that `get_state` and reports see.
    """

    state: State

    _body = staticmethod(serve)

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
        warn(log, f"{process.self()} ({type(self).__name__}) got an unexpected message: {shown(message, 500)}")
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

    # -- asking ---------------------------------------------------------------

    @classmethod
    async def call(cls, server: Server, request: Call, timeout: float | None = 5.0) -> ReplyT:
        """Ask `server` and wait for its reply; see `otpnode.behaviours.common.wire.call`.

        Raises:
            CallExit: no reply: ``'noproc'``, ``'noconnection'``, or the server's exit reason.
            CallTimeoutError: no reply within `timeout` seconds (None: for ever); the server goes on.
            CallCycleError: the server is the caller, or waits for it already.

        Guarantees:
            The caller's mailbox is as before (SEMANTICS GS-03 … GS-05). Works from any
            number of child tasks at once, and from outside a process.
        """
        answer = await wire.exchange(server, wire.CALL, request, timeout)
        return answer[1] if len(answer) == 2 else wire.replied(answer, server, request)  # type: ignore[return-value]

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
