"""How many items of `Task.map` travel, and run, at once: from the time they were seen to take."""

from __future__ import annotations

from collections import deque

from otpnode.behaviours.tasks.plan import Chunk

SINGLE_SECONDS = 0.004
CHUNK_SECONDS = 0.01
"""What a batch should take: long beside what it costs to send it, short beside what a caller notices."""
MOST_SINGLE = 64
MOST_CHUNK = 4096
GROWTH = 16
LOOK_BACK = 5
"""Reports whose median counts: a busy machine stretches one of them a hundredfold."""
SPARE = 3
"""Batches of single items a shard has when they are short: one at work, one reported, one on its way."""
SHARE = 4
"""Chunks a shard that all items make at least, so that the last ones keep every shard busy."""


class Pace:
    """The size of the next batch.

    A batch begins at one item and grows as long as items turn out to be small. What
    a batch of single items costs to hand out is soon small beside their processes, so it
    stays small: a shard should not sit on work that another could do.

    Args:
        chunk: as `Task.map`.
        length: how many items there are, where known.
        shards: how many shards work.
    """

    def __init__(self, chunk: Chunk, length: int | None, shards: int) -> None:
        self.size = chunk if isinstance(chunk, int) else 1
        self._single = chunk == 1
        self._fixed = self.size > 1
        self._most = MOST_SINGLE if self._single else MOST_CHUNK
        self._seconds = SINGLE_SECONDS if self._single else CHUNK_SECONDS
        self._means: deque[float] = deque(maxlen=LOOK_BACK)
        if length is not None:
            self._most = max(1, min(self._most, -(-length // (SHARE * shards))))

    def learn(self, seconds: float, count: int) -> None:
        """`count` items took `seconds`; 0 for those that were ended and tell nothing."""
        if not self._fixed and seconds:
            self._means.append(seconds / count)
            mean = sorted(self._means)[len(self._means) // 2]
            wanted = self._most if mean * self._most <= self._seconds else max(1, int(self._seconds / mean))
            self.size = min(wanted, self.size * GROWTH)

    def depth(self, slots: int, *, away: bool = False) -> int:
        """Return how many batches a foreman of so many slots has: one more waits there when they are short.

        One more on another shard, also when they are long: the word that one is done may have to wait here
        for what computes here, longer than the one that is still there lasts.
        """
        if self.size == 1:
            return slots + away
        return slots // self.size + SPARE if self._single else max(2, slots)

    def capacity(self, slots: int) -> int:
        """Return how many items those are."""
        return self.depth(slots) * self.size

    def is_enough(self, waiting: int, ended: bool) -> bool:
        """Tell whether so many items make a batch."""
        return not self._fixed or waiting >= self.size or ended
