"""What processes say to each other: one record per kind of signal (SEMANTICS §21.1).

A signal is the whole of what crosses between two processes; nothing else does.
Inside a shard it is applied at once, between shards the codec turns it into one
frame. Plain named tuples: the single loop needs no codec for them, and msgspec
encodes them as arrays without being told how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Message(NamedTuple):
    """A user message to a pid; between shards it needs one credit of (shard → to)."""

    sender: str
    to: str
    message: object


class AliasMessage(NamedTuple):
    """A message to an alias or monitor ref; never bounded, dropped when the ref is inactive (AL-01)."""

    sender: str
    to: str
    message: object


class TimerMessage(NamedTuple):
    """A message of a timer to a pid; never bounded (MB-09)."""

    sender: str
    to: str
    message: object


class Link(NamedTuple):
    """`sender` links itself to `to` (§21.2)."""

    sender: str
    to: str


class UnlinkId(NamedTuple):
    """`sender` unlinked; `to`'s shard answers `UnlinkAck` with the same id."""

    sender: str
    to: str
    unlink_id: int


class UnlinkAck(NamedTuple):
    """The unlink with this id has taken effect at `sender`."""

    sender: str
    to: str
    unlink_id: int


class Exit(NamedTuple):
    """The exit signal of a link: `sender` died with `reason`."""

    sender: str
    to: str
    reason: object


class Exit2(NamedTuple):
    """The exit signal of ``exit(to, reason)``; not the same as `Exit` (EX-01)."""

    sender: str
    to: str
    reason: object


class Monitor(NamedTuple):
    """`sender` watches `to`; the watcher's shard already holds the record."""

    sender: str
    to: str
    ref: str


class Demonitor(NamedTuple):
    """Fire and forget: the watcher's record is gone already (§21.3)."""

    sender: str
    to: str
    ref: str


class Down(NamedTuple):
    """`sender` died; what the watcher is shown is in the watcher's own record."""

    sender: str
    to: str
    ref: str
    reason: object


class SpawnRequest(NamedTuple):
    """Make a process over there, with link, monitor and name installed before its first step (§21.4).

    `call` holds the encoded function, arguments and carried context; `ref` is the
    monitor's ref where `monitor` is set, and the request's name in any case.
    """

    sender: str
    ref: str
    call: bytes
    link: bool
    monitor: bool
    trap_exits: bool
    mailbox: bool
    mailbox_limit: int | None
    name: str | None
    label: str | None
    spread: bool
    ancestors: list[str]


class SpawnReply(NamedTuple):
    """`pid`, or the encoded error that the spawner raises."""

    sender: str
    ref: str
    pid: str | None
    error: bytes | None


class Ask(NamedTuple):
    """A question to the shard of `to`: ``'info'``, ``'cancel_timer'`` or ``'read_timer'``."""

    sender: str
    to: str
    ref: str
    question: str
    about: list[str]


class Answer(NamedTuple):
    """The answer to `Ask` number `ref`."""

    sender: str
    to: str
    ref: str
    value: object


class Probe(NamedTuple):
    """`sender`'s send `ref` waits for room, and so, along a chain, for `to`: does the chain come back? (MB-08)."""

    sender: str
    to: str
    ref: str


class Credit(NamedTuple):
    """`n` more messages to `pid` may leave the receiving shard; 0: `pid` is dead (MB-02, MB-05)."""

    pid: str
    n: int


class Nack(NamedTuple):
    """A message or reason from your shard could not be decoded here and was dropped (SD-07)."""

    to: str
    why: str


Signal = (
    Message
    | AliasMessage
    | TimerMessage
    | Link
    | UnlinkId
    | UnlinkAck
    | Exit
    | Exit2
    | Monitor
    | Demonitor
    | Down
    | Probe
    | Ask
    | Answer
)
"""From one process to another, or to an alias."""

ShardSignal = SpawnRequest | SpawnReply | Credit | Nack
"""From one shard to another."""

Call = tuple[Callable[..., object], tuple[object, ...], dict[str, object], dict[str, object]]
"""What a spawn runs: the function, its arguments by place and by name, and what is carried to it."""

LOST = object()
"""In strict mode: what a message becomes that another shard could not have decoded."""
