"""What the watchdog raises (FS-03)."""

from __future__ import annotations


class Interrupted(BaseException):
    """Raised inside a process that is killed while it computes.

    Not an exit signal that could be trapped, and not an error of the process: whatever
    it does with it, its reason is ``'killed'``.
    """
