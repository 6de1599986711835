"""DynamicSupervisor: starts children when asked to, any number of them, each found by its pid.

::

    await DynamicSupervisor.start_link(max_children=1000, name="sessions")
    pid = await DynamicSupervisor.start_child("sessions", child(Session, [user], restart="temporary"))
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Unpack, cast

from msgspec import UNSET, UnsetType

from otpnode.behaviours.common.control import Ignore, Server, Stop
from otpnode.behaviours.supervision import requests
from otpnode.behaviours.supervision.flock import supervise
from otpnode.behaviours.supervision.specs import ChildSpec, DynamicSpec, check_spec
from otpnode.behaviours.supervision.supervising import StartOptions, Supervising, arguments
from otpnode.pid import Pid


class DynamicSupervisor(Supervising):
    """Base of supervisors that begin without children; usable as it is, or with an `init` of its own."""

    _body = staticmethod(supervise)

    def init(self, *args: Any, **kwargs: Any) -> DynamicSpec | Ignore | Stop | Awaitable[DynamicSpec | Ignore | Stop]:
        """Return the bounds: by default the kwargs are those of `DynamicSpec`."""
        return DynamicSpec(*args, **kwargs)

    @classmethod
    async def start_link(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        max_children: int | UnsetType | None = UNSET,
        max_restarts: int | UnsetType = UNSET,
        max_seconds: float | UnsetType = UNSET,
        **options: Unpack[StartOptions],
    ) -> Pid:
        """Start a supervisor without children, linked to the caller.

        Args:
            args: arguments of `init`, of a class with one of its own.
            kwargs: keyword arguments of `init`.
            max_children: how many it may have at a time, None for any number; like the next
                two a keyword argument of `init` (DS-01).
            max_restarts: how many restarts within `max_seconds` are borne (SV-04).
            max_seconds: the window.
            options: `name`, `on`, `timeout`, `mailbox_limit` and `label`, as of `Startable.start_link`.

        Returns:
            The pid.

        Raises:
            ValueError, TypeError: a bad bound; nothing was started.
            StartError: `init` failed.
            AlreadyStartedError: `name` is taken.
            NotInProcessError: called outside a process; `start` works there.

        Guarantees:
            Children are stopped all at once, each within its own `shutdown`, in no
            order (SEMANTICS DS-02).
        """
        return await super().start_link(
            *cls._arguments(args, kwargs, max_children, max_restarts, max_seconds), **options
        )

    @classmethod
    async def start(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        max_children: int | UnsetType | None = UNSET,
        max_restarts: int | UnsetType = UNSET,
        max_seconds: float | UnsetType = UNSET,
        **options: Unpack[StartOptions],
    ) -> Pid:
        """Start a supervisor without a link, also from outside a process; arguments and errors as `start_link`."""
        return await super().start(*cls._arguments(args, kwargs, max_children, max_restarts, max_seconds), **options)

    @classmethod
    def _arguments(
        cls, args: object, kwargs: Mapping[str, object] | None, *given: object
    ) -> tuple[list[Any], dict[str, Any]]:
        names = ("max_children", "max_restarts", "max_seconds")
        found, named = arguments(args, kwargs, dict(zip(names, given, strict=True)))
        if cls.init is DynamicSupervisor.init:
            DynamicSpec(*found, **named)
        return found, named

    # -- requests -------------------------------------------------------------

    @staticmethod
    async def start_child(sup: Server, spec: ChildSpec) -> Pid | None:
        """Start one more child; ids need not differ. None when its init says `IGNORE`.

        Raises:
            ChildError: ``'max_children'``.
            StartError: it did not start, and is forgotten.
            CallExit: the supervisor is dead.

        Guarantees:
            A restart gives the child a new pid (SEMANTICS DS-01). The supervisor waits
            for the child's init; put what takes long into ``handle_continue``.
        """
        check_spec(spec)
        return cast("Pid | None", await requests.ask(sup, "start_child", spec))

    @staticmethod
    async def terminate_child(sup: Server, pid: Pid) -> None:
        """Stop a child and forget it; one that waits for its restart is found by its last pid.

        Raises:
            ChildError: ``'not_found'``.
        """
        await requests.ask(sup, "terminate_child", pid)
