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
from typing import Any, ClassVar, cast

from msgspec import UNSET, UnsetType

from otpnode import process
from otpnode.behaviours import system, wire
from otpnode.behaviours.control import Ignore, Server, Stop
from otpnode.behaviours.outside import inside
from otpnode.behaviours.specs import (
    AutoShutdown,
    ChildInfo,
    ChildSpec,
    ChildType,
    Strategy,
    SupervisorSpec,
    check_spec,
)
from otpnode.behaviours.starting import Options, launch, raise_start
from otpnode.behaviours.supervision import Request, supervise
from otpnode.errors import ChildError
from otpnode.pid import Pid


class Supervisor:
    """Base of supervisors; usable as it is, or with an `init` of its own.

    Attributes:
        on: where it lives; a tree lives where its root was started, its workers spread.
        label: shown in logs; the class name if None.
        mailbox_limit: bound on queued messages; UNSET for the node's.
        child_type: what `child` takes it for.

    Guarantees:
        Its parent's EXIT, of any reason, and the node's stop end it orderly; exit
        signals of strangers do not (SEMANTICS SV-09).
    """

    on: ClassVar[str | int] = "local"
    label: ClassVar[str | None] = None
    mailbox_limit: ClassVar[int | UnsetType | None] = UNSET
    child_type: ClassVar[ChildType] = "supervisor"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is not object.__init__:
            raise TypeError(
                f"{cls.__name__} defines __init__, but its object is made in its own process: "
                "define init(self, ...), which takes the args of start_link and returns a SupervisorSpec"
            )

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
        name: str | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
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
            name: registered before `init` runs.
            on: where it lives.
            timeout: seconds that starting all children may take; None for ever.
            mailbox_limit: bound on queued messages.
            label: shown in logs.

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
        given = _given(strategy, max_restarts, max_seconds, auto_shutdown)
        arguments = cls._arguments(args, {**(kwargs or {}), **given})
        return await launch(supervise, arguments, cls._options(name, on, timeout, mailbox_limit, label), link=True)

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
        name: str | None = None,
        on: str | int | None = None,
        timeout: float | None = None,
        mailbox_limit: int | UnsetType | None = UNSET,
        label: str | None = None,
    ) -> Pid:
        """Start a supervisor without a link, also from outside a process; arguments and errors as `start_link`.

        It outlives its starter: the root of a tree whose pid ``main`` returns is started so.
        """
        given = _given(strategy, max_restarts, max_seconds, auto_shutdown)
        arguments = cls._arguments(args, {**(kwargs or {}), **given})
        options = cls._options(name, on, timeout, mailbox_limit, label)
        if process.self() is None:
            return await inside(_start, arguments, options)
        return await _start(arguments, options)

    @classmethod
    def _arguments(cls, args: object, kwargs: dict[str, object]) -> list[object]:
        if not isinstance(args, (list, tuple, type(None))):
            raise TypeError(f"args must be a list of children, or of init's arguments, not {type(args).__name__}")
        given = list(args or ())
        if cls.init is Supervisor.init:
            # What is wrong with the spec is told here, before anything runs.
            SupervisorSpec(given, **kwargs)  # type: ignore[arg-type]
        return [cls, given, kwargs]

    @classmethod
    def _options(
        cls,
        name: str | None,
        on: str | int | None,
        timeout: float | None,
        mailbox_limit: int | UnsetType | None,
        label: str | None,
    ) -> Options:
        return Options(
            on=cls.on if on is None else on,
            label=label or cls.label or cls.__name__,
            name=name,
            timeout=wire.check_timeout(timeout),
            mailbox_limit=cls.mailbox_limit if mailbox_limit is UNSET else mailbox_limit,
            trap_exits=True,
        )

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
        return cast("Pid | None", await _request(sup, "start_child", spec))

    @staticmethod
    async def terminate_child(sup: Server, id: Hashable) -> None:
        """Stop a child; it is not restarted and does not count, its spec stays unless it is temporary (SV-08).

        Raises:
            ChildError: ``'not_found'``.
        """
        await _request(sup, "terminate_child", id)

    @staticmethod
    async def restart_child(sup: Server, id: Hashable) -> Pid | None:
        """Start a child that does not run.

        Raises:
            ChildError: ``'not_found'`` or ``'running'``.
            StartError: it did not start; the spec is kept.
        """
        return cast("Pid | None", await _request(sup, "restart_child", id))

    @staticmethod
    async def delete_child(sup: Server, id: Hashable) -> None:
        """Drop the spec of a child that does not run.

        Raises:
            ChildError: ``'not_found'`` or ``'running'``.
        """
        await _request(sup, "delete_child", id)

    @staticmethod
    async def which_children(sup: Server) -> list[ChildInfo]:
        """Return every child, the last one first."""
        return cast("list[ChildInfo]", await _request(sup, "which_children"))

    @staticmethod
    async def count_children(sup: Server) -> dict[str, int]:
        """Return how many ``'specs'``, ``'active'`` children, ``'supervisors'`` and ``'workers'`` there are."""
        return cast("dict[str, int]", await _request(sup, "count_children"))

    @staticmethod
    async def stop(sup: Server, reason: object = "normal", timeout: float | None = None) -> None:
        """Stop every child in reverse order, then the supervisor, and wait for it; see `otpnode.system.stop`."""
        await system.stop(sup, reason, timeout)


async def _start(arguments: list[object], options: Options) -> Pid:
    return await launch(supervise, arguments, options, link=False)


def _given(strategy: object, max_restarts: object, max_seconds: object, auto_shutdown: object) -> dict[str, object]:
    named = {
        "strategy": strategy,
        "max_restarts": max_restarts,
        "max_seconds": max_seconds,
        "auto_shutdown": auto_shutdown,
    }
    return {key: value for key, value in named.items() if value is not UNSET}


async def _request(sup: Server, verb: str, arg: object = None) -> object:
    answer = cast("tuple[Any, ...]", await wire.call(sup, Request(verb, arg), None))
    if answer[0] == "refused":
        raise ChildError(answer[1], answer[2])
    if answer[0] == "failed":
        raise_start(answer[1])
    return answer[1]
