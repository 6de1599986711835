"""How many restarts a supervisor bears (SV-04)."""

from __future__ import annotations

from collections import deque
from typing import cast

from otpnode import process
from otpnode.pid import Pid
from otpnode.ref import Ref

AGE = 1e9
"""Seconds, more than any node lives."""


class Intensity:
    """Counts restarts within a sliding window.

    Args:
        most: how many are borne within the window; one more is too many.
        seconds: the window.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: deque[float] = deque()

    def bears(self, now: float) -> bool:
        """Count one restart; False when it is one too many."""
        self._times.append(now)
        while self._times[0] < now - self._seconds:
            self._times.popleft()
        return len(self._times) <= self._most


class Watch:
    """Tells the calling process the node's time, which stands still where a test owns it.

    What the verbs tell of it is how much is left of a timer, so this keeps one that never rings.
    """

    def __init__(self) -> None:
        self._timer: Ref | None = None

    async def now(self) -> float:
        """Return seconds since the first look."""
        if self._timer is None:
            self._timer = process.start_timer(AGE, cast(Pid, process.self()), None)
        return AGE - (await process.read_timer(self._timer) or 0.0)
