"""The life of a supervisor's process, whatever kind it is: what to do when a child ends.

`Overseer` is what the kinds share: it serves one message at a time, restarts within
the intensity, retries what does not start, and reports. Its two kinds are
`otpnode.behaviours.supervision.tree.Tree`, children in an order and under ids, and
`otpnode.behaviours.supervision.flock.Flock`, any number of equals found by their pids.

A supervisor may have ten thousand children, so nothing that happens when one of them
ends looks at the others: `by_pid` leads from an EXIT to its child.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import NoReturn, Protocol, cast

from otpnode import process
from otpnode.behaviours.common.callbacks import Ending, run_callback
from otpnode.behaviours.common.control import Ignore, Sender, Status, Stop
from otpnode.behaviours.common.crash import emit, report_crash, shown, warn
from otpnode.behaviours.common.starting import Birthplace, Cradle
from otpnode.behaviours.common.system import Terminate, serve_system
from otpnode.behaviours.common.wire import CALL, SYSTEM, exit_message, is_stop_order, kind_of
from otpnode.behaviours.supervision.children import Child
from otpnode.behaviours.supervision.intensity import Intensity, Watch
from otpnode.behaviours.supervision.requests import answer
from otpnode.behaviours.supervision.specs import ChildInfo
from otpnode.errors import ProcessExit, StartError
from otpnode.pid import Pid
from otpnode.reasons import SHUTDOWN, is_quiet, traceback_text

log = logging.getLogger("otpnode.supervisor")


class Plan(Protocol):
    """What the body asks of a supervisor class."""

    def init(self, *args: object, **kwargs: object) -> object:
        """Return the spec of its kind."""
        ...


class Over(Exception):
    """The supervisor is to end: its children are stopped and it exits with `reason`."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


class Place(Protocol):
    """Makes the overseer of a spec: ``make(spec, parent, behaviour)``; None when it is no spec of its kind."""

    def __call__(self, spec: object, parent: Pid | None, behaviour: str) -> Overseer | None:
        """Make it."""
        ...


async def oversee(
    make: Place, place: Birthplace, cls: type[Plan], args: list[object], kwargs: dict[str, object]
) -> NoReturn:
    """Be a supervisor of class `cls`, of the kind that `make` makes."""
    cradle = Cradle(place)
    await cradle.wait()
    spec = await run_callback(cls().init, *args, **kwargs)
    behaviour = f"{cls.__module__}.{cls.__qualname__}"
    if isinstance(spec, Ignore):
        await cradle.ignored()
    if isinstance(spec, (Ending, Stop)):
        await report_end(behaviour, spec.reason, spec.error if isinstance(spec, Ending) else None)
        await cradle.failed(spec.reason)
    overseer = make(spec, place.parent, behaviour)
    if overseer is None:
        reason = ("bad_return_value", spec)
        await report_end(behaviour, reason)
        await cradle.failed(reason)
    refusal = await overseer.start_all()
    if refusal is not None:
        await cradle.failed((SHUTDOWN, refusal))
    cradle.started()
    await overseer.run()


async def report_end(behaviour: str, reason: object, error: BaseException | None = None) -> None:
    """Log the end of this supervisor, unless it is an orderly one."""
    if not is_quiet(reason):
        me = cast(Pid, process.self())
        await report_crash(Status(me, behaviour, None, "terminating", reason), error)


class Overseer(ABC):
    """The children of one supervisor.

    Attributes:
        children: all of them, by what they are found by (`Child.key`), in the order of their starts.
        by_pid: those that run.
    """

    def __init__(self, intensity: Intensity, parent: Pid | None, behaviour: str) -> None:
        self.suspended = False
        self.children: dict[Hashable, Child] = {}
        self.by_pid: dict[Pid, Child] = {}
        self._intensity = intensity
        self._watch = Watch()
        self._parent = parent
        self._behaviour = behaviour
        self._me = cast(Pid, process.self())
        self._retries = process.make_ref()

    # -- what the kinds do in their own way -----------------------------------

    async def start_all(self) -> tuple[object, ...] | None:
        """Start the children of the spec; returns what to say when one refuses."""
        return None

    @abstractmethod
    async def stop_all(self) -> None:
        """Stop every child."""

    @abstractmethod
    async def serve(self, request: object) -> object:
        """Do what a request asks for; raises ChildError or StartError."""

    async def clear(self, child: Child) -> list[Child]:
        """Stop whom the strategy lets go with `child`; returns all that are to be started, in order."""
        return [child]

    def ended_for_good(self, child: Child) -> None:
        """Hear of a child that has ended and is not restarted; may raise `Over`."""
        return

    # -- starting and stopping ------------------------------------------------

    async def start(self, child: Child) -> None:
        """Start one child; a temporary one that says `IGNORE` is dropped (SV-06)."""
        try:
            await child.start()
        except StartError as error:
            await self._drop_exits_of_the_unborn()
            self.tell(child, "did not start", error.reason)
            raise
        if child.pid is not None:
            self.by_pid[child.pid] = child
            return
        await self._drop_exits_of_the_unborn()
        if child.spec.restart == "temporary":
            self.forget(child)

    async def stop(self, child: Child) -> None:
        """Stop one child."""
        pid = child.pid
        if pid is not None:
            self.by_pid.pop(pid, None)
        reason = await child.stop()
        if pid is not None:
            self.tell_how_it_stopped(child, pid, reason)

    def forget(self, child: Child) -> None:
        """Drop the spec of a child."""
        self.children.pop(child.key, None)

    async def _drop_exits_of_the_unborn(self) -> None:
        """Take out the EXITs of children that did not get past init: they are told by `StartError`."""

        def is_unborn(message: object) -> bool:
            found = exit_message(message)
            if found is None or found[0] in self.by_pid or is_stop_order(message, self._parent):
                return False
            return not process.is_alive(found[0])

        while True:
            try:
                await process.receive(0, is_unborn)
            except TimeoutError:
                return

    # -- serving --------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Look after the children until it is over."""
        try:
            while True:
                await self._turn()
        except Over as over:
            await self.stop_all()
            await report_end(self._behaviour, over.reason)
            raise ProcessExit(over.reason) from None

    async def _turn(self) -> None:
        message = await process.receive(match=self._is_urgent if self.suspended else None)
        kind = kind_of(message)
        if kind is CALL:
            _, sender, request, _ = cast("tuple[str, Sender, object, object]", message)
            await answer(sender, self.serve, request)
        elif kind is SYSTEM:
            _, sender, request = cast("tuple[str, Sender, object]", message)
            try:
                serve_system(self, sender, request)
            except Terminate as order:
                raise Over(order.reason) from None
        elif (found := exit_message(message)) is not None:
            await self._exited(message, *found)
        elif type(message) is tuple and len(message) == 3 and message[0] == self._retries:
            await self._retry(cast(Hashable, message[1]), message[2])
        else:
            warn(log, f"supervisor {self._me} got an unexpected message: {shown(message, 500)}")

    def _is_urgent(self, message: object) -> bool:
        return kind_of(message) is SYSTEM or is_stop_order(message, self._parent)

    async def _exited(self, message: object, pid: Pid, reason: object) -> None:
        if is_stop_order(message, self._parent):
            raise Over(reason)
        child = self.by_pid.pop(pid, None)
        if child is None:
            warn(log, f"supervisor {self._me} got an exit signal from {pid}, no child of it: {shown(reason, 500)}")
            return
        await self._child_ended(child, reason)

    async def _child_ended(self, child: Child, reason: object) -> None:
        pid = child.pid
        child.gone()
        if not is_quiet(reason):
            self.tell(child, f"({pid}) ended", reason)
        kind = child.spec.restart
        if kind == "permanent" or (kind == "transient" and not is_quiet(reason)):
            await self._restart(child)
            return
        if kind == "temporary":
            self.forget(child)
        self.ended_for_good(child)

    # -- restarting -----------------------------------------------------------

    async def _restart(self, child: Child) -> None:
        """Restart a child and who goes with it, if the intensity allows; a failed try counts, and is retried."""
        if not self._intensity.bears(await self._watch.now()):
            id = shown(child.spec.id, 200)
            text = f"supervisor {self._me} ({self._behaviour}) gives up: child {id} needs too many restarts"
            emit(log, text, {"report": "gave_up", "pid": self._me, "child": id})
            raise Over(SHUTDOWN)
        for one in await self.clear(child):
            try:
                await self.start(one)
            except StartError:
                one.restarting = True
                process.send_after(one.delay(), self._me, (self._retries, one.key, one.attempt))
                return
            one.restarts += 1

    async def _retry(self, key: Hashable, attempt: object) -> None:
        child = self.children.get(key)
        if child is not None and child.restarting and child.attempt == attempt:
            await self._restart(child)

    # -- being looked into ----------------------------------------------------

    def get_state(self) -> list[ChildInfo]:
        """Return what is known of the children, the last one first."""
        return [child.info() for child in reversed(self.children.values())]

    def counted(self) -> dict[str, int]:
        """Return what `count_children` shows."""
        children = self.children.values()
        return {
            "specs": len(children),
            "active": len(self.by_pid),
            "supervisors": sum(child.spec.type == "supervisor" for child in children),
            "workers": sum(child.spec.type == "worker" for child in children),
        }

    def replace_state(self, func: Callable[[object], object]) -> object:
        """Refuse: children are changed by the supervisor's own requests."""
        raise TypeError("the state of a supervisor cannot be replaced; use start_child, terminate_child, delete_child")

    def status(self) -> Status:
        """Return what `get_status` shows."""
        phase = "suspended" if self.suspended else "running"
        return Status(self._me, self._behaviour, self.get_state(), phase)

    # -- reporting ------------------------------------------------------------

    def tell_how_it_stopped(self, child: Child, pid: Pid, reason: object) -> None:
        """Report a child that was stopped and ended in another way than it was told to."""
        brutal = child.spec.shutdown == "brutal_kill" and reason == "killed"
        if not brutal and not is_quiet(reason):
            self.tell(child, f"({pid}) was stopped and ended otherwise", reason)

    def tell(self, child: Child, what: str, reason: object) -> None:
        """Report what happened to a child."""
        id = shown(child.spec.id, 200)
        text = f"supervisor {self._me} ({self._behaviour}): child {id} {what}: {shown(reason, 1000)}"
        if isinstance(reason, BaseException):
            text += "\n" + traceback_text(reason).rstrip()
        fields: dict[str, object] = {
            "report": "child",
            "pid": self._me,
            "child": id,
            "what": what,
            "reason": shown(reason, 1000),
        }
        emit(log, text[: 16 * 1024], fields)
