"""What the supervisors' classes have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict, cast

from msgspec import UNSET, UnsetType

from otpnode.behaviours.common.control import Name, Server
from otpnode.behaviours.common.startable import Startable
from otpnode.behaviours.common.starting import Options
from otpnode.behaviours.supervision import requests
from otpnode.behaviours.supervision.specs import ChildInfo, ChildType


class StartOptions(TypedDict, total=False):
    """The options of a start that are not arguments of `init`; see `Startable.start_link`."""

    name: str | Name | None
    on: str | int | None
    timeout: float | None
    mailbox_limit: int | UnsetType | None
    label: str | None
    trap_exits: bool | None


class Supervising(Startable):
    """Base of supervisors.

    Attributes:
        on: where it lives; a tree lives where its root was started, its workers spread.
        child_type: what `child` takes it for.

    Guarantees:
        Its parent's EXIT, of any reason, and the node's stop end it orderly; exit
        signals of strangers do not (SEMANTICS SV-09). It survives the loss of any shard
        but its own; the children there are restarted on live ones (SV-10).
    """

    on: ClassVar[str | int] = "local"
    trap_exits: ClassVar[bool] = True
    child_type: ClassVar[ChildType] = "supervisor"

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
        if trap_exits is False or not cls.trap_exits:
            raise ValueError(f"{cls.__name__} is a supervisor, which hears of its children by trapping exits")
        return super()._options(name, on, timeout, mailbox_limit, label, trap_exits)

    @staticmethod
    async def which_children(sup: Server) -> list[ChildInfo]:
        """Return every child, the last one first."""
        return cast("list[ChildInfo]", await requests.ask(sup, "which_children"))

    @staticmethod
    async def count_children(sup: Server) -> dict[str, int]:
        """Return how many ``'specs'``, ``'active'`` children, ``'supervisors'`` and ``'workers'`` there are."""
        return cast("dict[str, int]", await requests.ask(sup, "count_children"))


def arguments(args: object, kwargs: Mapping[str, object] | None, given: dict[str, Any]) -> tuple[list[Any], Any]:
    """Return the arguments of `init`: `args`, and `kwargs` with those of `given` that were set."""
    if not isinstance(args, (list, tuple, type(None))):
        raise TypeError(f"args must be a list of children, or of init's arguments, not {type(args).__name__}")
    return list(args or ()), {**(kwargs or {}), **{key: value for key, value in given.items() if value is not UNSET}}
