"""A bounded look at any value: what stands in reports and error texts in place of ``repr``.

A report is made by a process that is about to end, over a state nobody knows: a gigabyte of
bytes, a list of 10⁸, a dict within dicts, an object whose ``__repr__`` raises or never
returns. So the text has a size *before* it is made: containers, dataclasses and Structs are
walked here, and left as soon as the room is used up. Only what a class's author wrote by hand
is called, all such calls of one look within `SECONDS` together.

Rejected: cutting ``repr(value)``, which is made first and cut afterwards; and `reprlib`,
which sorts whole dicts and sets, and makes the whole ``repr`` of bytes and of objects.
"""

from __future__ import annotations

import array
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from itertools import islice
from time import perf_counter
from types import FrameType, WrapperDescriptorType
from typing import Any, TypeVar

R = TypeVar("R")

MAX_DEPTH = 8
SECONDS = 0.2
"""How long the code by hand that is met in one look may take: ``__repr__``, and how attributes are read."""
_MAX_BITS = 4096

_SLICED: dict[object, type[Any]] = {kind.__repr__: kind for kind in (str, bytes, bytearray, array.array)}
_ITEMS: dict[object, tuple[type[Any], str, str]] = {
    list.__repr__: (list, "[", "]"),
    tuple.__repr__: (tuple, "(", ")"),
    set.__repr__: (set, "set({", "})"),
    frozenset.__repr__: (frozenset, "frozenset({", "})"),
    deque.__repr__: (deque, "deque([", "])"),
}
_MAPPINGS: dict[object, tuple[str, str]] = {
    dict.__repr__: ("{", "}"),
    OrderedDict.__repr__: ("OrderedDict({", "})"),
    defaultdict.__repr__: ("defaultdict({", "})"),
    Counter.__repr__: ("Counter({", "})"),
}
_NAMEDTUPLE_FILE = namedtuple("_Sample", "x").__repr__.__code__.co_filename


def shown(value: object, limit: int) -> str:
    """Return at most `limit` characters that show `value`, or words in place of what cannot be had.

    Guarantees:
        Raises nothing. Takes time and memory by `limit`, not by the size of `value`; of a
        ``__repr__`` written by hand, at most `SECONDS` of Python code.
    """
    return Look(limit).at(value)


def cut(text: str, size: int) -> str:
    """Return the beginning of `text`, at most `size` bytes of UTF-8; what UTF-8 has no bytes for is escaped."""
    if text.isascii():
        return text[:size]
    return text[:size].encode("utf-8", "backslashreplace")[:size].decode("utf-8", "ignore")


class TakesTooLong(BaseException):
    """The time for hand-written code is over; no ``except Exception`` of that code stops it."""


class Look:
    """One text that is being made."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._parts: list[str] = []
        self._seconds = SECONDS

    def at(self, value: object) -> str:
        """Return the text."""
        try:
            self._value(value, MAX_DEPTH)
        except BaseException as failure:
            self._put(unshown(value, failure))
        return "".join(self._parts)[: self._limit]

    def _put(self, text: str) -> None:
        self._parts.append(text[: max(0, self._left)])
        self._left -= len(text)

    def _value(self, value: Any, depth: int) -> None:
        kind = type(value)
        how: Any = kind.__repr__
        if how in _SLICED:
            self._put(repr(_SLICED[how].__getitem__(value, slice(0, self._left + 1))))
        elif how is int.__repr__:
            bits = int.bit_length(value)
            self._put(int.__repr__(value) if bits <= _MAX_BITS else f"<int of {bits} bits>")
        elif depth == 0:
            self._put("...")
        elif how in _ITEMS:
            base, opening, closing = _ITEMS[how]
            self._items(opening, base.__iter__(value), closing, lambda item: self._value(item, depth - 1))
            if how is tuple.__repr__ and tuple.__len__(value) == 1:
                self._parts[-1] = ",)" if self._left >= 0 else self._parts[-1]
        elif how in _MAPPINGS:
            opening, closing = _MAPPINGS[how]
            self._items(opening, dict.items(value), closing, lambda pair: self._pair(pair, depth - 1))
        elif isinstance(value, BaseException) and how is BaseException.__repr__:
            self._items(f"{class_name(value)}(", value.args, ")", lambda item: self._value(item, depth - 1))
        elif (names := _fields(kind, how)) is not None:
            self._items(f"{class_name(value)}(", names, ")", lambda name: self._field(value, name, depth - 1))
        else:
            self._by_hand(value)

    def _items(self, opening: str, items: Iterable[Any], closing: str, put: Callable[[Any], None]) -> None:
        self._put(opening)
        # Each item takes at least a character, so that what is looked at is bounded by the room.
        for number, item in enumerate(islice(items, max(0, self._left))):
            if self._left <= 0:
                break
            if number:
                self._put(", ")
            put(item)
        self._put(closing)

    def _pair(self, pair: tuple[object, object], depth: int) -> None:
        self._value(pair[0], depth)
        self._put(": ")
        self._value(pair[1], depth)

    def _field(self, value: object, name: str, depth: int) -> None:
        self._put(f"{name}=")
        try:
            # A field may be a descriptor, and a class may say how its attributes are read.
            found = self._within(lambda: getattr(value, name, "<unset>"))
        except BaseException as failure:
            self._put(unshown(value, failure))
        else:
            self._value(found, depth)

    def _by_hand(self, value: object) -> None:
        """Let the author of a class say it, within the time."""
        try:
            # repr() and not how(): it checks that the answer is text. A str's subclass may override everything.
            text = str.__getitem__(self._within(lambda: repr(value)), slice(0, self._left + 1))
        except BaseException as failure:
            text = unshown(value, failure)
        self._put(text)

    def _within(self, call: Callable[[], Any]) -> Any:
        began = perf_counter()
        try:
            return timed(call, self._seconds)
        finally:
            self._seconds -= perf_counter() - began


def class_name(value: object) -> str:
    """Return the name of the class of `value`; a metaclass of the user's has no say in it."""
    return str(type.__dict__["__name__"].__get__(type(value)))


def unshown(value: object, failure: BaseException) -> str:
    """Return what stands in place of a value that cannot be shown."""
    return f"<{class_name(value)} that cannot be shown: {class_name(failure)}>"


def timed(call: Callable[[], R], seconds: float = SECONDS) -> R:
    """Return ``call()``; raises `TakesTooLong` when its Python code still runs after `seconds`."""
    end = perf_counter() + seconds
    if seconds <= 0:
        raise TakesTooLong

    def look(frame: FrameType, event: str, arg: object) -> Any:
        if perf_counter() > end:
            raise TakesTooLong
        return look

    # A tracer and no profiler: that one hears of no step of a bare loop.
    before = sys.gettrace()
    sys.settrace(look)
    try:
        return call()
    finally:
        sys.settrace(before)


def _fields(kind: type[Any], how: Any) -> Iterable[str] | None:
    """Return the names that a generated ``__repr__`` would show, None for one written by hand."""
    if isinstance(how, WrapperDescriptorType) and hasattr(kind, "__struct_fields__"):
        return tuple(kind.__struct_fields__)
    made = getattr(how, "__wrapped__", how)
    file = getattr(getattr(made, "__code__", None), "co_filename", "")
    if file == _NAMEDTUPLE_FILE and hasattr(kind, "_fields"):
        return tuple(kind._fields)
    if file == "<string>" and hasattr(kind, "__dataclass_fields__"):
        return [name for name, field in kind.__dataclass_fields__.items() if field.repr]
    return None
