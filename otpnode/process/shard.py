"""The world of one shard: an object, so that two can live in one test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Protocol

from otpnode.clock import Clock, MonotonicClock
from otpnode.config import NodeConfig
from otpnode.errors import ProcessNotFoundError
from otpnode.pid import SYSTEM_SERIAL, Pid, make_pid
from otpnode.process import info
from otpnode.process.current import HOSTS
from otpnode.process.deaths import Deaths
from otpnode.process.mailbox import UNBOUNDED, Mailbox
from otpnode.process.proc import Proc
from otpnode.process.reception import Reception
from otpnode.process.registry import LocalNames, Names
from otpnode.process.routing import Router, Way
from otpnode.process.runqueue import RunQueue
from otpnode.process.serials import LocalSerials, Serials
from otpnode.process.spawning import Birth, make
from otpnode.process.table import Table
from otpnode.process.timers import Deadlines, Timer
from otpnode.process.watchdog import Watchdog
from otpnode.ref import RefMaker
from otpnode.signals import Call, Signal


class Copier(Protocol):
    """Strict mode: gives to processes of this shard what those of another would get; `otpnode.transport.strict`."""

    def message(self, message: object) -> object:
        """Copy a user message."""
        ...

    def signal(self, signal: Signal) -> Signal | None:
        """Copy any other signal; None when it would be dropped."""
        ...

    def call(self, call: Call) -> Call:
        """Copy what a spawn runs."""
        ...


class Shard:
    """One scheduler's processes and everything they share.

    Args:
        loop: the event loop all of it runs on.
        config: the node's settings.
        number: which shard this is.
        incarnation: how often it has been started.
        clock: where time comes from.
        serials: hands out process serials; the board's, where there is one.
        copier: strict mode's, where it is on.
    """

    __slots__ = (
        "__weakref__",
        "_death_watchers",
        "_watchdog",
        "accepting",
        "aliases",
        "births",
        "config",
        "copier",
        "deadlines",
        "deaths",
        "default_bound",
        "ended",
        "everyones_death",
        "graveyard",
        "hidden",
        "incarnation",
        "loop",
        "mailboxes",
        "make_watchdog",
        "names",
        "number",
        "pid_prefix",
        "placed_by_spread",
        "placer",
        "questions",
        "queue",
        "ready",
        "reception",
        "refs",
        "request_stop",
        "router",
        "running",
        "serials",
        "spawned",
        "spread_changed",
        "subscribers",
        "system_pid",
        "table",
        "thread",
        "timers",
        "ways",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: NodeConfig,
        *,
        number: int = 0,
        incarnation: int = 1,
        clock: Clock | None = None,
        serials: Serials | None = None,
        copier: Copier | None = None,
    ) -> None:
        self.loop = loop
        self.config = config
        self.number = number
        self.incarnation = incarnation
        self.thread = get_ident()
        self.running: Proc | None = None
        self.system_pid = make_pid(config.name, number, incarnation, SYSTEM_SERIAL)
        self.pid_prefix = self.system_pid.removesuffix(str(SYSTEM_SERIAL))
        self.deadlines = Deadlines(loop, clock or MonotonicClock())
        self.table = Table(shortcut=not config.copy_messages)
        self.mailboxes = self.table.mailboxes
        self.aliases = self.table.aliases
        self.ways: dict[str, Way] = {}
        """Pids of other shards → how to send there if nothing has to be waited for."""
        self.serials: Serials = serials or LocalSerials(config.max_processes)
        self.refs = RefMaker(config.name, number, incarnation)
        self.queue = RunQueue(self)
        self.ready = self.queue.ready
        self.deaths = Deaths(self)
        self.reception = Reception(self)
        self.copier = copier
        self.default_bound = UNBOUNDED if config.mailbox_limit is None else config.mailbox_limit
        accept = self.reception.accept if copier is None else partial(_accept_copy, copier, self.reception.accept)
        self.router = Router(config.name, number, incarnation, accept)
        self.names: Names = LocalNames(self.is_alive)
        self.spread_changed: Callable[[int], None] | None = None
        self.placer: Callable[[Birth], int] | None = None
        self.request_stop: Callable[[int], None] = _nobody_to_stop
        self.accepting = True
        self.make_watchdog: Callable[[], Watchdog] = partial(Watchdog, self)
        self._watchdog: Watchdog | None = None
        self._begin_empty()
        # A node that was never left, and whose loop is closed, would be found here before this one for ever.
        HOSTS[self.thread] = [shard for shard in HOSTS.get(self.thread, ()) if not shard.loop.is_closed()] + [self]

    def _begin_empty(self) -> None:
        """Have no processes, and nothing that is kept for one."""
        self.timers: dict[str, Timer] = {}
        self.questions: dict[str, tuple[str, asyncio.Future[object]]] = {}
        self.subscribers: set[str] = set()
        self.hidden: set[str] = set()
        """Pids of otpnode's own processes, which `processes()` and `registered()` leave out."""
        self.placed_by_spread = 0
        self.spawned = 0
        self.ended = 0
        self.births: set[asyncio.Task[Proc]] = set()
        """Births that wait for their name, whoever asked for them."""
        self.everyones_death: list[Callable[[Proc], None]] = []
        self._death_watchers: dict[str, Callable[[Proc], None]] = {}
        self.graveyard = Mailbox(Proc(self, self.system_pid, SYSTEM_SERIAL, deaf=True), 0)
        """The mailbox of all the dead: it keeps nothing."""

    @property
    def watchdog(self) -> Watchdog:
        """The thread that ends processes which hold the loop; made when it is first needed."""
        if self._watchdog is None:
            self._watchdog = self.make_watchdog()
            self._watchdog.start()
        return self._watchdog

    @property
    def default_limit(self) -> int | None:
        """The mailbox limit of processes that ask for none of their own."""
        return self.config.mailbox_limit

    def new_pid(self) -> tuple[Pid, int]:
        """Claim a serial and spell its pid."""
        serial = self.serials.claim()
        self.spawned += 1
        return Pid(f"{self.pid_prefix}{serial}"), serial

    def make(self, birth: Birth) -> Proc:
        """Make a process that cannot run yet; see `otpnode.process.spawning`."""
        return make(self, birth)

    def schedulers(self) -> int:
        """Return the number of shards the node runs."""
        return 1 if self.router.outbound is None else self.router.outbound.schedulers()

    def place(self, wanted: int | str, birth: Birth) -> int:
        """Return the number of the shard that shall run `birth` (SEMANTICS C9)."""
        if isinstance(wanted, int):
            return wanted
        return self.number if self.placer is None or wanted == "local" else self.placer(birth)

    def strict(self, birth: Birth) -> None:
        """In strict mode, let a child get copies of what can travel, as another shard's would."""
        if self.copier is not None:
            call = self.copier.call((birth.func, birth.args, birth.kwargs, birth.carried))
            birth.func, birth.args, birth.kwargs, birth.carried = call

    def count_spread(self, change: int) -> None:
        """Count the live processes that were placed by spread, for placement elsewhere."""
        self.placed_by_spread += change
        if self.spread_changed is not None:
            self.spread_changed(self.placed_by_spread)

    def not_alive(self, pid: str) -> ProcessNotFoundError:
        """Make the error for a dead pid."""
        return ProcessNotFoundError(f"{pid} is not alive")

    def is_alive(self, pid: str) -> bool:
        """Tell whether `pid` is alive, on any shard (PI-02)."""
        return pid in self.table.live or (self.router.outbound is not None and self.router.is_alive(pid, {}))

    def answer(self, question: str, about: list[str]) -> object:
        """Answer another shard's `Ask` about something that lives here."""
        if question == "info":
            return info.snapshot(self, about[0], about[1:])
        timer = self.timers.get(about[0])
        if timer is None:
            return False if question == "cancel_timer" else None
        if question == "cancel_timer":
            del self.timers[about[0]]
            return timer.stop(about[0])
        return max(0.0, timer.deadline.when - self.deadlines.now())

    def watch_death(self, pid: str, then: Callable[[Proc], None]) -> None:
        """Call `then` once `pid` has told everybody of its death."""
        self._death_watchers[pid] = then

    def on_death(self, proc: Proc) -> None:
        """Everybody has been told of the death of `proc`."""
        if self.everyones_death:
            for look in tuple(self.everyones_death):
                look(proc)
        pid = proc.pid
        if self.subscribers:
            self.subscribers.discard(pid)
        if self.hidden:
            self.hidden.discard(pid)
        if pid in self._death_watchers:
            self._death_watchers.pop(pid)(proc)

    def close(self) -> None:
        """Leave the loop: timers dropped, waiting questions cancelled, the shard found by nobody."""
        self.deadlines.close()
        if self._watchdog is not None:
            self._watchdog.stop()
        for _, waiter in self.questions.values():
            waiter.cancel()
        for birth in self.births:
            birth.cancel()
        hosts = HOSTS.get(self.thread, [])
        if self in hosts:
            hosts.remove(self)
        if not hosts:
            HOSTS.pop(self.thread, None)


def _accept_copy(copier: Copier, accept: Callable[[Signal], None], signal: Signal) -> None:
    copy = copier.signal(signal)
    if copy is not None:
        accept(copy)


def _nobody_to_stop(code: int) -> None:
    raise RuntimeError("this shard is part of no node that could be stopped")
