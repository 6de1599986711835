"""What a callback may return besides its plain answer: small frozen objects.

A callback's return value is the answer; anything else it wants is one of these.
All are `Control`, so that a loop tells them from an answer by one test, and an
answer that happens to be one of them is wrapped: ``Reply(Continue(1))``.
"""

from __future__ import annotations

from math import isnan
from typing import Any, Generic

from msgspec import UNSET, Struct, UnsetType
from typing_extensions import TypeVar

from otpnode.pid import Pid
from otpnode.ref import Ref

R = TypeVar("R", default=Any)
S = TypeVar("S", default=Any)

Sender = tuple[Pid, Ref]
"""Whom to answer: the caller's pid, and the alias that takes the reply."""


class Name(Struct, frozen=True):
    """Base of names that something else than the node resolves: ``Via(registry, key)`` and its like."""

    async def whereis(self) -> Pid | None:
        """Return who has this name now, or None."""
        raise NotImplementedError

    async def claim(self) -> None:
        """Give this name to the calling process, until it dies.

        Raises:
            AlreadyRegisteredError: another process has it.
        """
        raise TypeError(f"no process can be started under the name {self!r}; it only finds one that is there")


Server = str | Name
"""Where a server is asked for: a pid, a registered name, or a `Name`."""


class Control(Struct, frozen=True):
    """Base of everything a callback may return that is not its answer."""


class Continue(Control, frozen=True):
    """Run ``handle_continue(arg)`` before any queued message (GS-10)."""

    arg: object = None


class Timeout(Control, frozen=True):
    """Run ``handle_info('timeout')`` when no message comes for `seconds` (GS-11); 0 loses to what is queued."""

    seconds: float

    def __post_init__(self) -> None:
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, (int, float)):
            raise TypeError(f"Timeout takes a number of seconds, not {self.seconds!r}")
        if isnan(self.seconds) or self.seconds < 0:
            raise ValueError(f"Timeout takes at least 0 seconds, not {self.seconds!r}")


Then = Continue | Timeout | None
"""What a server does after a callback besides taking the next message."""


class Reply(Control, Generic[R], frozen=True):
    """Answer `value`, then go on as `then` says."""

    value: R
    then: Then = None


class NoReply(Control, frozen=True):
    """Answer later, with ``GenServer.reply(sender, value)``, from any process (GS-06)."""

    then: Then = None


NO_REPLY = NoReply()


class Init(Control, Generic[S], frozen=True):
    """Begin with `state`, then go on as `then` says."""

    state: S
    then: Then = None


class Stop(Control, Generic[R], frozen=True):
    """End the server with `reason`; from `handle_call` also answer `reply`, after `terminate` (GS-08).

    From `init` it is ``StartError(reason)``.
    """

    reason: object = "normal"
    reply: R | UnsetType = UNSET


class Ignore(Control, frozen=True):
    """The type of `IGNORE`."""


IGNORE = Ignore()
"""From `init`: nothing shall run; ``StartError('ignore')``, and a supervisor keeps the child without a pid (SV-06)."""


class Status(Struct, frozen=True):
    """What crash reports and `get_status` may show; `format_status` returns a changed one.

    ``msgspec.structs.replace(status, state="…")`` makes the change.

    Attributes:
        pid: the process.
        behaviour: the qualified name of its class.
        state: what it keeps.
        phase: ``'running'``, ``'suspended'`` or ``'terminating'``.
        reason: what it ends with, in a crash report.
        message: the last message it took, in a crash report.
    """

    pid: Pid
    behaviour: str
    state: object
    phase: str
    reason: object = None
    message: object = None
