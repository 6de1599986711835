"""Time as a parameter.

Everything that waits for a deadline asks a `Clock`, so that a test can own time:
`ManualClock.advance` makes a five-second grace exact and free.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """A source of monotonic seconds."""

    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    def on_advance(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever time jumps. Real time never jumps."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    __slots__ = ()

    now = staticmethod(time.monotonic)

    def on_advance(self, callback: Callable[[], None]) -> None:
        """Keep nothing: real time passes by itself."""


class ManualClock:
    """A clock that stands still until it is told to move; for tests."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._callbacks: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the time last set."""
        return self._now

    def on_advance(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each `advance`."""
        self._callbacks.append(callback)

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds` and let everybody look at the new time."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds!r}")
        self._now += seconds
        for callback in list(self._callbacks):
            callback()
