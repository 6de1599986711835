"""Who gets which end of which mesh pair, and when: the one way to seat a shard, at boot as after a restart.

For each ordered pair of living incarnations (a → b) the supervisor makes one stream pair, passes the write end to a
and the read end to b, and keeps nothing. Why so slowly, and not all pairs before the fork? Inherited ends would have to
be closed in every other worker, a restarted worker could inherit nothing anyway, and n² descriptors would sit in the
supervisor. Why paced? A channel passes a descriptor on as its worker reads, and holds here what it cannot pass. So a
pair is made only when one of its ends can leave at once; the other is held if it must be, as long as all channels hold
no more than a quarter of what this process may have open.

Hence nobody waits for a worker that does not read: the others have their ends of the pairs with it, and may write. Who
would wait for its acknowledgement could be held up by anybody's computation.
"""

from __future__ import annotations

import errno
import logging
import resource
import socket
from dataclasses import dataclass
from typing import Final, Protocol

from otpnode.scheduler.control import Seat, Seated, ToWorker

logger = logging.getLogger(__name__)

_HELD_SHARE: Final = 4

Key = tuple[int, int]
"""``(shard, incarnation)``."""


class SeatChannel(Protocol):
    """What the seating plan needs of a control channel."""

    @property
    def prompt(self) -> bool:
        """Whether a descriptor sent now would leave now."""
        ...

    @property
    def held(self) -> int:
        """How many descriptors wait to leave."""
        ...

    def send(self, record: ToWorker, fd: int | None = None) -> None:
        """Send a record and give `fd` away."""
        ...

    def withdraw(self, shard: int, incarnation: int) -> None:
        """Drop the seats of that incarnation which are held."""
        ...


@dataclass(slots=True, eq=False)
class _Guest:
    channel: SeatChannel
    pairs_due: int = 0
    seated: bool = False


class Seating:
    """The seating plan of the mesh.

    Attributes:
        most_held: how many ends may be held at a time, all channels taken together.
        starved: a pair could not be made for want of descriptors; try `pump` again in a while.
    """

    def __init__(self) -> None:
        self._guests: dict[Key, _Guest] = {}
        self._due: list[tuple[Key, Key]] = []
        self.most_held = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _HELD_SHARE
        self.starved = False

    def join(self, key: Key, channel: SeatChannel) -> None:
        """Seat the incarnation `key` with everybody who is here; the pairs are made by `pump`."""
        arrival = self._guests[key] = _Guest(channel)
        for other, guest in self._guests.items():
            if other[0] != key[0]:
                self._due += [(key, other), (other, key)]
                arrival.pairs_due += 2
                guest.pairs_due += 2

    def leave(self, key: Key) -> None:
        """Forget the incarnation `key`, which is dead, the pairs due to it and the ends held for others."""
        if self._guests.pop(key, None) is None:
            return
        for pair in self._due:
            if key in pair:
                other = pair[0] if pair[1] == key else pair[1]
                self._guests[other].pairs_due -= 1
        self._due = [pair for pair in self._due if key not in pair]
        for guest in self._guests.values():
            guest.channel.withdraw(*key)

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
        held = sum(guest.channel.held for guest in self._guests.values())
        prompt = {key for key, guest in self._guests.items() if guest.channel.prompt}
        left: list[tuple[Key, Key]] = []
        for pair in self._due:
            late = 2 - (pair[0] in prompt) - (pair[1] in prompt)
            if late == 2 or (late and held >= self.most_held) or self.starved or not self._pass(*pair):
                left.append(pair)
            else:
                held += late
                prompt -= {key for key in pair if not self._guests[key].channel.prompt}
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
            guest.channel.send(record, end.detach())
        return True
