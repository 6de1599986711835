"""What a supervisor is told about its children, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from inspect import isclass, iscoroutinefunction
from math import isfinite
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from otpnode.behaviours.common.control import Name
from otpnode.pid import Pid

Restart = Literal["permanent", "transient", "temporary"]
ChildType = Literal["worker", "supervisor"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
Shutdown = float | Literal["brutal_kill"] | None

RESTARTS = ("permanent", "transient", "temporary")
TYPES = ("worker", "supervisor")
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
AUTO_SHUTDOWNS = ("never", "any_significant", "all_significant")


class ChildSpec(Struct, frozen=True):
    """How to start, restart and stop one child; `child` makes one with the defaults of its class.

    Attributes:
        id: its name within the supervisor.
        start: a class with `start_link`, or a coroutine function.
        args: arguments of `init`, or of the function.
        kwargs: keyword arguments.
        restart: ``'permanent'`` always, ``'transient'`` after an abnormal end, ``'temporary'`` never (SV-03).
        shutdown: seconds it has to end after ``'shutdown'`` before it is killed, None for
            ever, ``'brutal_kill'`` none (SV-07).
        type: ``'worker'`` or ``'supervisor'``.
        significant: counts for the supervisor's `auto_shutdown`.
        name: what it is registered as.
        on: where it shall live; a wish, if that shard is down (SV-10). None for what its class says.

    Raises:
        ValueError, TypeError: a value that is none of these.
    """

    id: Hashable
    start: Callable[..., object]
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = {}
    restart: Restart = "permanent"
    shutdown: Shutdown = 5.0
    type: ChildType = "worker"
    significant: bool = False
    name: str | Name | None = None
    on: str | int | None = None

    def __post_init__(self) -> None:
        check_start(self.start)
        hash(self.id)
        if isinstance(self.name, Name) and not isclass(self.start):
            raise TypeError(f"child {self.id!r}: a plain function can only have a registered name, not {self.name!r}")
        one_of("restart", self.restart, RESTARTS)
        one_of("type", self.type, TYPES)
        if self.shutdown is not None and self.shutdown != "brutal_kill" and not _is_seconds(self.shutdown):
            raise ValueError(
                f"shutdown is a number of seconds, 'brutal_kill' or None (for ever), not {self.shutdown!r}"
            )
        if self.significant and self.restart == "permanent":
            raise ValueError(f"child {self.id!r}: a permanent child never ends for good, so it cannot be significant")
        if not isinstance(self.args, (list, tuple)):
            raise TypeError(f"child {self.id!r}: args is a list, not {type(self.args).__name__}")


class SupervisorSpec(Struct, frozen=True):
    """What a supervisor's `init` returns.

    Attributes:
        children: started in this order, stopped in the reverse of it (SV-01).
        strategy: which others go with a child that is restarted (SV-02).
        max_restarts: how many restarts within `max_seconds` are borne (SV-04).
        max_seconds: the window.
        auto_shutdown: whether the end of significant children ends the supervisor.

    Raises:
        ValueError, TypeError: duplicate ids, or a value that is none of these.
    """

    children: Sequence[ChildSpec] = ()
    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    max_seconds: float = 5.0
    auto_shutdown: AutoShutdown = "never"

    def __post_init__(self) -> None:
        one_of("strategy", self.strategy, STRATEGIES)
        one_of("auto_shutdown", self.auto_shutdown, AUTO_SHUTDOWNS)
        _check_intensity(self.max_restarts, self.max_seconds)
        for spec in self.children:
            check_spec(spec)
        twice = [name for name, count in Counter(spec.id for spec in self.children).items() if count > 1]
        if twice:
            raise ValueError(f"children need ids of their own; used more than once: {twice!r}; give child(..., id=...)")


class DynamicSpec(Struct, frozen=True):
    """What a dynamic supervisor's `init` returns.

    Attributes:
        max_children: how many it may have at a time; None for any number.
        max_restarts: how many restarts within `max_seconds` are borne (SV-04).
        max_seconds: the window.

    Raises:
        ValueError: a value that is none of these.
    """

    max_children: int | None = None
    max_restarts: int = 3
    max_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.max_children is not None and not _is_count(self.max_children):
            raise ValueError(f"max_children is a whole number of at least 0, or None, not {self.max_children!r}")
        _check_intensity(self.max_restarts, self.max_seconds)


class ChildInfo(Struct, frozen=True):
    """One child as `which_children` shows it.

    Attributes:
        id: its id.
        pid: its pid; None when it does not run, ``'restarting'`` while it is about to.
        type: ``'worker'`` or ``'supervisor'``.
        restarts: how often it has been restarted.
    """

    id: Hashable
    pid: Pid | Literal["restarting"] | None
    type: ChildType
    restarts: int


def child(
    start: Callable[..., object],
    args: Sequence[object] | None = None,
    kwargs: Mapping[str, object] | None = None,
    *,
    id: Hashable | None = None,
    restart: Restart = "permanent",
    shutdown: Shutdown | UnsetType = UNSET,
    type: ChildType | None = None,
    significant: bool = False,
    name: str | Name | None = None,
    on: str | int | None = None,
) -> ChildSpec:
    """Make a `ChildSpec`, with the defaults of what is started.

    Args:
        start: a class with `start_link`, or a coroutine function, run by ``spawn_link``.
        args: arguments of `init`, or of the function.
        kwargs: keyword arguments.
        id: defaults to the name, else the name of the class or function.
        restart: see `ChildSpec`.
        shutdown: 5 seconds by default, None (for ever) for a supervisor.
        type: by default what the class is.
        significant: see `ChildSpec`.
        name: see `ChildSpec`.
        on: by default what the class says, ``'spread'`` for a function.

    Raises:
        ValueError: ``child(KV.start_link)`` (pass the class), or a value that `ChildSpec` refuses.
        TypeError: `start` is neither of the two.
    """
    check_start(start)
    kind: ChildType = getattr(start, "child_type", "worker") if type is None else type
    if shutdown is UNSET:
        shutdown = None if kind == "supervisor" else 5.0
    return ChildSpec(
        id=id if id is not None else name or getattr(start, "__name__", None) or repr(start),
        start=start,
        args=list(args or ()) if args is None or isinstance(args, (list, tuple)) else args,
        kwargs=dict(kwargs or {}),
        restart=restart,
        shutdown=shutdown,
        type=kind,
        significant=significant,
        name=name,
        on=getattr(start, "on", "spread") if on is None else on,
    )


def check_start(start: object) -> None:
    """Raise unless `start` can be a child's start."""
    owner = getattr(start, "__self__", None)
    if isclass(owner) and getattr(start, "__name__", "") in ("start_link", "start"):
        raise ValueError(f"pass the class: child({owner.__name__}, args), not child({owner.__name__}.start_link, ...)")
    if isclass(start):
        if not hasattr(start, "start_link"):
            raise TypeError(f"child takes a class with start_link or a coroutine function; {start.__name__} has none")
    elif not iscoroutinefunction(start) and not iscoroutinefunction(getattr(start, "__call__", None)):  # noqa: B004
        raise TypeError(f"child takes a class with start_link or a coroutine function, not {start!r}")


def check_spec(spec: object) -> None:
    """Raise unless `spec` is a `ChildSpec`."""
    if isinstance(spec, (list, tuple)):
        raise TypeError(
            "a child is given by child(start, args, ...), not by a list; a supervisor under another takes its children "
            f"as its arguments: child(Supervisor, [child(A), child(B)]); got {spec!r}"
        )
    if not isinstance(spec, ChildSpec):
        raise TypeError(f"a child is given by child(start, args, ...), not {spec!r}")


def one_of(field: str, value: object, known: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `known`."""
    if value not in known:
        raise ValueError(f"{field} is one of {', '.join(map(repr, known))}, not {value!r}")


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_intensity(max_restarts: object, max_seconds: object) -> None:
    if not _is_count(max_restarts):
        raise ValueError(f"max_restarts is a whole number of at least 0, not {max_restarts!r}")
    if not _is_seconds(max_seconds) or not max_seconds:
        raise ValueError(f"max_seconds is a number of seconds above 0, not {max_seconds!r}")
