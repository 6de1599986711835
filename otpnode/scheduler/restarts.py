"""How many unexpected deaths are too many."""

from __future__ import annotations

import signal
from collections import deque


class RestartLimit:
    """Counts deaths in a sliding window, as Erlang's restart intensity does.

    Args:
        most: so many deaths within `seconds` are borne; one more is a crash loop.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._deaths: deque[float] = deque()

    def exceeded_by(self, now: float) -> bool:
        """Count a death at `now`; return whether that was one too many."""
        self._deaths.append(now)
        while self._deaths[0] < now - self.seconds:
            self._deaths.popleft()
        return len(self._deaths) > self.most


def ending(status: int) -> str:
    """Say in words how an OS process ended, from a status as ``Popen.returncode``."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
