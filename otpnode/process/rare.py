"""What few processes have: each in one dict of the process, made when the first of it is set.

A slot is eight bytes in each of a million processes and a store at every birth. So only
what the usual process uses is a slot of `Proc`, and a process that has nothing of all this
is known by one look (`Proc.rare`): its end is the short one of `Deaths`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from otpnode.process.proc import Proc

T = TypeVar("T")


class Rare(Generic[T]):
    """An attribute that is None in most processes."""

    __slots__ = ("_name",)

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name = name

    def __get__(self, proc: Proc, owner: type[Proc]) -> T | None:
        return None if proc.rare is None else cast("T | None", proc.rare.get(self._name))

    def __set__(self, proc: Proc, value: T | None) -> None:
        if proc.rare is not None:
            proc.rare[self._name] = value
        elif value is not None:
            proc.rare = {self._name: value}
