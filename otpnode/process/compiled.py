"""The compiled forms of the hottest paths (`otpnode._fast`), where they were built.

The Python functions are the definition and the fallback: an installation without a C
compiler runs them, and so does ``OTPNODE_PURE=1``, with the same results. Asked for
and missing is no error anywhere: `FAST` is None then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from otpnode.process.shard import Shard


Verb = TypeVar("Verb", bound=Callable[..., object])


class Compiled(Protocol):
    """A verb that is compiled; in all but a call it is its definition."""

    definition: Callable[..., object]


class Fast(Protocol):
    """What the extension offers."""

    def bind(self, **known: object) -> None:
        """Learn of the classes and functions it is compiled for."""
        ...

    def steps(self, shard: Shard, count: int, /) -> bool:
        """Let the next `count` processes take a step each; False when nobody can run any more."""
        ...

    def compiled(self, definition: Verb, /) -> Verb:
        """Return what stands in for the verb that is defined so; it looks the same."""
        ...


def _found() -> Fast | None:
    if os.environ.get("OTPNODE_PURE", "") not in ("", "0"):
        return None
    try:
        return cast(Fast, import_module("otpnode._fast"))
    except ModuleNotFoundError:
        return None


FAST = _found()
