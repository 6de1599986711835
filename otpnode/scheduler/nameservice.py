"""The directory at work: take requests, publish what they change, then answer (RG-06, RG-07).

The order of the three steps is the whole guarantee: changes are queued to every control channel, *then* the version on
the board advances, *then* the askers are answered. So whoever learns of an answer, however indirectly, finds a version
that tells its shard to drain, and a channel that holds the change. Requests that came in one turn of the supervisor
share one published batch: the workers wake once for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from otpnode.pid import address
from otpnode.scheduler.board import Board
from otpnode.scheduler.control import (
    MAX_RECORD,
    NameCommit,
    NameRegister,
    NameRelease,
    NameReply,
    NameReserve,
    Names,
    NamesGone,
    NameTable,
    NameUnregister,
    encode,
)
from otpnode.scheduler.directory import Change, Directory, Owner, Verdict

NameRequest = NameRegister | NameUnregister | NameReserve | NameCommit | NameRelease | NamesGone
_ROOM: Final = MAX_RECORD // 2
_OVERHEAD: Final = 16


class Listener(Protocol):
    """Where one worker hears of names: its control channel."""

    def send(self, record: NameReply) -> None:
        """Queue an answer."""

    def publish(self, names: bytes, table: Callable[[], list[bytes]]) -> None:
        """Queue encoded changes, or, for a worker that lags, the whole table later."""

    def send_table(self, table: Callable[[], list[bytes]]) -> None:
        """Queue the whole table."""


class _Answer(NamedTuple):
    channel: Listener
    request: NameRegister | NameUnregister | NameReserve | NameCommit | NamesGone
    verdict: Verdict


class NameService:
    """The node's names.

    Args:
        node: the node's name; pids of other nodes are nobody here.
        channels: tells the channels of all workers.
    """

    def __init__(self, board: Board, node: str, channels: Callable[[], Sequence[Listener]]) -> None:
        self._board = board
        self._node = node
        self._channels = channels
        self._directory = Directory(self._is_alive)
        self._changes: list[Change] = []
        self._answers: list[_Answer] = []

    def request(self, owner: Owner, channel: Listener, record: NameRequest) -> None:
        """Decide one request; `flush` publishes and answers."""
        directory = self._directory
        match record:
            case NameRegister(_, name, pid):
                verdict = directory.register(name, pid)
            case NameUnregister(_, name):
                verdict = directory.unregister(name)
            case NameReserve(_, name):
                verdict = directory.reserve(name, owner)
            case NameCommit(_, name, pid):
                verdict = directory.commit(name, pid, owner)
            case NamesGone(_, pid):
                verdict = directory.gone(pid)
            case NameRelease(name):
                directory.release(name, owner)
                return
        self._changes += verdict.changes
        self._answers.append(_Answer(channel, record, verdict))

    def shard_down(self, shard: int, incarnation: int) -> None:
        """Free and publish what that incarnation had; its own requests are answered no more (SH-04)."""
        self.flush()
        self._changes += self._directory.shard_down(shard, incarnation).changes
        self.flush()

    def flush(self) -> None:
        """Publish, then answer.

        Guarantees: an answer is sent after the change it tells of is queued to every shard and the version advanced.
        """
        self._publish()
        answers, self._answers = self._answers, []
        if any(answer.verdict.confirm for answer in answers):
            # Ours: store the version, load the slot. The owner's: store the slot, load the version (§21.5).
            self._board.fence()
            answers = [self._confirmed(answer) for answer in answers]
            self._publish()
        for channel, request, verdict in answers:
            channel.send(NameReply(request.req, verdict.error))

    def welcome(self, channel: Listener) -> None:
        """Begin the channel of a new worker with the names there are."""
        channel.send_table(self._encoded_table)

    def _confirmed(self, answer: _Answer) -> _Answer:
        request = answer.request
        if not answer.verdict.confirm or not isinstance(request, (NameRegister, NameCommit)):
            return answer
        verdict = self._directory.confirm(request.name, request.pid)
        self._changes += verdict.changes
        return answer._replace(verdict=verdict)

    def _publish(self) -> None:
        changes, self._changes = self._changes, []
        for batch in _batches(changes):
            names = encode(Names(self._directory.advance(), batch))
            for channel in self._channels():
                channel.publish(names, self._encoded_table)
            self._board.names_version = self._directory.version

    def _encoded_table(self) -> list[bytes]:
        version = self._directory.version
        parts = [dict(_texts(batch)) for batch in _batches(list(self._directory.table.items()))] or [{}]
        last = len(parts) - 1
        return [encode(NameTable(version, at == 0, at == last, part)) for at, part in enumerate(parts)]

    def _is_alive(self, pid: str) -> bool:
        place = address(pid)
        return (
            place is not None
            and place.node == self._node
            and self._board.is_alive(place.shard, place.incarnation, place.serial)
        )


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    size = 0
    for change in changes:
        # Four bytes are the most that one character takes in UTF-8.
        room = _OVERHEAD + sum(4 * len(text) for text in change if text is not None)
        if batch and size + room > _ROOM:
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += room
    if batch:
        yield batch


def _texts(changes: list[Change]) -> Iterator[tuple[str, str]]:
    return ((name, pid) for name, pid in changes if pid is not None)
