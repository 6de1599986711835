"""Staying awake for a moment, because an answer may come: what the BEAM's schedulers do before they sleep.

A shard that sleeps in the kernel is woken through two system calls and a switch, which
between two processes that take turns is most of the time of a message. So after a frame
that somebody may answer, the loop goes round without sleeping for some microseconds. It
goes round as ever, so that timers, sockets and callbacks of others lose nothing by it.

It pays only where the other shard has a CPU and answers at once; beside a busy stranger,
or with more shards than CPUs, it burns what the other side needs. Nobody can know that
beforehand, so the waits are scored: when less than half of a round ended in traffic,
there are none, except one now and then, and more and more seldom, to see whether that has
changed. On one CPU all of them fail: the wake-up call lets the other side run before it returns.

Rejected: polling the sockets in a tight loop inside one callback. It is a little
faster, and holds up everybody else on this loop, the processes that await something of
asyncio's among them.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from time import perf_counter

SECONDS = {"none": 0.0, "short": 100e-6, "long": 1e-3}
"""How long each setting stays awake after one frame. Two that are awake answer in 20 µs, but the first answer
comes from one who sleeps, after 60; with 20 µs nobody ever met anybody awake."""
ROUND = 16
"""Waits that are scored together."""
PAUSE = 200
"""Waits that are left out when they do not pay; twice as many each time that trying again has not paid either."""
LONGEST_PAUSE = 16 * PAUSE


class BusyWait:
    """One loop's waiting for the answers of other shards.

    Args:
        loop: what is kept awake.
        seconds: for how long after each frame; 0 for not at all.
    """

    __slots__ = (
        *("_awake", "_context", "_hits", "_loop", "_open", "_pause", "_seconds", "_skip", "_trying", "_turn", "_until"),
        "_waits",
    )

    @property
    def awake(self) -> bool:
        """Whether the loop is being kept awake."""
        return self._awake

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._context = Context()
        self._until = 0.0
        self._awake = False
        self._open = False
        self._waits = self._hits = 0
        self._skip = 0
        self._pause = PAUSE
        self._trying = False
        self._turn = self._go_round

    def begin(self, now: float) -> None:
        """An answer may come from `now` on, by ``time.perf_counter``."""
        if not self._seconds:
            return
        if self._skip:
            self._skip -= 1
            return
        self._until = now + self._seconds
        self._open = True
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._turn, context=self._context)

    def arrived(self) -> None:
        """Something has come from another shard."""
        if self._open:
            self._open = False
            self._score(perf_counter() < self._until)

    def _go_round(self) -> None:
        if perf_counter() < self._until:
            self._loop.call_soon(self._turn, context=self._context)
            return
        self._awake = False
        if self._open:
            self._open = False
            self._score(False)

    def _score(self, hit: bool) -> None:
        self._waits += 1
        self._hits += hit
        if self._waits < ROUND:
            return
        if 2 * self._hits >= ROUND:
            if not self._trying:
                self._pause = PAUSE
            self._trying = False
            self._waits = self._hits = 0
        else:
            self._skip = self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._trying = True
            # The next one decides alone.
            self._waits, self._hits = ROUND - 1, ROUND // 2 - 1
