"""The board: what every shard may know of every other without asking.

One anonymous shared mapping, made before the first fork. Asking the owner whether a pid lives would cost a round
trip, and an owner deep in CPU-bound code would not answer at all; so each shard *publishes*: one word per process
slot, a handful of words of load, and everybody reads. No lock is needed because every word has one writer (the
area's shard; the supervisor for `STATE`, `INCARNATION` and once that incarnation is reaped; a peer for its own
interrupt word) and aligned 8-byte loads and stores do not tear. Two traps remain, and both have a rule here:

* A seat is reused by a later incarnation. Readers compare the incarnation *before and after* they read a slot.
* "I cleared my slot, then looked for names" against "I published a name, then looked at the slot" (SEMANTICS §21.5)
  needs each side's store to be seen before its load. Processors may swap the two; `fence` forbids it.

Rejected: ``multiprocessing.Array`` (a lock per access, and a named file that outlives a SIGKILL) and one byte per
process (a slot that says "alive" but not *who* is answers for the wrong process after reuse).
"""

from __future__ import annotations

import mmap
import threading
from enum import IntEnum
from typing import Final, NamedTuple, Self, overload

EMPTY: Final = 0
BOOTING: Final = 1
UP: Final = 2
DEAD: Final = 3

UNBOUNDED_WINDOW: Final = 0xFFFFFFFF
"""In the window array: this mailbox has no limit. 0 stands for the node's default limit."""

# Named from Python 3.13 on; the number is that of Linux on x86-64 and aarch64.
_MAP_NORESERVE: Final[int] = getattr(mmap, "MAP_NORESERVE", 0x4000)

NAMES_VERSION: Final = 0
NODE_STATE: Final = 1
_GLOBAL_WORDS: Final = 8

STATE: Final = 0
INCARNATION: Final = 1
HEARTBEAT: Final = 2
RUN_QUEUE: Final = 3
SLICE_STARTED: Final = 4
LIVE: Final = 5
SPREAD_PLACED: Final = 6
RUNNING: Final = 7
HIGH_WATER: Final = 8
WATCHED: Final = 9
COUNTERS: Final = 16
_INTERRUPTS: Final = 48


class NodeState(IntEnum):
    """What the node is doing, for shards that must refuse work in a stop (SH-12)."""

    BOOTING = 0
    RUNNING = 1
    STOPPING = 2


class Counter(IntEnum):
    """Running totals of one incarnation, written by its shard once per slice."""

    SPAWNS = 0
    EXITS = 1
    MESSAGES_IN = 2
    MESSAGES_OUT = 3
    PLACED_LOCALLY = 4


class _Word:
    """One header word of an area as an attribute."""

    __slots__ = ("_index",)

    def __init__(self, index: int) -> None:
        self._index = index

    @overload
    def __get__(self, area: None, owner: type[Area]) -> Self: ...
    @overload
    def __get__(self, area: Area, owner: type[Area]) -> int: ...
    def __get__(self, area: Area | None, owner: type[Area]) -> Self | int:
        return self if area is None else area.words[area.base + self._index]

    def __set__(self, area: Area, value: int) -> None:
        area.words[area.base + self._index] = value


class Area:
    """One seat's part of the board.

    Attributes:
        words: the board's words; hot code indexes them itself at ``base + RUN_QUEUE`` and the like.
        base: index of the area's first word.
        slots_at: index in `words` of slot 0.
        windows: the board as 32-bit words.
        windows_at: index in `windows` of slot 0's window.
    """

    __slots__ = ("_memory", "base", "capacity", "slots_at", "windows", "windows_at", "words")

    heartbeat = _Word(HEARTBEAT)
    watched = _Word(WATCHED)
    run_queue = _Word(RUN_QUEUE)
    slice_started = _Word(SLICE_STARTED)
    live = _Word(LIVE)
    spread_placed = _Word(SPREAD_PLACED)
    running = _Word(RUNNING)
    high_water = _Word(HIGH_WATER)

    def __init__(
        self, memory: mmap.mmap, words: memoryview[int], windows: memoryview[int], layout: _Layout, seat: int
    ) -> None:
        self._memory = memory
        self.words = words
        self.windows = windows
        self.capacity = layout.capacity
        self.base = layout.first + seat * layout.stride
        self.slots_at = self.base + layout.header
        self.windows_at = 2 * (self.slots_at + layout.slots)

    @property
    def high_water_at(self) -> int:
        """Index in `words` of the highest slot number ever used; the owner's `Slots` writes it."""
        return self.base + HIGH_WATER

    @property
    def state(self) -> int:
        """`EMPTY`, `BOOTING`, `UP` or `DEAD`; written by the supervisor only."""
        return self.words[self.base + STATE]

    @property
    def incarnation(self) -> int:
        """Which incarnation has, or last had, this seat; 0 when none has."""
        return self.words[self.base + INCARNATION]

    @property
    def occupied(self) -> bool:
        """Whether a living incarnation has this seat."""
        return self.state in (BOOTING, UP)

    def begin(self, incarnation: int) -> None:
        """Give the seat to `incarnation`, which boots. The supervisor's, before the fork.

        Guarantees: no reader takes a slot of the former incarnation for one of the new.
        """
        words, base = self.words, self.base
        words[base + STATE] = EMPTY
        words[base + INCARNATION] = 0
        self._wipe()
        for index in range(base + HEARTBEAT, self.slots_at):
            words[index] = 0
        words[base + INCARNATION] = incarnation
        words[base + STATE] = BOOTING

    def mark_up(self) -> None:
        """Show the incarnation as ready. The supervisor's, when it announces it."""
        self.words[self.base + STATE] = UP

    def mark_dead(self) -> None:
        """Show every process of the incarnation as dead, at once. The supervisor's, once it is reaped (§21.6)."""
        self.words[self.base + STATE] = DEAD
        self._wipe()

    def count(self, counter: Counter, total: int) -> None:
        """Publish the total of `counter`."""
        self.words[self.base + COUNTERS + counter] = total

    def counter(self, counter: Counter) -> int:
        """Read the total of `counter`."""
        return self.words[self.base + COUNTERS + counter]

    def interrupt(self, writer: int) -> int:
        """Read the serial that shard `writer` wants interrupted here; 0 for none."""
        return self.words[self.base + _INTERRUPTS + writer]

    def set_interrupt(self, writer: int, serial: int) -> None:
        """Ask, as shard `writer`, that the process `serial` be interrupted (FS-03)."""
        self.words[self.base + _INTERRUPTS + writer] = serial

    def interrupts(self, writers: int) -> list[int]:
        """Read the interrupt words of the first `writers` shards in one go."""
        start = self.base + _INTERRUPTS
        return self.words[start : start + writers].tolist()

    def serials(self) -> list[int]:
        """Read the serials in the slots ever used, without asking whether the incarnation lives."""
        used = min(self.high_water + 1, self.capacity)
        return list(filter(None, self.words[self.slots_at : self.slots_at + used].tolist()))

    def _wipe(self) -> None:
        """Zero slots and windows, and give their pages back."""
        start = self.slots_at * 8
        length = (self.windows_at + self.capacity) * 4 - start
        try:
            self._memory.madvise(mmap.MADV_REMOVE, start, length)
        except OSError:
            # Not every kernel can punch holes into shared memory; writing zeros is slower and as right.
            used = min(self.high_water + 1, self.capacity)
            self._memory[start : start + used * 8] = bytes(used * 8)
            self._memory[self.windows_at * 4 : (self.windows_at + used) * 4] = bytes(used * 4)


class Place(NamedTuple):
    """Where the words of one process stand: see `Board.place`."""

    words: memoryview[int]
    slot_at: int
    state_at: int
    incarnation_at: int


class _Layout:
    """Sizes in words; slots and windows begin on a page, so that they can be given back."""

    __slots__ = ("capacity", "first", "header", "seats", "slots", "stride", "total")

    def __init__(self, max_schedulers: int, capacity: int) -> None:
        self.capacity = capacity
        self.seats = 2 * max_schedulers
        self.first = _pages(_GLOBAL_WORDS)
        self.header = _pages(_INTERRUPTS + max_schedulers)
        self.slots = _pages(capacity)
        self.stride = self.header + self.slots + _pages((capacity + 1) // 2)
        self.total = self.first + self.seats * self.stride


def _pages(words: int) -> int:
    page = mmap.PAGESIZE // 8
    return -(-words // page) * page


class Board:
    """The node's shared memory: two seats per shard, so that two incarnations can live side by side.

    Guarantees: no call blocks, none needs the cooperation of another OS process, and all hold for any number of
    readers. Untouched pages cost nothing.
    """

    __slots__ = ("_areas", "_fence", "_places", "_words", "capacity", "max_schedulers")

    def __init__(self, memory: mmap.mmap, max_schedulers: int, capacity: int) -> None:
        layout = _Layout(max_schedulers, capacity)
        whole = memoryview(memory)
        self._words: memoryview[int] = whole.cast("Q")
        windows: memoryview[int] = whole.cast("I")
        self._areas = [Area(memory, self._words, windows, layout, seat) for seat in range(layout.seats)]
        # `is_alive` is on the path of messages to other shards: these sums made beforehand save a fifth of its time.
        self._places = [(area.base + STATE, area.base + INCARNATION, area.slots_at) for area in self._areas]
        self._fence = threading.Lock()
        self.max_schedulers = max_schedulers
        self.capacity = capacity

    @classmethod
    def create(cls, max_schedulers: int, capacity: int) -> Board:
        """Map a board for `max_schedulers` shards of `capacity` processes; before the first fork."""
        size = _Layout(max_schedulers, capacity).total * 8
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        return cls(mmap.mmap(-1, size, flags=flags), max_schedulers, capacity)

    @property
    def names_version(self) -> int:
        """Version of the name table; whoever's replica is behind it drains its control channel (RG-07)."""
        return self._words[NAMES_VERSION]

    @names_version.setter
    def names_version(self, version: int) -> None:
        self._words[NAMES_VERSION] = version

    @property
    def node_state(self) -> NodeState:
        """What the node is doing; written by the supervisor only."""
        return NodeState(self._words[NODE_STATE])

    @node_state.setter
    def node_state(self, state: NodeState) -> None:
        self._words[NODE_STATE] = state

    def fence(self) -> None:
        """Make every store before this call visible before any load after it (§21.5)."""
        # Taking a free lock is an atomic read-modify-write, a full barrier in practice; Python offers no other.
        with self._fence:
            return

    def seat(self, shard: int, incarnation: int) -> Area:
        """The seat that `incarnation` of `shard` has, or would have; whoever sits there."""
        return self._areas[2 * shard + (incarnation & 1)]

    def area(self, shard: int, incarnation: int) -> Area | None:
        """The seat of `shard` if it holds just that incarnation (dead or alive), else None."""
        if not 0 <= shard < self.max_schedulers:
            return None
        area = self._areas[2 * shard + (incarnation & 1)]
        return area if area.incarnation == incarnation else None

    def current(self, shard: int) -> int | None:
        """The highest incarnation of `shard` that is up; None when none is."""
        seats = self._areas[2 * shard : 2 * shard + 2]
        return max((seat.incarnation for seat in seats if seat.state == UP), default=None)

    def is_up(self, shard: int, incarnation: int) -> bool:
        """Tell whether that incarnation was announced, and lives."""
        area = self.area(shard, incarnation)
        return area is not None and area.state == UP and area.incarnation == incarnation

    def next_incarnation(self, shard: int, last: int) -> int:
        """The first incarnation after `last` whose seat is free."""
        return last + 2 if self.seat(shard, last + 1).occupied else last + 1

    def is_alive(self, shard: int, incarnation: int, serial: int) -> bool:
        """Tell whether that process lives: no message, whatever its shard is doing (PI-, R23)."""
        if serial <= 0 or not 0 <= shard < self.max_schedulers:
            return False
        words = self._words
        state_at, incarnation_at, slots_at = self._places[2 * shard + (incarnation & 1)]
        return (
            words[incarnation_at] == incarnation
            and words[slots_at + serial % self.capacity] == serial
            and EMPTY < words[state_at] < DEAD
            and words[incarnation_at] == incarnation
        )

    def place(self, shard: int, incarnation: int, serial: int) -> Place:
        """Where the words stand that `is_alive` reads, for a reader who asks of the same process again and again."""
        state_at, incarnation_at, slots_at = self._places[2 * shard + (incarnation & 1)]
        return Place(self._words, slots_at + serial % self.capacity, state_at, incarnation_at)

    def alive_serials(self, shard: int, incarnation: int) -> list[int]:
        """The serials alive on that incarnation, in slot order; empty when it does not live."""
        area = self.area(shard, incarnation)
        if area is None:
            return []
        serials = area.serials()
        return serials if area.occupied and area.incarnation == incarnation else []

    def window(self, shard: int, incarnation: int, serial: int) -> int:
        """The mailbox limit that process declared: 0 for the node's default, `UNBOUNDED_WINDOW` for none."""
        area = self.area(shard, incarnation)
        return 0 if area is None else area.windows[area.windows_at + serial % self.capacity]
