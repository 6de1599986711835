"""Classes for payload tests, importable by name as a user's are."""

from __future__ import annotations

import enum
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec


def named(value: object) -> str:
    """Name a value in a test's id, the same in every run: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


class Text(str):
    """A subclass of str."""


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: tuple[int, ...]


@dataclass
class Order:
    number: int
    lines: list[object] = field(default_factory=list)
    note: object = None


@dataclass(slots=True)
class Slotted:
    held: object


class Struct(msgspec.Struct):
    pair: tuple[int, ...]
    any: object = None


class Plain:
    """Without ``__eq__``."""

    def __init__(self, held: object) -> None:
        self.held = held

    def method(self) -> None: ...

    @classmethod
    def make(cls) -> Plain:
        return cls(None)

    @staticmethod
    def static() -> None: ...


class Unloadable:
    def __getstate__(self) -> object:
        return {"a": 1}

    def __setstate__(self, state: object) -> None:
        raise Exiting("not here")


class Exiting(BaseException):
    """Not an Exception."""


class Undumpable:
    def __reduce__(self) -> str:
        raise ValueError("I stay\nhere")


class Unshowable:
    def __repr__(self) -> str:
        raise SystemExit

    def __reduce__(self) -> str:
        raise ValueError("no")


class Closed(deque[object]):
    """Pickles what nobody can iterate over."""

    def __init__(self, held: object) -> None:
        super().__init__()
        self.held = held

    def __iter__(self) -> Iterator[object]:
        raise ValueError("closed")

    def __reduce__(self) -> tuple[object, ...]:  # type: ignore[override]
        return (Closed, (self.held,))


class CustomInitError(Exception):
    """Pickles, and fails to unpickle."""

    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class LossyError(Exception):
    """Unpickles to something else."""

    def __init__(self, text: str) -> None:
        super().__init__(text + "!")


class ForgetfulError(Exception):
    """Its own ``__reduce__`` drops notes and attributes."""

    def __reduce__(self) -> tuple[type[ForgetfulError], tuple[object, ...]]:
        return (ForgetfulError, self.args)


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("mute")

    def __repr__(self) -> str:
        raise RuntimeError("mute")


class RigidError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def function(a: object, b: object = None) -> tuple[object, object]:
    return a, b


async def worker() -> None: ...
