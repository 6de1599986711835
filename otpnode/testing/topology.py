"""What a topology is: the word for where a test's programs run. Nothing else, for whoever only wants to name one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from otpnode.clock import ManualClock

Program = Callable[..., object]

NAMES: Final = ("one", "loop", "pipe")

WITHIN: Final = 30.0
"""Seconds a program may take."""


class Topology(Protocol):
    """A way to run a program.

    Attributes:
        name: ``'one'``, ``'loop'`` or ``'pipe'``.
        clock: the node's, where it stands still until the test moves it.
    """

    name: str
    clock: ManualClock | None

    def run(self, program: Program, *args: object, within: float = WITHIN, **settings: Any) -> object:
        """Run ``program(*args)`` as a process of shard 0 of a fresh node, and stop the node.

        Args:
            program: a coroutine function; for OS processes one that a worker can import.
            args: its arguments; for OS processes such as can travel.
            within: seconds of real time it may take; a loop that never awaits is ended too.
            settings: those of `otpnode.run`, for this node.

        Returns:
            What the program returned.

        Raises:
            BaseException: what it raised.
            TimeoutError: it took longer than `within`.
            AssertionError: it left processes behind that were linked to nobody, or its loop complained.
        """
        ...
