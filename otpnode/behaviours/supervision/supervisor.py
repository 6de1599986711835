"""Supervisor: starts children in order, restarts what ends, stops them in reverse.

::

    await Supervisor.start_link(
        [child(KV, name="kv"), child(worker, ["x"], id="w1", restart="transient")], name="top"
    )

    class Tree(Supervisor):
        def init(self, *args: object) -> SupervisorSpec:
            return SupervisorSpec([child(KV)], strategy="rest_for_one")
"""

from __future__ import annotations

from collections.abc import Awaitable, Hashable, Mapping, Sequence
from typing import Any, Unpack, cast

from msgspec import UNSET, UnsetType

from otpnode.behaviours.common.control import Ignore, Server, Stop
from otpnode.behaviours.supervision import requests
from otpnode.behaviours.supervision.specs import AutoShutdown, ChildSpec, Strategy, SupervisorSpec, check_spec
from otpnode.behaviours.supervision.supervising import StartOptions, Supervising, arguments
from otpnode.behaviours.supervision.tree import supervise
from otpnode.pid import Pid


class Supervisor(Supervising):
    """Base of supervisors whose children have ids and an order; usable as it is, or with an `init` of its own."""

    _body = staticmethod(supervise)

    def init(
        self, *args: Any, **kwargs: Any
    ) -> SupervisorSpec | Ignore | Stop | Awaitable[SupervisorSpec | Ignore | Stop]:
        """Return what to supervise: by default the args are the children, the kwargs the rest of the spec."""
        return SupervisorSpec(list(args), **kwargs)

    @classmethod
    async def start_link(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        strategy: Strategy | UnsetType = UNSET,
        max_restarts: int | UnsetType = UNSET,
        max_seconds: float | UnsetType = UNSET,
        auto_shutdown: AutoShutdown | UnsetType = UNSET,
        **options: Unpack[StartOptions],
    ) -> Pid:
        """Start a supervisor linked to the caller, and wait until its children run.

        Args:
            args: the children; of a class with an `init` of its own, that one's arguments.
            kwargs: keyword arguments of `init`.
            strategy: ``'one_for_one'``, ``'one_for_all'`` or ``'rest_for_one'``; like the next
                three a keyword argument of `init` (SV-02).
            max_restarts: how many restarts within `max_seconds` are borne (SV-04).
            max_seconds: the window.
            auto_shutdown: ``'never'``, ``'any_significant'`` or ``'all_significant'``.
            options: `name`, `on`, `timeout` (seconds that starting all children may take),
                `mailbox_limit` and `label`, as of `Startable.start_link`.

        Returns:
            The pid.

        Raises:
            ValueError, TypeError: a bad spec; nothing was started.
            StartError: ``('shutdown', ('failed_to_start_child', id, reason))``: the children
                before it are stopped again, those behind it were not started (SV-05).
            AlreadyStartedError: `name` is taken.
            NotInProcessError: called outside a process; `start` works there.

        Guarantees:
            Children start in order and stop in exact reverse, one at a time (SEMANTICS SV-01).
        """
        return await super().start_link(
            *cls._arguments(args, kwargs, strategy, max_restarts, max_seconds, auto_shutdown), **options
        )

    @classmethod
    async def start(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        strategy: Strategy | UnsetType = UNSET,
        max_restarts: int | UnsetType = UNSET,
        max_seconds: float | UnsetType = UNSET,
        auto_shutdown: AutoShutdown | UnsetType = UNSET,
        **options: Unpack[StartOptions],
    ) -> Pid:
        """Start a supervisor without a link, also from outside a process; arguments and errors as `start_link`.

        It outlives its starter: the root of a tree whose pid ``main`` returns is started so.
        """
        return await super().start(
            *cls._arguments(args, kwargs, strategy, max_restarts, max_seconds, auto_shutdown), **options
        )

    @classmethod
    def _arguments(
        cls, args: object, kwargs: Mapping[str, object] | None, *given: object
    ) -> tuple[list[Any], dict[str, Any]]:
        names = ("strategy", "max_restarts", "max_seconds", "auto_shutdown")
        found, named = arguments(args, kwargs, dict(zip(names, given, strict=True)))
        if cls.init is Supervisor.init:
            # What is wrong with the spec is told here, before anything runs.
            SupervisorSpec(found, **named)
        return found, named

    # -- requests -------------------------------------------------------------

    @staticmethod
    async def start_child(sup: Server, spec: ChildSpec) -> Pid | None:
        """Add a child behind the others and start it; None when its init says `IGNORE`.

        Raises:
            ChildError: its id is in use: ``'already_started'`` (with the pid) or ``'already_present'``.
            StartError: it did not start; the spec is not kept.
            CallExit: the supervisor is dead.
        """
        check_spec(spec)
        return cast("Pid | None", await requests.ask(sup, "start_child", spec))

    @staticmethod
    async def terminate_child(sup: Server, id: Hashable) -> None:
        """Stop a child; it is not restarted and does not count, its spec stays unless it is temporary (SV-08).

        Raises:
            ChildError: ``'not_found'``.
        """
        await requests.ask(sup, "terminate_child", id)

    @staticmethod
    async def restart_child(sup: Server, id: Hashable) -> Pid | None:
        """Start a child that does not run.

        Raises:
            ChildError: ``'not_found'`` or ``'running'``.
            StartError: it did not start; the spec is kept.
        """
        return cast("Pid | None", await requests.ask(sup, "restart_child", id))

    @staticmethod
    async def delete_child(sup: Server, id: Hashable) -> None:
        """Drop the spec of a child that does not run.

        Raises:
            ChildError: ``'not_found'`` or ``'running'``.
        """
        await requests.ask(sup, "delete_child", id)
