"""How many restarts a supervisor bears (SV-04)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic


class Intensity:
    """Counts restarts within a sliding window.

    Args:
        most: how many are borne within the window; one more is too many.
        seconds: the window.
        now: where time comes from.
    """

    def __init__(self, most: int, seconds: float, now: Callable[[], float] = monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._now = now
        self._times: deque[float] = deque()

    def bears(self) -> bool:
        """Count one restart; False when it is one too many."""
        now = self._now()
        self._times.append(now)
        while self._times[0] < now - self._seconds:
            self._times.popleft()
        return len(self._times) <= self._most
