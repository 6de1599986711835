"""Which items of `Task.map` are on their way: pulled, done, taken."""

from __future__ import annotations

from otpnode.behaviours.tasks.plan import Part


class Window:
    """Bounds how many items have been pulled and whose results nobody has taken.

    Args:
        ordered: whether results leave in the order of the items.

    Attributes:
        pulled: how many items are here, or were.
    """

    def __init__(self, ordered: bool) -> None:
        self.ready: list[Part] = []
        self.has_ended = False
        self._ordered = ordered
        self._early: dict[int, Part] = {}
        self._next = 0
        self.pulled = 0
        self._granted = 0
        self._left = 0
        self._taken = 0

    def pull(self, count: int) -> int:
        """`count` more items are here; returns the number of the first."""
        first = self.pulled
        self.pulled += count
        return first

    def ended(self) -> None:
        """No more will be pulled."""
        self.has_ended = True

    def done(self, part: Part) -> None:
        """Results have come."""
        if not self._ordered:
            self.ready.append(part)
            return
        self._early[part[0]] = part
        while self._next in self._early:
            part = self._early.pop(self._next)
            self._next += len(part[1])
            self.ready.append(part)

    def grant(self, limit: int) -> int:
        """Return how many more items may be pulled, if at most `limit` may be under way."""
        if self.has_ended:
            return 0
        room = max(0, limit + self._taken - self._granted)
        self._granted += room
        return room

    def leave(self) -> list[Part]:
        """Return what is ready: it leaves, and is taken when more is asked for."""
        parts, self.ready = self.ready, []
        self._left += sum(len(part[1]) for part in parts)
        return parts

    def taken(self) -> None:
        """The caller is done with what has left."""
        self._taken = self._left

    @property
    def is_over(self) -> bool:
        """Whether all results have left or are ready, and no more will be."""
        return self.has_ended and self._left + sum(len(part[1]) for part in self.ready) == self.pulled
