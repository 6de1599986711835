"""How often Python's cyclic garbage collector runs in an OS process that is full of processes.

A process is a dozen objects that the collector walks, and one that waits is none of its
business: the dead are freed by their reference counts (`Proc.drop_body`), no cycle is left.
With Python's thresholds a shard that fills up is walked through again and again: spawning
300 000 idle processes paused the loop for more than a second.

So the young are looked at seldom and few at a time (a collection of the middle generation
walks 60 000 objects: some milliseconds), and everything, which takes as long as there is
much, only after 60 million objects more were made than freed. The price: a cycle that
lives through two collections of the young stays until then, or until the program calls
``gc.collect()``. Rejected: freezing what has been spawned (a cycle in it would never be
freed), and few but large collections of the young, ``(100_000, 20, 100)`` (the middle
generation is then two million objects, and its walk the pause).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLDS: Final = (10_000, 5, 1_000)
PYTHONS_OWN: Final = ((700, 10, 10), (2_000, 10, 10))
"""What Python 3.11 to 3.13 start with."""


def raise_thresholds() -> None:
    """Make collections as seldom as `THRESHOLDS`, unless the program has thresholds of its own."""
    if gc.get_threshold() in PYTHONS_OWN:
        gc.set_threshold(*THRESHOLDS)


@contextmanager
def raised_thresholds() -> Iterator[None]:
    """Raise them for as long as the block runs; a program that sets its own meanwhile has the last word."""
    before = gc.get_threshold()
    raise_thresholds()
    try:
        yield
    finally:
        if gc.get_threshold() == THRESHOLDS:
            gc.set_threshold(*before)
