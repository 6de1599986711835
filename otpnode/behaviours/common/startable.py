"""What every behaviour's class has in common: its options, how it is started and how it is ended.

A behaviour is a class whose object lives in its own process. The body of that process,
a coroutine function importable by name, is the one thing a kind of behaviour adds here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from otpnode import process
from otpnode.behaviours.common import system, wire
from otpnode.behaviours.common.control import Name, Server
from otpnode.behaviours.common.outside import inside
from otpnode.behaviours.common.starting import Options, launch
from otpnode.pid import Pid


class Startable:
    """Base of behaviours that run in one process of their own.

    Class attributes are the defaults of the options of `start` and `start_link`.
    Subclasses define no ``__init__``.

    Attributes:
        trap_exits: whether exit signals become messages; without it `terminate` is not
            called when a supervisor stops the process (GS-09).
        mailbox_limit: bound on queued messages; UNSET for the node's.
        on: where the process lives, as ``process.spawn(on=…)``.
        label: shown in logs; the class name if None.
    """

    trap_exits: ClassVar[bool] = False
    mailbox_limit: ClassVar[int | UnsetType | None] = UNSET
    on: ClassVar[str | int] = "spread"
    label: ClassVar[str | None] = None

    _body: ClassVar[Callable[..., Awaitable[None]]]
    """``body(birthplace, cls, args, kwargs)``, the life of the process."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is not object.__init__:
            raise TypeError(
                f"{cls.__name__} defines __init__, but its object is made in its own process: "
                "define init(self, ...), which takes the args of start_link and returns the state"
            )

    @classmethod
    async def start_link(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        name: str | Name | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
        trap_exits: bool | None = None,
    ) -> Pid:
        """Start one linked to the caller, and wait until `init` is done.

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
            cls._body,
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
        name: str | Name | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
        trap_exits: bool | None = None,
    ) -> Pid:
        """Start one without a link, also from outside a process; arguments and errors as `start_link`."""
        arguments = [cls, *_arguments(args, kwargs)]
        options = cls._options(name, on, timeout, mailbox_limit, label, trap_exits)
        if process.self() is None:
            return await inside(_start, cls._body, arguments, options)
        return await _start(cls._body, arguments, options)

    @classmethod
    def _options(
        cls,
        name: str | Name | None,
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

    @staticmethod
    async def stop(server: Server, reason: object = "normal", timeout: float | None = None) -> None:
        """End `server` orderly and wait until it is dead (GS-13); see `otpnode.system.stop`."""
        await system.stop(server, reason, timeout)

    @staticmethod
    def whereis(name: str) -> Pid | None:
        """Return the pid registered as `name`, or None."""
        return process.whereis(name)


async def _start(body: Callable[..., object], arguments: list[object], options: Options) -> Pid:
    return await launch(body, arguments, options, link=False)


def _arguments(args: object, kwargs: object) -> tuple[list[object], dict[str, object]]:
    """Check the arguments of `init` and take copies of the containers."""
    if not isinstance(args, (list, tuple, type(None))):
        raise TypeError(f"args must be a list of init's arguments, not {type(args).__name__}")
    if not isinstance(kwargs, (Mapping, type(None))):
        raise TypeError(f"kwargs must be a dict of init's keyword arguments, not {type(kwargs).__name__}")
    return list(args or ()), dict(kwargs or {})
