"""Context variables whose values children get (SP-07)."""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import TypeVar

T = TypeVar("T")

CARRIED: dict[str, ContextVar[object]] = {}


def carry(var: ContextVar[T]) -> ContextVar[T]:
    """Declare that spawned processes get the value `var` has at their spawner.

    Call it at module level, so that every shard knows the declaration:
    ``request_id = otpnode.carry(ContextVar("request_id"))``.

    Args:
        var: the variable; its name must be its own in the program.

    Returns:
        `var` itself.

    Raises:
        ValueError: another variable of that name is carried already.

    Guarantees:
        The value travels like an argument of the spawn, on every topology
        (SEMANTICS SP-07). Variables not declared are at their defaults in the child.
    """
    known = CARRIED.setdefault(var.name, var)  # type: ignore[arg-type]
    if known is not var:
        raise ValueError(f"a context variable named {var.name!r} is carried already; give this one a name of its own")
    return var


def carried_values() -> dict[str, object]:
    """Return the values set in the calling context, by variable name."""
    values: dict[str, object] = {}
    for name, var in CARRIED.items():
        try:
            values[name] = var.get()
        except LookupError:
            continue
    return values


def install(context: Context, values: dict[str, object]) -> None:
    """Set carried values in the context of a new process."""
    for name, value in values.items():
        var = CARRIED.get(name)
        if var is not None:
            context.run(var.set, value)
