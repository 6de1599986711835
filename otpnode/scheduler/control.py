"""What supervisor and worker say to each other, one record at a time.

The control channel is an ``AF_UNIX`` ``SOCK_SEQPACKET`` pair: a record is a whole
message, and file descriptors travel with the record that speaks of them. Every
message is a tagged msgspec array; encoder and decoder are made once.
"""

from __future__ import annotations

from typing import Literal

import msgspec

MAX_RECORD = 1 << 16
"""Longest control record in bytes; longer answers travel in parts."""


class _Record(msgspec.Struct, frozen=True, array_like=True):
    pass


# -- worker → supervisor ------------------------------------------------------


class BootFailed(_Record, frozen=True, tag="boot_failed"):
    """The worker cannot start the program; `code` is the exit code of DESIGN §1 (2 usage, 3 boot failure)."""

    code: int
    text: str


class Ready(_Record, frozen=True, tag="ready"):
    """The app is imported, the loop runs and every seat up to `Seated` is taken."""


class SeatsTaken(_Record, frozen=True, tag="seats_taken"):
    """`count` more passed descriptors have been read out of the channel (pacing)."""

    count: int


class NameRegister(_Record, frozen=True, tag="register"):
    """Give `name` to the live process `pid`. Answered."""

    req: int
    name: str
    pid: str


class NameUnregister(_Record, frozen=True, tag="unregister"):
    """Take `name` away from whoever has it. Answered."""

    req: int
    name: str


class NameReserve(_Record, frozen=True, tag="reserve"):
    """Keep `name` for a process this shard is about to make. Answered; not published."""

    req: int
    name: str


class NameCommit(_Record, frozen=True, tag="commit"):
    """The process for the reserved `name` lives as `pid`. Published, then answered."""

    req: int
    name: str
    pid: str


class NameRelease(_Record, frozen=True, tag="release"):
    """The spawn that reserved `name` failed. Not answered."""

    name: str


class NamesGone(_Record, frozen=True, tag="names_gone"):
    """The process `pid` died: take its name away. Published, then answered."""

    req: int
    pid: str


class MainEnded(_Record, frozen=True, tag="main_ended"):
    """A part of main's end: the exit `code`, and the outcome encoded by the worker for the caller of `run`."""

    code: int
    last: bool
    chunk: bytes


class StopNode(_Record, frozen=True, tag="stop_node"):
    """`otpnode.stop(code)` was called."""

    code: int


class LinkCorrupt(_Record, frozen=True, tag="link_corrupt"):
    """The stream from that shard broke its format: its writer must die (SH-11)."""

    shard: int
    incarnation: int
    why: str


class ShardSilent(_Record, frozen=True, tag="shard_silent"):
    """`pid` is to be killed there, and not even the watchdog of that shard gets to run (FS-03)."""

    shard: int
    incarnation: int
    pid: str


class Drained(_Record, frozen=True, tag="drained"):
    """After `Stop`: no user process is left on this shard."""


# -- supervisor → worker ------------------------------------------------------


class Seat(_Record, frozen=True, tag="seat"):
    """One end of a mesh pair, with exactly one descriptor.

    ``read``: frames from that shard arrive on it. ``write``: frames to it leave by it.
    """

    shard: int
    incarnation: int
    role: Literal["read", "write"]


class Seated(_Record, frozen=True, tag="seated"):
    """Every pair with the shards up at this incarnation's start has been passed."""


class Names(_Record, frozen=True, tag="names"):
    """Changes to the name table, in order; after them the replica is at `version`."""

    version: int
    changes: list[tuple[str, str | None]]


class NameTable(_Record, frozen=True, tag="name_table"):
    """A part of the whole table (a snapshot for a shard that fell behind or has just begun).

    The parts come in a row. The replica shows none of them, nor their `version`, before the ``last``: a lookup
    between two parts would miss names that have been there all along.
    """

    version: int
    first: bool
    last: bool
    names: dict[str, str]


class NameReply(_Record, frozen=True, tag="name_reply"):
    """Answer to request `req`: ``''`` for done, else why not."""

    req: int
    error: Literal["", "taken", "named", "not_found", "unknown_name", "too_long"]


class ShardDown(_Record, frozen=True, tag="shard_down"):
    """That incarnation is reaped; `status` as ``Popen.returncode``."""

    shard: int
    incarnation: int
    status: int


class ShardUp(_Record, frozen=True, tag="shard_up"):
    """That incarnation is ready and may be given work. A shard is told of itself, too."""

    shard: int
    incarnation: int


class Start(_Record, frozen=True, tag="start"):
    """To shard 0, once: every shard is ready, run main."""


class Stop(_Record, frozen=True, tag="stop"):
    """Orderly stop, in two rounds: first main and the roots of its trees, then (`everybody`) the rest.

    Each round has `grace` seconds and is answered by `Drained`. Two rounds, because a tree's
    root stops children on other shards, in its own order (SH-12).
    """

    grace: float
    everybody: bool


class Leave(_Record, frozen=True, tag="leave"):
    """All shards are drained: flush the links and go."""


FromWorker = (
    BootFailed
    | Ready
    | SeatsTaken
    | NameRegister
    | NameUnregister
    | NameReserve
    | NameCommit
    | NameRelease
    | NamesGone
    | MainEnded
    | StopNode
    | LinkCorrupt
    | ShardSilent
    | Drained
)
ToWorker = Seat | Seated | Names | NameTable | NameReply | ShardDown | ShardUp | Start | Stop | Leave

_ENCODER = msgspec.msgpack.Encoder()
_FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)


def encode(record: FromWorker | ToWorker) -> bytes:
    """Spell one record.

    Raises:
        ValueError: it is longer than `MAX_RECORD`; what may be long has to be sent in parts.
    """
    data = _ENCODER.encode(record)
    if len(data) > MAX_RECORD:
        kind = type(record).__name__
        raise ValueError(f"a control record takes at most {MAX_RECORD} bytes, a {kind} of {len(data)} does not fit")
    return data


def decode_from_worker(data: bytes) -> FromWorker:
    """Read what a worker wrote.

    Raises:
        msgspec.DecodeError: these bytes are no such record.
    """
    return _FROM_WORKER.decode(data)


def decode_to_worker(data: bytes) -> ToWorker:
    """Read what the supervisor wrote.

    Raises:
        msgspec.DecodeError: these bytes are no such record.
    """
    return _TO_WORKER.decode(data)


def main_ended(code: int, outcome: bytes) -> list[MainEnded]:
    """Cut main's encoded `outcome` into records that fit; there is always a last one."""
    step = MAX_RECORD - 64
    cuts = range(0, max(len(outcome), 1), step)
    return [MainEnded(code, at + step >= len(outcome), outcome[at : at + step]) for at in cuts]


def boot_failed(code: int, text: str) -> BootFailed:
    """Make the record of a boot failure; of a text too long for one record the end is kept, where the error is."""
    room = MAX_RECORD - 64
    data = text.encode("utf-8", "backslashreplace")
    return BootFailed(code, data[-room:].decode("utf-8", "replace") if len(data) > room else data.decode())
