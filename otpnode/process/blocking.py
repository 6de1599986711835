"""Sends that wait for room, and how a circle of them is broken (MB-08).

A full mailbox makes its sender wait; when the waiting senders form a circle nobody
would ever read. Inside a shard the chain is followed when a send is about to wait.
Between shards no one sees the whole chain, so a send that has waited for 10 ms sends
a probe along it: each shard passes the probe on as far as it knows, and a probe that
comes back to its sender proves a circle (Chandy and Misra's edge chasing). One
message is then admitted over the bound. Programs that run in a circle once run in it
again with the next message, so whoever had a circle broken a moment ago does not wait
the 10 ms: with them every message took that long, a flood of echoes seconds, and calls
to processes in the circle ran out of time, on shards only. A circle that has meanwhile
dissolved costs one slot; a probe lost to a dying shard costs nothing, because its death frees the
senders that waited there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from otpnode.signals import Probe

if TYPE_CHECKING:
    from otpnode.process.proc import Proc
    from otpnode.process.shard import Shard
    from otpnode.process.timers import Deadline

log = logging.getLogger(__name__)

PROBE_SECONDS = 0.010
MOMENT_SECONDS = 1.0
STUCK_SECONDS = 5.0
"""How long a send may wait before the log says who waits for whom."""


class Block:
    """One waiting send: ``with Block(...)`` around the wait.

    Args:
        shard: where the sender is.
        sender: the process that waits; None outside any.
        to: whose mailbox is full.
        overcommit: admits the message over the bound and ends the wait.
    """

    __slots__ = ("_alarm", "_overcommit", "_sender", "_shard", "ref", "to")

    def __init__(self, shard: Shard, sender: Proc | None, to: str, overcommit: Callable[[], None]) -> None:
        self._shard = shard
        self._sender = sender
        self._overcommit = overcommit
        self._alarm: Deadline | None = None
        self.to = to
        self.ref = shard.refs.make()

    def __enter__(self) -> Block:
        deadlines = self._shard.deadlines
        if self._sender is None:
            self._alarm = deadlines.after(STUCK_SECONDS, self._warn)
        else:
            self._sender.blocks = [*(self._sender.blocks or ()), self]
            circled = self._sender.circled_at
            at_once = circled is not None and deadlines.now() - circled < MOMENT_SECONDS
            self._alarm = deadlines.after(0.0 if at_once else PROBE_SECONDS, self._probe)
        return self

    def __exit__(self, *_: object) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._sender is not None and self._sender.blocks is not None:
            self._sender.blocks = [block for block in self._sender.blocks if block is not self] or None

    def overcommit(self) -> None:
        """Break the circle here."""
        if self._sender is not None:
            self._sender.circled_at = self._shard.deadlines.now()
        self._overcommit()

    def _probe(self) -> None:
        self._alarm = self._shard.deadlines.after(STUCK_SECONDS - PROBE_SECONDS, self._warn)
        if self._sender is not None:
            chase(self._shard, Probe(self._sender.pid, self.to, self.ref))

    def _warn(self) -> None:
        who = "a caller outside any process" if self._sender is None else self._sender.pid
        log.warning("%s has waited %.0f s for room in the mailbox of %s", who, STUCK_SECONDS, self.to)


def closes_a_circle(shard: Shard, sender: Proc, to: str) -> bool:
    """Tell whether a wait of `sender` for `to` would close a circle inside this shard."""
    return _follow(shard, sender.pid, to, lambda _: None)


def chase(shard: Shard, probe: Probe) -> None:
    """Take a probe as far as this shard knows, and pass it on to others."""
    if not _follow(shard, probe.sender, probe.to, lambda pid: shard.router.post(probe._replace(to=pid))):
        return
    initiator = shard.table.live.get(probe.sender)
    for block in (initiator.blocks if initiator is not None else None) or ():
        if block.ref == probe.ref:
            block.overcommit()
            return


def _follow(shard: Shard, initiator: str, start: str, leaves: Callable[[str], None]) -> bool:
    """Walk who waits for whom from `start`; True when it leads to `initiator`."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        pid = ahead.pop()
        if pid in seen:
            continue
        seen.add(pid)
        if shard.router.elsewhere(pid) is not None:
            # The initiator too: only its own shard can admit its message.
            leaves(pid)
            continue
        if pid == initiator:
            return True
        proc = shard.table.live.get(pid)
        ahead += [block.to for block in (proc.blocks if proc is not None else None) or ()]
    return False
