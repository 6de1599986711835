"""How a node ends: one cause, one exit code, one absolute deadline at a time (SH-12).

The first cause decides. What comes while the node already stops (main's own end, a crash, a second `stop`) does not
change the code; a second signal of the same kind does, because it asks for something else: now.
"""

from __future__ import annotations

import logging
import signal
from enum import Enum
from typing import Final, Protocol

logger = logging.getLogger(__name__)

TREES_SHARE: Final = 0.6
"""The part of the grace that main and the trees may use before everybody is asked."""
DRAIN_SLACK: Final = 2.0
"""Seconds beyond the grace in which a worker can still answer `Drained`."""
LEAVE_TIME: Final = 2.0
"""Seconds from `Leave` to the kill."""

FIRST: Final = {signal.SIGTERM: 0, signal.SIGINT: 130}
SECOND: Final = {signal.SIGTERM: 143, signal.SIGINT: 130}


class Phase(Enum):
    """Where the node is in its life; it only moves forward."""

    BOOTING = "booting"
    RUNNING = "running"
    DRAINING = "draining"
    LEAVING = "leaving"
    OVER = "over"


class CallerPipe(Protocol):
    """The pipe to the process that called `otpnode.run` and waits for the outcome.

    Attributes:
        at_eof: that process is gone; set by `receive`.
    """

    @property
    def at_eof(self) -> bool:
        """Whether the caller is gone."""
        ...

    def fileno(self) -> int:
        """The descriptor to poll."""
        ...

    def receive(self) -> list[int]:
        """Read what is there now without blocking: the numbers of the signals that the caller passes on."""
        ...

    def outcome(self, code: int, data: bytes) -> None:
        """Tell the caller, last of all, that the node ended in order: `data` as main's worker encoded it, or empty."""
        ...

    def down(self, cause: str) -> None:
        """Tell the caller, last of all, that the node ended without a result (`NodeDownError`)."""
        ...

    def close(self) -> None:
        """Close this process's copy (a worker's)."""
        ...


class Ending:
    """The phase, the exit code and the deadline of the phase.

    Attributes:
        cause: why there is no result; None for an orderly end.
        everybody: whether the second round of the stop, for all processes, has begun.
    """

    def __init__(self) -> None:
        self.phase = Phase.BOOTING
        self.code = 0
        self.cause: str | None = None
        self.deadline: float | None = None
        self.everybody = False
        self._signals: set[int] = set()
        self._outcome: list[bytes] = []
        self._is_whole = False

    @property
    def stopping(self) -> bool:
        """Whether nothing is restarted any more."""
        return self.phase in (Phase.DRAINING, Phase.LEAVING, Phase.OVER)

    def is_second(self, signum: int) -> bool:
        """Count a signal; return whether that kind had come before."""
        if signum in self._signals:
            return True
        self._signals.add(signum)
        return False

    def decide(self, code: int, cause: str | None) -> None:
        """Fix how the node ends, for the first cause."""
        self.code = code
        self.cause = cause

    def enter(self, phase: Phase, deadline: float | None = None) -> None:
        """Move on to `phase`, which ends at `deadline` at the latest."""
        self.phase = phase
        self.deadline = deadline

    def add_outcome(self, chunk: bytes, last: bool) -> None:
        """Keep a part of main's outcome for the caller."""
        self._outcome.append(chunk)
        self._is_whole = last

    def tell(self, caller: CallerPipe) -> None:
        """Tell the caller how it ended, if it is still there."""
        if caller.at_eof:
            return
        try:
            if self.cause is None:
                caller.outcome(self.code, b"".join(self._outcome) if self._is_whole else b"")
            else:
                caller.down(self.cause)
        except OSError as error:
            logger.warning("the caller of this node did not hear how it ended: %s", error)
