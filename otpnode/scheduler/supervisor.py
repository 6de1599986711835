"""The supervisor: forks the workers, watches them, seats the mesh, keeps the names, stops the node.

It imports no user code, starts no thread and runs no event loop, because it forks for as long as it lives: a child of a
threaded parent inherits locks that nobody will release, and one of a loop inherits its poller. And it blocks on nothing
but its selector: a worker that computes, or is stopped, delays nobody.

One turn: read what workers and signals say; publish and answer names; bury the dead; seat; look at the deadline. The
dead come after the words, since a worker that failed to boot says why and then dies. The order at a death is the one of
SEMANTICS §21.6, and each step of it is seen by all: board, names, `ShardDown`, then the new incarnation.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Final

from otpnode.config import NodeConfig
from otpnode.scheduler.board import Board, NodeState
from otpnode.scheduler.child import Child, Entry, fork_worker, to_stderr
from otpnode.scheduler.control import (
    BootFailed,
    Drained,
    FromWorker,
    Leave,
    LinkCorrupt,
    MainEnded,
    Ready,
    SeatsTaken,
    ShardDown,
    ShardSilent,
    ShardUp,
    Start,
    Stop,
    StopNode,
)
from otpnode.scheduler.crew import Crew
from otpnode.scheduler.nameservice import NameService
from otpnode.scheduler.os_signals import SignalInbox
from otpnode.scheduler.restarts import RestartLimit, ending
from otpnode.scheduler.seating import Seating
from otpnode.scheduler.stopping import DRAIN_SLACK, FIRST, LEAVE_TIME, SECOND, TREES_SHARE, CallerPipe, Ending, Phase

logger = logging.getLogger(__name__)

MAIN_SHARD: Final = 0
BOOT_FAILURE: Final = 3
CRASH_LOOP: Final = 4
_RETRY: Final = 0.02
"""Seconds until what the kernel had no room for is tried again."""


class Supervisor:
    """One node with ``config.schedulers`` workers.

    Args:
        entry: what a worker runs; its return value is the worker's exit status.
        announce: takes the ready line.
        caller: the process that waits for main's outcome, if there is one; then INT comes through it, and one from the
            terminal, which hits the whole process group, is ignored.
    """

    def __init__(
        self, config: NodeConfig, entry: Entry, *, announce: Callable[[str], None], caller: CallerPipe | None = None
    ) -> None:
        self._config = config
        self._entry = entry
        self._announce = announce
        self._caller = caller
        self._board = Board.create(config.max_schedulers, config.max_processes)
        self._crew = Crew()
        self._names = NameService(self._board, config.name, self._crew.channels)
        self._seating = Seating()
        self._restarts = RestartLimit(config.max_restarts, config.max_seconds)
        self._ending = Ending()
        self._dead: list[Child] = []
        self._is_init = os.getpid() == 1
        recorded = {signal.SIGTERM} | ({signal.SIGCHLD} if self._is_init else set())
        if caller is None:
            self._signals = SignalInbox(recorded | {signal.SIGINT})
        else:
            self._signals = SignalInbox(recorded, ignored={signal.SIGINT})

    def run(self) -> int:
        """Run the node to its end; return the exit code (DESIGN §1). In the main thread, once.

        Guarantees: on return, and on an exception, no worker lives and none is a zombie; the caller was told last.
        """
        started = time.monotonic()
        selector = self._crew.selector
        self._signals.open()
        selector.register(self._signals, EVENT_READ, self._on_signals)
        if self._caller is not None:
            selector.register(self._caller, EVENT_READ, self._on_caller)
        try:
            self._boot(started)
            while self._ending.phase is not Phase.OVER:
                self._turn(started)
        finally:
            self._crew.kill_all()
            selector.close()
            self._signals.close()
        if self._caller is not None:
            self._ending.tell(self._caller)
        return self._ending.code

    # -- the turn ---------------------------------------------------------------

    def _turn(self, started: float) -> None:
        for key, events in self._crew.selector.select(self._timeout()):
            key.data(events)
            if self._ending.phase is Phase.OVER:
                return
        self._names.flush()
        dead, self._dead = self._dead, []
        for child in dead:
            self._bury(child)
        self._seat(started)
        self._look_at_deadline()

    def _timeout(self) -> float | None:
        waits = [_RETRY] if self._crew.settle() or self._seating.starved else []
        if self._ending.deadline is not None:
            waits.append(max(0.0, self._ending.deadline - time.monotonic()))
        return min(waits, default=None)

    def _on_channel(self, child: Child, events: int) -> None:
        if events & EVENT_WRITE:
            child.channel.pump()
        if events & EVENT_READ:
            for record in child.channel.receive():
                self._handle(child, record)
        if child.channel.at_eof:
            # The loss of the channel is made a death, so that there is one kind of loss only.
            self._crew.stop_reading(child)
            child.kill()

    def _on_death(self, child: Child, events: int) -> None:
        if child not in self._dead:
            self._dead.append(child)

    def _on_signals(self, events: int) -> None:
        for signum in self._signals.take():
            if signum == signal.SIGCHLD:
                self._crew.reap_strangers()
            else:
                self._on_signal(signum)

    def _on_caller(self, events: int) -> None:
        if self._caller is None:
            return
        for signum in self._caller.receive():
            self._on_signal(signum)
        if self._caller.at_eof:
            self._end_now(1, "the caller is gone")

    def _on_signal(self, signum: int) -> None:
        kind = signal.Signals(signum)
        if kind not in FIRST:
            return
        if self._ending.is_second(kind):
            self._end_now(SECOND[kind], self._ending.cause)
        else:
            self._stop(FIRST[kind], None)

    # -- what workers say -------------------------------------------------------

    def _handle(self, child: Child, record: FromWorker) -> None:
        match record:
            case SeatsTaken(count):
                child.channel.taken(count)
            case Ready():
                child.ready = True
            case BootFailed(code, text):
                self._on_boot_failed(child, code, text)
            case MainEnded(code, last, chunk):
                self._on_main_ended(child, code, last, chunk)
            case StopNode(code):
                self._stop(code, None)
            case LinkCorrupt(shard, incarnation, why):
                self._on_link_corrupt(child, shard, incarnation, why)
            case ShardSilent(shard, incarnation, pid):
                self._on_shard_silent(shard, incarnation, pid)
            case Drained():
                child.drained = True
            case _:
                self._names.request(child.key, child.channel, record)

    def _on_boot_failed(self, child: Child, code: int, text: str) -> None:
        child.drained = True
        if self._ending.phase is Phase.BOOTING:
            if self._caller is None:
                to_stderr(text)
            self._end_now(code, f"boot failure: {text.strip()}")
        elif not self._ending.stopping:
            to_stderr(f"otpnode: shard {child.shard} cannot be restarted\n{text}")

    def _on_main_ended(self, child: Child, code: int, last: bool, chunk: bytes) -> None:
        # Of a main that ends when the node stops already nobody is told: it is not what ended the node.
        if child.shard == MAIN_SHARD and not self._ending.stopping:
            self._ending.add_outcome(chunk, last)
            if last:
                self._stop(code, None)

    def _on_link_corrupt(self, child: Child, shard: int, incarnation: int, why: str) -> None:
        culprit = self._crew.get(shard, incarnation)
        if culprit is not None:
            logger.error("shard %d broke the format of its stream to shard %d: %s", shard, child.shard, why)
            culprit.kill()

    def _on_shard_silent(self, shard: int, incarnation: int, pid: str) -> None:
        culprit = self._crew.get(shard, incarnation)
        if culprit is None:
            return
        what = f"{pid} is to be killed and shard {shard} gives no sign: C code keeps the GIL there, or it is stopped"
        if self._config.kill_blocked == "shard":
            logger.error("%s; the shard ends (kill_blocked)", what)
            culprit.kill()
        else:
            logger.warning("%s; waiting for it (--kill-blocked=shard would end the shard instead)", what)

    # -- boot, seats, restarts --------------------------------------------------

    def _boot(self, started: float) -> None:
        for shard in range(self._config.schedulers):
            try:
                self._hire(shard, 1)
            except OSError as error:
                text = f"otpnode: cannot fork shard {shard}: {error}"
                to_stderr(text)
                self._end_now(BOOT_FAILURE, f"boot failure: {text}")
                return
        self._seat(started)

    def _hire(self, shard: int, incarnation: int) -> None:
        child = fork_worker(self._entry, self._board, self._config, shard, incarnation, self._close_in_child)
        self._crew.add(child, partial(self._on_channel, child), partial(self._on_death, child))
        self._names.welcome(child.channel)
        self._seating.join(child.key, child.channel)

    def _close_in_child(self) -> None:
        self._signals.reset_in_child()
        self._crew.close_in_child()
        if self._caller is not None:
            self._caller.close()

    def _seat(self, started: float) -> None:
        for shard, incarnation in self._seating.pump():
            child = self._crew.get(shard, incarnation)
            if child is not None:
                child.seated = True
        news = [child for child in self._crew if child.ready and child.seated and not child.up]
        if self._ending.phase is Phase.RUNNING:
            for child in news:
                self._announce_up(child)
        elif self._ending.phase is Phase.BOOTING and len(news) == len(self._crew):
            self._open(news, started)

    def _open(self, children: list[Child], started: float) -> None:
        self._ending.enter(Phase.RUNNING)
        self._board.node_state = NodeState.RUNNING
        for child in children:
            self._announce_up(child)
        shards = f"{len(children)} shard{'s' if len(children) > 1 else ''}"
        took = round((time.monotonic() - started) * 1000)
        self._announce(f"otpnode: {shards} ready in {took} ms (supervisor pid {os.getpid()}, node {self._config.name})")
        first = self._crew.get(MAIN_SHARD, 1)
        if first is not None:
            first.channel.send(Start())

    def _announce_up(self, child: Child) -> None:
        """Tell everybody who is up of `child`, and `child` of everybody and itself: each hears of each once."""
        self._board.seat(*child.key).mark_up()
        child.up = True
        for other in self._crew:
            if other.up:
                other.channel.send(ShardUp(*child.key))
                if other is not child:
                    child.channel.send(ShardUp(*other.key))

    # -- deaths -----------------------------------------------------------------

    def _bury(self, child: Child) -> None:
        if not child.reap() or child.status is None:
            return
        while records := child.channel.receive():
            for record in records:
                self._handle(child, record)
        if self._ending.phase is Phase.OVER:
            return
        self._board.seat(*child.key).mark_dead()
        self._crew.remove(child)
        self._seating.leave(child.key)
        self._names.shard_down(*child.key)
        if self._ending.phase is Phase.LEAVING:
            return
        self._crew.broadcast(ShardDown(*child.key, child.status))
        if not self._ending.stopping and not child.expected:
            self._replace(child, child.status)

    def _replace(self, child: Child, status: int) -> None:
        what = f"shard {child.shard} {ending(status)}"
        if self._ending.phase is Phase.BOOTING:
            to_stderr(f"otpnode: {what} while booting")
            self._end_now(BOOT_FAILURE, f"boot failure: {what} while booting")
        elif child.shard == MAIN_SHARD:
            text = f"main's shard was lost: {what}"
            to_stderr(f"otpnode: {text}; the node stops")
            self._stop(1, text)
        elif not self._crash_loop(what):
            self._restart(child, what)

    def _crash_loop(self, what: str) -> bool:
        if not self._restarts.exceeded_by(time.monotonic()):
            return False
        text = f"crash loop: more than {self._restarts.most} deaths within {self._restarts.seconds:g} s, last: {what}"
        to_stderr(f"otpnode: {text}; the node stops")
        self._stop(CRASH_LOOP, text)
        return True

    def _restart(self, child: Child, what: str) -> None:
        incarnation = self._board.next_incarnation(child.shard, child.incarnation)
        logger.warning("%s; it restarts as incarnation %d", what, incarnation)
        while True:
            try:
                self._hire(child.shard, incarnation)
            except OSError as error:
                # Every failed fork counts as a death, so this ends: with a worker or as a crash loop.
                if self._crash_loop(f"cannot fork shard {child.shard}: {error}"):
                    return
            else:
                return

    # -- the end ----------------------------------------------------------------

    def _stop(self, code: int, cause: str | None) -> None:
        """Begin the orderly stop, unless one is under way; while booting there is nothing to keep in order."""
        if self._ending.stopping:
            return
        if self._ending.phase is Phase.BOOTING:
            self._end_now(code, cause)
            return
        self._ending.decide(code, cause)
        self._board.node_state = NodeState.STOPPING
        grace = self._config.stop_grace
        self._ending.enter(Phase.DRAINING, time.monotonic() + grace + DRAIN_SLACK)
        for child in self._crew:
            if child.up:
                child.channel.send(Stop(grace * TREES_SHARE, everybody=False))
            else:
                child.expected = True
                child.kill()

    def _end_now(self, code: int, cause: str | None) -> None:
        """Leave everything to `kill_all`."""
        self._ending.decide(code, cause)
        self._ending.enter(Phase.OVER)

    def _look_at_deadline(self) -> None:
        phase, deadline = self._ending.phase, self._ending.deadline
        late = deadline is not None and time.monotonic() >= deadline
        drained = all(child.drained for child in self._crew if child.up)
        if phase is Phase.DRAINING and drained and not late and not self._ending.everybody:
            self._ending.everybody = True
            for child in self._crew:
                child.drained = False
                child.channel.send(Stop(self._config.stop_grace * (1 - TREES_SHARE), everybody=True))
        elif phase is Phase.DRAINING and (late or drained):
            for child in self._crew:
                if late and child.up and not child.drained:
                    logger.warning("shard %d is not drained in time", child.shard)
                child.expected = True
                child.channel.send(Leave())
            self._ending.enter(Phase.LEAVING, time.monotonic() + LEAVE_TIME)
            late = False
        if self._ending.phase is Phase.LEAVING and (late or not len(self._crew)):
            self._ending.enter(Phase.OVER)
