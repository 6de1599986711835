"""Who gets which end of which mesh pair, and when: the one way to seat a shard, at boot as after a restart.

For each ordered pair of living incarnations (a → b) the supervisor makes one stream pair, passes the write end to a
and the read end to b, and keeps nothing. Why so slowly, and not all pairs before the fork? Inherited ends would have to
be closed in every other worker, a restarted worker could inherit nothing anyway, and n² descriptors would sit in the
supervisor. Why paced? The kernel counts descriptors that were sent and not yet read per *user*, against RLIMIT_NOFILE,
and answers ETOOMANYREFS; and a record that waits in our queue holds a descriptor here. So a pair is made only when both
channels have nothing queued, and at most `IN_FLIGHT` ends (`IN_FLIGHT_EACH` per worker) are under way at a time.
A worker that does not read delays its own pairs only.
"""

from __future__ import annotations

import errno
import logging
import socket
from dataclasses import dataclass
from typing import Final, Protocol

from otpnode.scheduler.control import Seat, Seated, ToWorker

logger = logging.getLogger(__name__)

IN_FLIGHT: Final = 256
IN_FLIGHT_EACH: Final = 32

Key = tuple[int, int]
"""``(shard, incarnation)``."""


class SeatChannel(Protocol):
    """What the seating plan needs of a control channel."""

    @property
    def queued(self) -> int:
        """How many records wait."""
        ...

    def send(self, record: ToWorker, fd: int | None = None) -> None:
        """Send a record and give `fd` away."""
        ...


@dataclass(slots=True, eq=False)
class _Guest:
    channel: SeatChannel
    in_flight: int = 0
    pairs_due: int = 0
    seated: bool = False


class Seating:
    """The seating plan of the mesh.

    Attributes:
        starved: a pair could not be made for want of descriptors; try `pump` again in a while.
    """

    def __init__(self) -> None:
        self._guests: dict[Key, _Guest] = {}
        self._due: list[tuple[Key, Key]] = []
        self.starved = False

    @property
    def in_flight(self) -> int:
        """How many ends are sent and not yet acknowledged."""
        return sum(guest.in_flight for guest in self._guests.values())

    def join(self, key: Key, channel: SeatChannel) -> None:
        """Seat the incarnation `key` with everybody who is here; the pairs are made by `pump`."""
        arrival = self._guests[key] = _Guest(channel)
        for other, guest in self._guests.items():
            if other[0] != key[0]:
                self._due += [(key, other), (other, key)]
                arrival.pairs_due += 2
                guest.pairs_due += 2

    def leave(self, key: Key) -> None:
        """Forget the incarnation `key`, which is dead, and the pairs due to it."""
        if self._guests.pop(key, None) is None:
            return
        for pair in self._due:
            if key in pair:
                other = pair[0] if pair[1] == key else pair[1]
                self._guests[other].pairs_due -= 1
        self._due = [pair for pair in self._due if key not in pair]

    def taken(self, key: Key, count: int) -> None:
        """The incarnation `key` has read `count` more ends."""
        guest = self._guests.get(key)
        if guest is not None:
            guest.in_flight = max(0, guest.in_flight - count)

    def pump(self) -> list[Key]:
        """Make the pairs that can be made now; return who is seated by that, each told so once."""
        self.starved = False
        if self._due:
            self._pass_pairs()
        seated = [key for key, guest in self._guests.items() if not guest.seated and not guest.pairs_due]
        for key in seated:
            self._guests[key].seated = True
            self._guests[key].channel.send(Seated())
        return seated

    def _pass_pairs(self) -> None:
        total = self.in_flight
        ready = {key for key, guest in self._guests.items() if _has_room(guest)}
        left: list[tuple[Key, Key]] = []
        for pair in self._due:
            writer, reader = pair
            if self.starved or total + 2 > IN_FLIGHT or writer not in ready or reader not in ready:
                left.append(pair)
            elif self._pass(writer, reader):
                total += 2
                ready -= {key for key in pair if not _has_room(self._guests[key])}
            else:
                left.append(pair)
        self._due = left

    def _pass(self, writer: Key, reader: Key) -> bool:
        try:
            source, sink = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            logger.warning("cannot make a socket pair yet: %s", error)
            self.starved = True
            return False
        for key, record, end in (
            (writer, Seat(*reader, "write"), source),
            (reader, Seat(*writer, "read"), sink),
        ):
            guest = self._guests[key]
            guest.pairs_due -= 1
            guest.in_flight += 1
            guest.channel.send(record, end.detach())
        return True


def _has_room(guest: _Guest) -> bool:
    return not guest.channel.queued and guest.in_flight < IN_FLIGHT_EACH
