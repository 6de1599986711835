"""Flow control between shards: credits granted by room (MB-02, MB-07, MB-10).

A sender shard holds, for each remote pid it writes to, a window of credits; a user
message takes one and waits without. The receiver grants by *room*: when its user
messages fall under half the limit, when it parks, and at least one to a shard whose
window is used up as soon as there is room at all. Granting per message read was
rejected: a poller with 60 stuck messages would starve its senders, and every message
would have a frame coming back.

What a taken slot sets off costs the receiver more than the taking, so it is asked only
while somebody is short (`Room.due`): an account with more than half of its window left has
nothing to be given. And the answer is put off to the end of the loop's turn, when a receiver
that keeps up has taken everything, so that its senders get a window at a time, and whether
the mailbox has filled up is judged then, too. Grants for each half of a window, for the
first slot that came free, or as soon as a message arrived, cost a flood half of its speed.

Both halves are plain accounts: a grant is told to a callback, a frame is written by its sender.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

FIRST_WINDOW = 100
LAST_WINDOW = 1024


def first_window(limit: int) -> int:
    """Return the credits a (shard → pid) pair starts with."""
    return min(limit, FIRST_WINDOW)


class Account:
    """What this shard may still send to one pid elsewhere.

    A sender that waits keeps its frame, and writes it when its future says True: a credit
    is its own. One cancelled before it has run has not sent, and gives the credit back (MB-04).
    """

    __slots__ = ("credits", "waiting")

    def __init__(self, credits: int) -> None:
        self.credits = credits
        self.waiting: deque[asyncio.Future[bool]] = deque()

    def take(self) -> bool:
        """Take a credit if there is one and nobody waits before."""
        if self.credits <= 0 or self.waiting:
            return False
        self.credits -= 1
        return True

    def granted(self, n: int) -> None:
        """Add `n` credits and let as many waiting messages go, the first first (MB-03)."""
        self.credits += n
        while self.credits > 0 and self.waiting:
            first = self.waiting.popleft()
            if not first.done():
                self.credits -= 1
                first.set_result(True)

    def overcommit(self, waiting: asyncio.Future[bool]) -> None:
        """Let one waiting message go without a credit: a circle of full mailboxes is broken here (MB-08)."""
        if not waiting.done():
            self.waiting.remove(waiting)
            self.credits -= 1
            waiting.set_result(True)

    def withdraw(self, waiting: asyncio.Future[bool]) -> None:
        """The sender has given up: whatever it was granted goes to the next."""
        if waiting in self.waiting:
            self.waiting.remove(waiting)
        elif waiting.done() and not waiting.cancelled() and waiting.result():
            self.granted(1)

    def closed(self) -> None:
        """The pid is dead: everybody who waits returns (MB-05)."""
        while self.waiting:
            first = self.waiting.popleft()
            if not first.done():
                first.set_result(False)


class _Pair:
    __slots__ = ("outstanding", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.outstanding = window

    @property
    def short(self) -> bool:
        """Whether the shard should get credits as soon as there is room."""
        return self.outstanding <= self.window // 2


class Room:
    """One mailbox's account of the shards that send to it.

    Args:
        limit: the mailbox's limit.
        grant: called with ``(shard, n)`` to send credits; n = 0 says the owner is dead.
        put_off: has `settle` called at the end of the turn, or says False: it may not wait.

    Attributes:
        due: somebody is short of credits: `on_room` and `on_park` are to be called.
    """

    __slots__ = ("_first", "_grant", "_late", "_pairs", "_put_off", "due", "limit")

    def __init__(
        self, limit: int, grant: Callable[[int, int], None], put_off: Callable[[], bool] = lambda: False
    ) -> None:
        self.limit = limit
        self._first = first_window(limit)
        self._grant = grant
        self._put_off = put_off
        self._pairs: dict[int, _Pair] = {}
        self.due = False
        self._late = False

    def arrived(self, shard: int, users: int, messages: int = 1) -> None:
        """So many messages from `shard` have been queued; `users` are queued now."""
        pair = self._pairs.get(shard)
        if pair is None:
            pair = self._pairs[shard] = _Pair(self._first)
        pair.outstanding -= messages
        if pair.short and not self._late:
            self.on_room(users, self.limit)

    def counted(self, shard: int, messages: int = 1) -> bool:
        """Account for messages of `shard`, if nothing else follows from them; else they are for `arrived`."""
        pair = self._pairs.get(shard)
        if pair is None or pair.outstanding <= messages:
            return False
        left = pair.outstanding - messages
        if left <= pair.window // 2 and not (self.due or self._late):
            return False
        pair.outstanding = left
        return True

    def on_room(self, users: int, limit: int) -> None:
        """A slot has become free, or a shard has come to be short."""
        if not self._put_off():
            self.settle(users, limit)
        else:
            self.due, self._late = False, True

    def settle(self, users: int, limit: int) -> None:
        """Give what room there is to whom is short."""
        self._look()
        self._fall_back(users)
        if users >= limit:
            return
        low = users <= limit // 2
        for shard, pair in self._pairs.items():
            if pair.outstanding <= 0 or (low and pair.short):
                self._give(shard, pair, users)
        self._look()

    def on_park(self, users: int, limit: int) -> None:
        """The owner waits: nobody may be kept out (MB-07)."""
        self._fall_back(users)
        for shard, pair in self._pairs.items():
            if users < limit:
                if pair.short:
                    self._give(shard, pair, users)
            elif pair.outstanding <= 0:
                self._grant_one(shard, pair)
        self._look()

    def on_close(self) -> None:
        """The owner is dead: tell every shard that has ever sent to it."""
        for shard in self._pairs:
            self._grant(shard, 0)
        self._pairs.clear()

    def forget(self, shard: int) -> None:
        """That shard is down."""
        self._pairs.pop(shard, None)

    def _fall_back(self, users: int) -> None:
        """Who lets its mailbox fill up past the half gets the first window again (MB-02)."""
        if users > self.limit // 2:
            for pair in self._pairs.values():
                pair.window = self._first

    def _look(self) -> None:
        self._late = False
        self.due = any(pair.short for pair in self._pairs.values())

    def _give(self, shard: int, pair: _Pair, users: int) -> None:
        if users == 0:
            if pair.outstanding <= 0:
                pair.window = min(2 * pair.window, LAST_WINDOW)
            n = pair.window - pair.outstanding
        else:
            promised = sum(other.outstanding for other in self._pairs.values())
            n = min(pair.window - pair.outstanding, self.limit - users - promised)
            if pair.outstanding <= 0 and n + pair.outstanding <= 0:
                self._grant_one(shard, pair)
                return
        if n > 0:
            pair.outstanding += n
            self._grant(shard, n)

    def _grant_one(self, shard: int, pair: _Pair) -> None:
        """Let one message come: what was let in over the bound (MB-08) is made up for, or the grant would be eaten."""
        n = 1 - pair.outstanding
        pair.outstanding = 1
        self._grant(shard, n)
