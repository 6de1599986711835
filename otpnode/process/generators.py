"""Async generators nobody closed: they are closed as the process that began them (AC-10).

The garbage collector finds a dropped generator at any moment, mostly in the middle of
somebody else's step, and the loop's own hook would close it in *that* process's context:
what its ``finally`` sends, or does to links, would be a stranger's. So it is remembered
who took the first step of a generator, and it is closed in a copy of that process's
context, or in an empty one when that process is dead.

Rejected: a weak dictionary. A weak reference to a generator is gone before its finalizer
is called, and a generator that has run to its end never comes to its finalizer.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from otpnode.process.current import CURRENT

if TYPE_CHECKING:
    from otpnode.process.proc import Proc

_Hook = Callable[[AsyncGenerator[Any, Any]], None]

FEW = 64
"""Entries below which nobody looks for those of generators that are over."""


class Generators:
    """The hooks of one loop's thread, around those the loop has set."""

    def __init__(self, first: _Hook | None, last: _Hook | None) -> None:
        self._first = first
        self._last = last
        self._begun: dict[int, tuple[weakref.ref[AsyncGenerator[Any, Any]], weakref.ref[Proc]]] = {}
        self._many = FEW

    def first_step(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Remember whose `generator` is."""
        if self._first is not None:
            self._first(generator)
        proc = CURRENT.get()
        if proc is None:
            # Its number may have been that of one that is over.
            self._begun.pop(id(generator), None)
            return
        self._begun[id(generator)] = (weakref.ref(generator), weakref.ref(proc))
        if len(self._begun) > self._many:
            self._begun = {key: entry for key, entry in self._begun.items() if entry[0]() is not None}
            self._many = max(FEW, 2 * len(self._begun))

    def dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Have `generator` closed on behalf of whoever began it."""
        begun = self._begun.pop(id(generator), None)
        proc = None if begun is None else begun[1]()
        if self._last is not None:
            context = Context() if proc is None or proc.done() else proc.context.copy()
            context.run(self._last, generator)


def watch_generators() -> Callable[[], None]:
    """Set the hooks of this thread, whose loop runs; returns what takes them out again."""
    before = sys.get_asyncgen_hooks()
    if isinstance(getattr(before.finalizer, "__self__", None), Generators):
        return lambda: None
    mine = Generators(before.firstiter, before.finalizer)
    sys.set_asyncgen_hooks(firstiter=mine.first_step, finalizer=mine.dropped)

    def release() -> None:
        now = sys.get_asyncgen_hooks()
        if getattr(now.finalizer, "__self__", None) is mine:
            sys.set_asyncgen_hooks(firstiter=before.firstiter, finalizer=before.finalizer)

    return release
