"""The workers that live now, and the selector that watches them."""

from __future__ import annotations

import logging
import os
import select
import selectors
import time
from collections.abc import Callable, Iterator
from typing import Final

from otpnode.scheduler.channel import ControlChannel
from otpnode.scheduler.child import Child
from otpnode.scheduler.control import ToWorker

logger = logging.getLogger(__name__)

_REAP_LIMIT: Final = 10.0
"""Seconds a SIGKILLed worker may take to end; one that hangs in the kernel must not hang the supervisor too."""

Callback = Callable[[int], None]
"""Called with the ready events."""


class Crew:
    """Every worker that is not reaped, by ``(shard, incarnation)``.

    Attributes:
        selector: watches their channels and pidfds, and whatever the supervisor adds; each key's data is a `Callback`.
    """

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._children: dict[tuple[int, int], Child] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    def get(self, shard: int, incarnation: int) -> Child | None:
        """That worker, if it is not reaped."""
        return self._children.get((shard, incarnation))

    def by_pid(self, pid: int) -> Child | None:
        """The worker with that OS pid, if it is one of ours."""
        return next((child for child in self._children.values() if child.pid == pid), None)

    def channels(self) -> list[ControlChannel]:
        """The channels of all workers, those that boot too."""
        return [child.channel for child in self._children.values()]

    def broadcast(self, record: ToWorker) -> None:
        """Queue `record` to all workers, those that boot too."""
        for child in self._children.values():
            child.channel.send(record)

    def add(self, child: Child, on_channel: Callback, on_death: Callback) -> None:
        """Begin to watch `child`."""
        self._children[child.key] = child
        self.selector.register(child.channel, selectors.EVENT_READ, on_channel)
        self.selector.register(child.pidfd, selectors.EVENT_READ, on_death)

    def remove(self, child: Child) -> None:
        """Forget `child`, which is reaped, and close what belonged to it."""
        del self._children[child.key]
        self.stop_reading(child)
        self.selector.unregister(child.pidfd)
        child.close()

    def stop_reading(self, child: Child) -> None:
        """Watch the channel of `child` no more; its end was seen."""
        if child.channel.fileno() in self.selector.get_map():
            self.selector.unregister(child.channel)

    def settle(self) -> bool:
        """Watch for room where something waits; return whether something waits that `select` will not tell of.

        Where that is so it has just been tried again, so the caller may wait a while before the next call.
        """
        congested = False
        watched = self.selector.get_map()
        for child in self._children.values():
            channel = child.channel
            key = watched.get(channel.fileno())
            if key is None:
                continue
            if channel.congested:
                channel.pump()
                congested |= channel.congested
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.wants_write else 0)
            if key.events != events:
                self.selector.modify(channel, events, key.data)
        return congested

    def kill_all(self) -> None:
        """SIGKILL everybody who is left and reap them; no zombie stays behind."""
        for child in self:
            child.expected = True
            child.kill()
        deadline = time.monotonic() + _REAP_LIMIT
        for child in self:
            poller = select.poll()
            poller.register(child.pidfd, select.POLLIN)
            while not child.reap() and (left := deadline - time.monotonic()) > 0:
                poller.poll(left * 1000)
            if child.status is None:
                logger.error("shard %d (pid %d) does not end, though killed", child.shard, child.pid)
            self.remove(child)

    def reap_strangers(self) -> None:
        """As PID 1, collect the orphans that the kernel gave to us; a worker's status is kept for its own death."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self.by_pid(pid)
            if child is not None:
                child.status = os.waitstatus_to_exitcode(status)

    def close_in_child(self) -> None:
        """Close, in a worker just forked, everything of the others. Never `unregister`: the epoll set is shared."""
        self.selector.close()
        for child in self._children.values():
            child.close()
