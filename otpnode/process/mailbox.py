"""A process's mailbox: FIFO, a bound, a save position, and who waits at it.

The hot path lives in `otpnode.process.messages`: a send to a running or parked local
process touches `queue`, `gate` and `limit` and nothing else. Everything unusual is
folded into those words, so that the usual case pays one test for all of it:

* `gate` is `IDLE` while nobody waits, `PARKED` while the owner waits for anything,
  `WOKEN` (negative) from the wake-up until the owner runs, `SPECIAL` when a sender must
  look closer (a wait for one ref, a child task that waits, a closed mailbox); what
  the first three would say is then in `state`.
* `limit` is the bound on *user* messages, less the slots that are promised; the cheap
  test ``len(queue) < limit`` errs on the side of the slow path when exempt messages are
  queued (MB-09).
* `care` asks the receiver to call `took` after a dequeue (blocked senders to
  admit, credits to grant, exempt messages to unwrap, a receive mark to move).

A sender that waits keeps its message. What it gets is the promise of a slot, and it
puts the message there itself when it runs, so that one cancelled between the two has
not sent (MB-04) and its slot goes to the next. Rejected: queueing it on the sender's
behalf; a cancellation in that very turn then says "not sent" of a message that the
receiver may have read.

Rejected: `asyncio.Queue`. Its ``get`` wakes through a Future and a task switch
per message, a cancelled ``wait_for(get())`` loses messages on 3.11 (RC-09), and
it has no notion of a message that the bound does not hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeGuard, cast

if TYPE_CHECKING:
    import asyncio

    from otpnode.process.proc import Proc

UNBOUNDED = 1 << 62

IDLE = 0
PARKED = 1
WOKEN = -1
SPECIAL = 2

NOBODY_ASKS: tuple[object, ...] = ()
"""In `Mailbox.answer` while the owner makes no request."""


class Exempt:
    """A queued message that the bound does not hold: EXIT, DOWN, a reply, a timer's (MB-09)."""

    __slots__ = ("message",)

    def __init__(self, message: object) -> None:
        self.message = message


class Grants(Protocol):
    """Who hears of room for senders on other shards; see `otpnode.transport.credit`."""

    due: bool
    """Whether anybody would be given something now: `on_room` and `on_park` are to be called."""

    def on_room(self, users: int, limit: int) -> None:
        """`users` messages are queued under a bound of `limit`: a slot has just become free."""
        ...

    def on_park(self, users: int, limit: int) -> None:
        """The owner has scanned everything and waits (MB-07)."""
        ...

    def on_close(self) -> None:
        """The owner is dead (MB-05)."""
        ...


class Unopened:
    """Stands in for the queue of a mailbox that nothing has come to: a deque takes 760 bytes, empty or not."""

    __slots__ = ("_box",)

    def __init__(self, box: Mailbox) -> None:
        self._box = box

    def append(self, entry: object) -> None:
        """Become a queue with its first entry."""
        self._box.queue = deque((entry,))

    def clear(self) -> None:
        """Become an empty queue."""
        self._box.queue = deque()

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> object:
        raise IndexError(index)


class Mailbox:
    """One process's queue and the waits on it; see the module's argument."""

    __slots__ = (
        "answer",
        "blocked",
        "bound",
        "care",
        "claims",
        "exempt",
        "gate",
        "grants",
        "limit",
        "mark",
        "matching",
        "older",
        "owner",
        "queue",
        "scanned",
        "state",
        "waits",
        "wanted",
    )

    def __init__(self, owner: Proc, limit: int) -> None:
        self.owner = owner
        self.queue: deque[object] = cast("deque[object]", Unopened(self))
        self.bound = limit
        self.limit = limit
        self.gate = SPECIAL if owner.deaf else IDLE
        self.state = IDLE
        self.care = False
        self.wanted: str | None = None
        self.answer: tuple[object, ...] | None = NOBODY_ASKS
        self.exempt = 0
        self.scanned = 0
        self.matching = False
        self.mark: str | None = None
        self.older = 0
        self.blocked: deque[asyncio.Future[None]] | None = None
        self.grants: Grants | None = None
        self.waits: dict[str, asyncio.Future[object]] | None = None
        self.claims: dict[str, deque[object]] | None = None

    # -- arriving -------------------------------------------------------------

    @property
    def users(self) -> int:
        """How many slots user messages have, or are promised: what the bound and the credits count."""
        return len(self.queue) - self.exempt + self.bound - self.limit

    @property
    def parked(self) -> bool:
        """Whether the owner has scanned everything and waits for a new message."""
        return (self.state if self.gate == SPECIAL else self.gate) == PARKED

    @property
    def receiving(self) -> bool:
        """Whether a `receive` is under way that has had to wait (RC-10)."""
        return (self.state if self.gate == SPECIAL else self.gate) != IDLE

    @property
    def full(self) -> bool:
        """Whether a user message must wait: never while the owner is parked (MB-07)."""
        return len(self.queue) - self.exempt >= self.limit and not self.parked

    def put(self, message: object) -> None:
        """Admit a user message, whatever the bound; the caller has looked at `full`."""
        if self.gate == SPECIAL and self._special(message, message):
            return
        self.queue.append(message)
        if self.gate == PARKED:
            self._wake()

    def put_exempt(self, message: object) -> None:
        """Admit a message that the bound does not hold (MB-09)."""
        entry = Exempt(message)
        if self.gate == SPECIAL and self._special(message, entry):
            return
        self._queue_exempt(entry)
        if self.gate == PARKED:
            self._wake()

    def _queue_exempt(self, entry: Exempt) -> None:
        self.queue.append(entry)
        self.exempt += 1
        self.care = True

    def _special(self, message: object, entry: object) -> bool:
        """Deliver to a wait for one ref; True when the message is dealt with."""
        if self.owner.deaf:
            return True
        refs = refs_in(message)
        if self.waits is not None:
            for ref in refs:
                waiter = self.waits.get(ref)
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
                    return True
        if self.claims is not None:
            for ref in refs:
                if ref in self.claims:
                    self.claims[ref].append(message)
                    return True
        if not self.parked or (self.wanted is not None and self.wanted not in refs):
            return False
        if self.answer is None and type(message) is tuple:
            self.answer = message
        elif type(entry) is Exempt:
            self._queue_exempt(entry)
        else:
            self.queue.append(entry)
        self._wake()
        return True

    def _wake(self) -> None:
        """End the owner's wait; it looks at the queue when it runs."""
        self.set_state(WOKEN)
        self.owner.wake()

    # -- leaving --------------------------------------------------------------

    def took(self, entry: object) -> object:
        """Account for an entry just removed from the head, and return its message."""
        return self._left(entry, 0)

    def take_at(self, index: int) -> object:
        """Remove the entry at `index`, account for it, and return its message."""
        entry = self.queue[index]
        del self.queue[index]
        return self._left(entry, index) if self.care or self.scanned else entry

    def _left(self, entry: object, index: int) -> object:
        if index < self.older:
            self.older -= 1
        if index < self.scanned:
            self.scanned -= 1
        if type(entry) is Exempt:
            self.exempt -= 1
            message = entry.message
        else:
            message = entry
            # Other shards first: the senders here would take every slot as it comes free (MB-03).
            if self.grants is not None and self.grants.due:
                self.grants.on_room(self.users, self.bound)
            if self.blocked:
                self._offer()
        self.care = bool(self.exempt or self.blocked or self.older or (self.grants is not None and self.grants.due))
        return message

    # -- senders that wait ----------------------------------------------------

    def _offer(self) -> None:
        """Promise a slot to who has waited longest: one is free, or the owner waits (MB-03, MB-07)."""
        while self.blocked and not self.full:
            waiting = self.blocked.popleft()
            if not waiting.done():
                self._promise(waiting)
                return

    def _promise(self, waiting: asyncio.Future[None]) -> None:
        self.limit -= 1
        waiting.set_result(None)

    def enter(self, message: object) -> None:
        """Take the promised slot; the wait of one whose receiver has died is over too, and nothing comes of it."""
        self.limit += 1
        if not self.owner.deaf:
            self.put(message)

    def withdraw(self, waiting: asyncio.Future[None]) -> None:
        """The sender has given up; a slot that was promised to it goes to the next (MB-04)."""
        if self.blocked and waiting in self.blocked:
            self.blocked.remove(waiting)
        elif waiting.done() and not waiting.cancelled():
            self.limit += 1
            self._offer()

    def overcommit(self, waiting: asyncio.Future[None]) -> None:
        """Promise a slot over the bound: a circle of full mailboxes is broken here (MB-08)."""
        if not waiting.done() and self.blocked is not None:
            self.blocked.remove(waiting)
            self._promise(waiting)

    # -- waiting --------------------------------------------------------------

    def park(self, wanted: str | None) -> None:
        """The owner waits, everything is scanned: whoever is blocked here is let in, one by one (MB-07)."""
        self.wanted = wanted
        self.set_state(PARKED)
        if self.grants is not None:
            self.grants.on_park(self.users, self.bound)
        if self.blocked:
            self._offer()

    def unpark(self) -> None:
        """The owner's wait is over, by a message, a timeout or a cancellation."""
        self.wanted = None
        self.set_state(IDLE)

    def overdue(self) -> None:
        """The time is over for what the owner waits for."""
        if self.parked:
            self._wake()

    def set_state(self, state: int) -> None:
        """Say where the owner stands; `gate` follows."""
        self.state = state
        if self.waits or self.claims or self.wanted is not None or self.owner.deaf or self.owner.bay.driven:
            self.gate = SPECIAL
        else:
            self.gate = state

    def regate(self) -> None:
        """Recompute `gate` after a wait or a claim came or went."""
        self.set_state(self.state if self.gate == SPECIAL else self.gate)

    def set_mark(self, ref: str) -> None:
        """Remember that nothing queued now can hold `ref`, which has just been made (RC-08)."""
        older = len(self.queue)
        self.mark = ref
        self.older = older
        if older:
            self.care = True

    def find_ref(self, ref: str, match: Callable[[object], object] | None) -> int:
        """Return the index of the oldest message that holds `ref`, or -1.

        Looks only at what came after `ref` was made when the mark is for it.
        """
        queue = self.queue
        index = len(queue)
        stop = self.older if self.mark == ref else 0
        found = -1
        for entry in reversed(queue):
            index -= 1
            if index < stop:
                break
            message = entry.message if type(entry) is Exempt else entry
            if holds(message, ref) and (match is None or match(message)):
                found = index
        return found

    def messages(self) -> list[object]:
        """Return the queued messages, oldest first."""
        return [entry.message if type(entry) is Exempt else entry for entry in self.queue]

    def remove_refs(self, keep: Callable[[object], bool]) -> bool:
        """Drop queued messages that `keep` refuses; True when one was dropped (demonitor's flush)."""
        for index, entry in enumerate(self.queue):
            message = entry.message if type(entry) is Exempt else entry
            if not keep(message):
                self.take_at(index)
                return True
        return False

    # -- closing --------------------------------------------------------------

    def close(self) -> None:
        """Discard everything; blocked senders return normally (MB-05, MB-12)."""
        blocked, self.blocked = self.blocked, None
        for waiting in blocked or ():
            if not waiting.done():
                waiting.set_result(None)
        if self.grants is not None:
            self.grants.on_close()
            self.grants = None
        self.queue.clear()
        self.exempt = self.older = self.scanned = 0
        self.mark = None
        waits, self.waits, self.claims = self.waits, None, None
        for waiter in (waits or {}).values():
            waiter.cancel()


def holds(message: object, ref: str | None) -> TypeGuard[tuple[object, ...]]:
    """Tell whether `ref` stands in a message where a ref can, as `refs_in`; of a full mailbox each is asked."""
    if type(message) is not tuple or not message:
        return False
    first = message[0]
    if first is ref or (type(first) is str and first == ref):
        return True
    return len(message) > 1 and type(message[1]) is str and message[1] == ref


def refs_in(message: object) -> tuple[str, ...]:
    """Return the strings at index 0 and 1 of a tuple: where a ref can stand (``(ref, x)``, ``('DOWN', ref, …)``)."""
    if type(message) is not tuple:
        return ()
    return tuple(item for item in message[:2] if type(item) is str)
