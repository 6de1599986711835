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


class BootFailed(_Record, tag="boot_failed"):
    """The worker cannot start the program; `code` is the exit code of DESIGN §1 (2 usage, 3 boot failure)."""

    code: int
    text: str


class Ready(_Record, tag="ready"):
    """The app is imported, the loop runs and every seat given so far is taken."""


class SeatsTaken(_Record, tag="seats_taken"):
    """`count` more passed descriptors have been read out of the channel (pacing)."""

    count: int


class NameRegister(_Record, tag="register"):
    """Give `name` to the live process `pid`. Answered."""

    req: int
    name: str
    pid: str


class NameUnregister(_Record, tag="unregister"):
    """Take `name` away from whoever has it. Answered."""

    req: int
    name: str


class NameReserve(_Record, tag="reserve"):
    """Keep `name` for a process this shard is about to make. Answered; not published."""

    req: int
    name: str


class NameCommit(_Record, tag="commit"):
    """The process for the reserved `name` lives as `pid`. Published, then answered."""

    req: int
    name: str
    pid: str


class NameRelease(_Record, tag="release"):
    """The spawn that reserved `name` failed. Not answered."""

    name: str


class NamesGone(_Record, tag="names_gone"):
    """The process `pid` died: take its name away. Published, then answered."""

    req: int
    pid: str


class MainEnded(_Record, tag="main_ended"):
    """A part of main's end: the exit `code`, and the outcome encoded by the worker for the caller of `run`."""

    code: int
    last: bool
    chunk: bytes


class StopNode(_Record, tag="stop_node"):
    """`otpnode.stop(code)` was called."""

    code: int


class LinkCorrupt(_Record, tag="link_corrupt"):
    """The stream from that shard broke its format: its writer must die (SH-11)."""

    shard: int
    incarnation: int
    why: str


class Drained(_Record, tag="drained"):
    """After `Stop`: no user process is left on this shard."""


# -- supervisor → worker ------------------------------------------------------


class Seat(_Record, tag="seat"):
    """One end of a mesh pair, with exactly one descriptor.

    ``read``: frames from that shard arrive on it. ``write``: frames to it leave by it.
    """

    shard: int
    incarnation: int
    role: Literal["read", "write"]


class Seated(_Record, tag="seated"):
    """Every pair with the shards up at this incarnation's start has been passed."""


class Names(_Record, tag="names"):
    """Changes to the name table, in order; after them the replica is at `version`."""

    version: int
    changes: list[tuple[str, str | None]]


class NameTable(_Record, tag="name_table"):
    """A part of the whole table (a snapshot for a shard that fell behind or has just begun)."""

    version: int
    first: bool
    names: dict[str, str]


class NameReply(_Record, tag="name_reply"):
    """Answer to request `req`: ``''`` for done, else why not."""

    req: int
    error: Literal["", "taken", "named", "not_found", "unknown_name"]


class ShardDown(_Record, tag="shard_down"):
    """That incarnation is reaped; `status` as ``Popen.returncode``."""

    shard: int
    incarnation: int
    status: int


class ShardUp(_Record, tag="shard_up"):
    """That incarnation is ready and may be given work."""

    shard: int
    incarnation: int


class Start(_Record, tag="start"):
    """To shard 0, once: every shard is ready, run main."""


class Stop(_Record, tag="stop"):
    """Orderly stop: end every user process within `grace` seconds, then answer `Drained`."""

    grace: float


class Leave(_Record, tag="leave"):
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
    | Drained
)
ToWorker = Seat | Seated | Names | NameTable | NameReply | ShardDown | ShardUp | Start | Stop | Leave
