"""The body of a supervisor's process: children by their order, and what to do when one ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import NoReturn, Protocol, cast

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.callbacks import Ending, run_callback
from otpnode.behaviours.children import Child
from otpnode.behaviours.control import Ignore, Sender, Status, Stop
from otpnode.behaviours.crash import emit, report_crash, shown
from otpnode.behaviours.intensity import Intensity
from otpnode.behaviours.specs import ChildInfo, ChildSpec, SupervisorSpec
from otpnode.behaviours.starting import Birthplace, Cradle
from otpnode.behaviours.system import Terminate, serve_system
from otpnode.behaviours.wire import CALL, SYSTEM, exit_message, is_stop_order, kind_of, reply
from otpnode.errors import ChildError, MessageTooLargeError, ProcessExit, StartError, UnserializableError
from otpnode.pid import Pid
from otpnode.reasons import SHUTDOWN, is_quiet, traceback_text

log = logging.getLogger("otpnode.supervisor")


class Plan(Protocol):
    """What the body asks of a supervisor class."""

    def init(self, *args: object, **kwargs: object) -> object:
        """Return the `SupervisorSpec`."""
        ...


class Over(Exception):
    """The supervisor is to end: its children are stopped and it exits with `reason`."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


async def supervise(place: Birthplace, cls: type[Plan], args: list[object], kwargs: dict[str, object]) -> None:
    """Be a supervisor of class `cls`."""
    cradle = Cradle(place)
    await cradle.wait()
    spec = await run_callback(cls().init, *args, **kwargs)
    behaviour = f"{cls.__module__}.{cls.__qualname__}"
    match spec:
        case SupervisorSpec():
            tree = Tree(spec, place.parent, behaviour)
        case Ignore():
            await cradle.ignored()
        case Ending() | Stop():
            await report_end(behaviour, place.parent, spec.reason, spec.error if isinstance(spec, Ending) else None)
            await cradle.failed(spec.reason)
        case _:
            reason = ("bad_return_value", spec)
            await report_end(behaviour, place.parent, reason)
            await cradle.failed(reason)
    refusal = await tree.start_all()
    if refusal is not None:
        await cradle.failed((SHUTDOWN, refusal))
    cradle.started()
    await tree.run()


async def report_end(behaviour: str, parent: Pid | None, reason: object, error: BaseException | None = None) -> None:
    """Log the end of this supervisor, unless it is an orderly one."""
    if not is_quiet(reason):
        me = cast(Pid, process.self())
        await report_crash(Status(me, behaviour, None, "terminating", reason), error, parent)


class Tree:
    """The children of one supervisor."""

    def __init__(self, spec: SupervisorSpec, parent: Pid | None, behaviour: str) -> None:
        self.suspended = False
        self.strategy = spec.strategy
        self.children: dict[Hashable, Child] = {one.id: Child(one) for one in spec.children}
        self._auto_shutdown = spec.auto_shutdown
        self._intensity = Intensity(spec.max_restarts, spec.max_seconds)
        self._parent = parent
        self._behaviour = behaviour
        self._me = cast(Pid, process.self())
        self._retries = process.make_ref()

    # -- starting and stopping ------------------------------------------------

    async def start_all(self) -> tuple[object, ...] | None:
        """Start every child in order; what to say when one refuses, all others are stopped again then (SV-05)."""
        for child in list(self.children.values()):
            try:
                await self.start(child)
            except StartError as error:
                await self.stop_all()
                return ("failed_to_start_child", child.spec.id, error.reason)
        return None

    async def start(self, child: Child) -> None:
        """Start one child; a temporary one that says `IGNORE` is dropped (SV-06)."""
        try:
            await child.start()
        except StartError as error:
            await self._drop_exits_of_the_unborn()
            self._tell(child, "did not start", error.reason)
            raise
        if child.pid is None:
            await self._drop_exits_of_the_unborn()
            if child.spec.restart == "temporary":
                self.forget(child)

    async def stop_all(self) -> None:
        """Stop every child, the last one first, one at a time."""
        await self.stop_children(list(self.children.values()))

    async def stop_children(self, children: Sequence[Child]) -> None:
        """Stop `children` in reverse order."""
        for child in reversed(children):
            await self.stop(child)

    async def stop(self, child: Child) -> None:
        """Stop one child."""
        pid = child.pid
        reason = await child.stop()
        brutal = child.spec.shutdown == "brutal_kill" and reason == "killed"
        if pid is not None and not brutal and not is_quiet(reason):
            self._tell(child, f"({pid}) was stopped and ended otherwise", reason)

    def forget(self, child: Child) -> None:
        """Drop the spec of a child."""
        self.children.pop(child.spec.id, None)

    async def _drop_exits_of_the_unborn(self) -> None:
        """Take out the EXITs of children that did not get past init: they are told by `StartError`."""
        known = {child.pid for child in self.children.values()} | {self._parent}

        def is_unborn(message: object) -> bool:
            found = exit_message(message)
            if found is None or found[0] in known or is_stop_order(message, self._parent):
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
            await report_end(self._behaviour, self._parent, over.reason)
            raise ProcessExit(over.reason) from None

    async def _turn(self) -> None:
        message = await process.receive(match=self._is_urgent if self.suspended else None)
        kind = kind_of(message)
        if kind is CALL:
            _, sender, request, _ = cast("tuple[str, Sender, object, object]", message)
            await serve_request(self, sender, request)
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
            log.warning("supervisor %s got an unexpected message: %s", self._me, shown(message, 500))

    def _is_urgent(self, message: object) -> bool:
        return kind_of(message) is SYSTEM or is_stop_order(message, self._parent)

    async def _exited(self, message: object, pid: Pid, reason: object) -> None:
        if is_stop_order(message, self._parent):
            raise Over(reason)
        for child in self.children.values():
            if child.pid == pid:
                await self._child_ended(child, reason)
                return
        log.warning("supervisor %s got an exit signal from %s, no child of it: %s", self._me, pid, shown(reason, 500))

    async def _child_ended(self, child: Child, reason: object) -> None:
        pid = child.pid
        child.gone()
        if not is_quiet(reason):
            self._tell(child, f"({pid}) ended", reason)
        kind = child.spec.restart
        if kind == "permanent" or (kind == "transient" and not is_quiet(reason)):
            await self._restart(child)
            return
        if kind == "temporary":
            self.forget(child)
        if child.spec.significant and self._is_time_to_go():
            raise Over(SHUTDOWN)

    def _is_time_to_go(self) -> bool:
        if self._auto_shutdown == "all_significant":
            return all(child.idle for child in self.children.values() if child.spec.significant)
        return self._auto_shutdown == "any_significant"

    # -- restarting -----------------------------------------------------------

    async def _restart(self, child: Child) -> None:
        """Restart a child and who goes with it, if the intensity allows; a failed try counts, and is retried."""
        if not self._intensity.bears():
            text = (
                f"supervisor {self._me} ({self._behaviour}) gives up: child {child.spec.id!r} needs too many restarts"
            )
            emit(log, text, {"report": "gave_up", "pid": self._me, "child": shown(child.spec.id, 200)})
            raise Over(SHUTDOWN)
        for one in await self._clear(child):
            try:
                await self.start(one)
            except StartError:
                one.restarting = True
                process.send_after(one.delay(), self._me, (self._retries, one.spec.id, one.attempt))
                return
            one.restarts += 1

    async def _clear(self, child: Child) -> list[Child]:
        """Stop whom the strategy lets go with `child`; returns all that are to be started, in order (SV-02)."""
        if self.strategy == "one_for_one":
            return [child]
        group = list(self.children.values())
        if self.strategy == "rest_for_one":
            group = group[group.index(child) :]
        await self.stop_children(group)
        for one in group:
            if one is not child and one.spec.restart == "temporary":
                self.forget(one)
        return [one for one in group if self.children.get(one.spec.id) is one]

    async def _retry(self, id: Hashable, attempt: object) -> None:
        child = self.children.get(id)
        if child is not None and child.restarting and child.attempt == attempt:
            await self._restart(child)

    # -- being looked into ----------------------------------------------------

    def get_state(self) -> list[ChildInfo]:
        """Return what is known of the children, the last one first."""
        return [child.info() for child in reversed(self.children.values())]

    def replace_state(self, func: Callable[[object], object]) -> object:
        """Refuse: children are changed by the supervisor's own requests."""
        raise TypeError("the state of a supervisor cannot be replaced; use start_child, terminate_child, delete_child")

    def status(self) -> Status:
        """Return what `get_status` shows."""
        phase = "suspended" if self.suspended else "running"
        return Status(self._me, self._behaviour, self.get_state(), phase)

    def _tell(self, child: Child, what: str, reason: object) -> None:
        text = f"supervisor {self._me} ({self._behaviour}): child {child.spec.id!r:.200} {what}: {shown(reason, 1000)}"
        if isinstance(reason, BaseException):
            text += "\n" + traceback_text(reason).rstrip()
        fields: dict[str, object] = {
            "report": "child",
            "pid": self._me,
            "child": shown(child.spec.id, 200),
            "what": what,
            "reason": shown(reason, 1000),
        }
        emit(log, text[: 16 * 1024], fields)


# -- requests -----------------------------------------------------------------


class Request(Struct, frozen=True):
    """What `Supervisor`'s functions send in a ``$gen_call``: a verb and its argument."""

    verb: str
    arg: object = None


async def serve_request(tree: Tree, sender: Sender, request: object) -> None:
    """Do what a request asks for; answers ``('ok', value)``, ``('refused', reason, pid)`` or ``('failed', reason)``."""
    answer: tuple[object, ...]
    try:
        answer = ("ok", await _served(tree, request))
    except ChildError as error:
        answer = ("refused", error.reason, error.pid)
    except StartError as error:
        answer = ("failed", error.reason)
    try:
        reply(sender, answer)
    except (UnserializableError, MessageTooLargeError) as error:
        reply(sender, ("failed", error))


async def _served(tree: Tree, request: object) -> object:
    match request:
        case Request(verb="which_children"):
            return tree.get_state()
        case Request(verb="count_children"):
            return _counted(tree)
        case Request(verb="start_child", arg=ChildSpec() as spec):
            return await _start_child(tree, spec)
        case Request(verb="terminate_child", arg=id):
            await _terminate_child(tree, _found(tree, id))
        case Request(verb="restart_child", arg=id):
            return await _restart_child(tree, _found(tree, id))
        case Request(verb="delete_child", arg=id):
            tree.forget(_idle(_found(tree, id)))
        case _:
            raise StartError(ValueError(f"a supervisor does not know the request {shown(request, 200)}"))
    return None


def _counted(tree: Tree) -> dict[str, int]:
    children = tree.children.values()
    return {
        "specs": len(children),
        "active": sum(child.pid is not None for child in children),
        "supervisors": sum(child.spec.type == "supervisor" for child in children),
        "workers": sum(child.spec.type == "worker" for child in children),
    }


def _found(tree: Tree, id: object) -> Child:
    for child in tree.children.values():
        if child.spec.id == id:
            return child
    raise ChildError("not_found")


def _idle(child: Child) -> Child:
    if not child.idle:
        raise ChildError("running", child.pid)
    return child


async def _start_child(tree: Tree, spec: ChildSpec) -> Pid | None:
    present = tree.children.get(spec.id)
    if present is not None:
        raise ChildError("already_present" if present.idle else "already_started", present.pid)
    child = tree.children[spec.id] = Child(spec)
    try:
        await tree.start(child)
    except StartError:
        tree.forget(child)
        raise
    return child.pid


async def _terminate_child(tree: Tree, child: Child) -> None:
    await tree.stop(child)
    if child.spec.restart == "temporary":
        tree.forget(child)


async def _restart_child(tree: Tree, child: Child) -> Pid | None:
    await tree.start(_idle(child))
    return child.pid
