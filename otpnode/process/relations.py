"""Links, monitors and aliases: the records each side keeps.

Between shards links follow OTP's link protocol (SEMANTICS §21.2), which has ids
because LINK and UNLINK of the two sides cross: a plain UNLINK leaves the ends in
disagreement. The five transitions of `LinkTable` are pure over one table, so that
they can be explored exhaustively. Inside a shard a link is two active records
made and dropped in the same instant; no ids are needed.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

AliasMode = Literal["explicit_unalias", "demonitor", "reply_demonitor", "reply"]


class LinkRecord:
    """One side's view of a link: active, or waiting for the ack of an unlink."""

    __slots__ = ("active", "unlink_id")

    def __init__(self) -> None:
        self.active = True
        self.unlink_id = 0


class LinkTable:
    """The links of one process, by the pid at the other end."""

    __slots__ = ("_last_id", "records")

    def __init__(self) -> None:
        self.records: dict[str, LinkRecord] = {}
        self._last_id = 0

    def active(self) -> list[str]:
        """Return the pids linked now, in the order they were linked."""
        return [pid for pid, record in self.records.items() if record.active]

    def link(self, pid: str) -> bool:
        """Link to `pid`; True when a LINK must be sent (only if not active already)."""
        record = self.records.get(pid)
        if record is None:
            self.records[pid] = LinkRecord()
            return True
        if record.active:
            return False
        record.active = True
        record.unlink_id = 0
        return True

    def linked(self, pid: str) -> None:
        """Take a LINK from `pid`; ignored when a record exists, even an inactive one."""
        if pid not in self.records:
            self.records[pid] = LinkRecord()

    def unlink(self, pid: str) -> int:
        """Unlink from `pid`; the id for UNLINK_ID, or 0 when nothing must be sent."""
        record = self.records.get(pid)
        if record is None or not record.active:
            return 0
        self._last_id += 1
        record.active = False
        record.unlink_id = self._last_id
        return self._last_id

    def unlinked(self, pid: str) -> None:
        """Take an UNLINK_ID from `pid`; the caller sends the ack in any case."""
        record = self.records.get(pid)
        if record is not None and record.active:
            del self.records[pid]

    def acked(self, pid: str, unlink_id: int) -> None:
        """Take an UNLINK_ACK: it ends the record only if it answers the last unlink."""
        record = self.records.get(pid)
        if record is not None and not record.active and record.unlink_id == unlink_id:
            del self.records[pid]

    def exited(self, pid: str) -> bool:
        """Take the end of `pid`; True when the link was active, so that the signal acts."""
        record = self.records.pop(pid, None)
        return record is not None and record.active

    def drop(self, pid: str) -> None:
        """Forget the link at once: for two ends on one shard."""
        self.records.pop(pid, None)


class MonitorRecord(Struct):
    """The watcher's side of one monitor."""

    target: str
    shown: object
    tag: object
    alias: AliasMode | None


class Asker(Protocol):
    """The shard of a process that has made a request of one of this shard."""

    def reply(self, sender: str, ref: str, message: object) -> bool:
        """Answer by `ref`, and with it end the monitor of the request; False if it takes both, one after the other."""
        ...
