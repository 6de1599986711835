"""Who owns the table of running applications, and who looks after one.

There is one controller in a node, registered as `CONTROLLER` and made by the first
start. It lives on shard 0, because the loss of that shard is the end of the node: so
the table can be lost only together with all it speaks of, and needs no second copy.
Whoever happened to start the first application may end at any time, so the
controller is linked to nobody but the *masters*, one process for each application::

    controller ── link ── master of Web ── link ── the tree of Web
                                  runs init, then waits, then runs terminate

A master traps exits. It is the parent of the tree, so it hears of its end, and can stop
it; that init runs there, and not in the controller, lets the controller answer while
an init takes its time, and lets an init start other applications. Should the controller
be killed, each master stops its tree.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, cast

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.common.callbacks import Ending, run_callback
from otpnode.behaviours.common.control import NO_REPLY, NoReply, Sender, Status, Stop
from otpnode.behaviours.common.crash import emit, report_crash, shown, warn
from otpnode.behaviours.common.starting import ANCESTORS
from otpnode.behaviours.common.wire import exit_message, is_stop_order, reply
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.children import stop_process
from otpnode.behaviours.supervision.specs import Restart
from otpnode.errors import MessageTooLargeError, ProcessExit, ProcessNotFoundError, UnserializableError
from otpnode.pid import Pid, is_pid
from otpnode.reasons import NORMAL, SHUTDOWN, is_quiet

log = logging.getLogger("otpnode.application")

CONTROLLER = "otpnode.applications"
"""What the controller is registered as."""


class StartApplication(Struct, frozen=True):
    """Asks the controller to start an application; answered ``('ok' | 'already', pid)`` or ``('failed', reason)``."""

    application: type[Any]
    args: Sequence[object]
    kwargs: Mapping[str, object]
    restart: Restart


class StopApplication(Struct, frozen=True):
    """Asks the controller to stop an application; answered True when it is down, False when it did not run."""

    application: type[Any]


class Running:
    """One application that runs, or is about to.

    Attributes:
        tree: what its init returned; None while that runs.
        starters: who waits for its start, the first of them having asked first.
        stoppers: who waits for its end.
        over: whether its tree has ended unasked, and its master cleans up.
        later: what was asked for while it was coming to its end, and has to wait for that.
    """

    def __init__(self, application: type[Any], restart: Restart, master: Pid) -> None:
        self.application = application
        self.restart = restart
        self.master = master
        self.tree: Pid | None = None
        self.starters: list[Sender] = []
        self.stoppers: list[Sender] = []
        self.over = False
        self.later: list[tuple[StartApplication | StopApplication, Sender]] = []

    @property
    def is_ending(self) -> bool:
        """Whether its end was asked for, or has come."""
        return self.over or bool(self.stoppers)


class ApplicationController(GenServer[dict[type[Any], Running], Any, Any]):
    """Starts and stops applications, and stops the node when one that it cannot do without has ended."""

    trap_exits = True
    mailbox_limit = None

    def init(self) -> dict[type[Any], Running]:
        """Begin with nothing running."""
        return {}

    async def handle_call(self, request: object, sender: Sender, /) -> object:
        """Serve `StartApplication`, `StopApplication` and ``'running'``."""
        match request:
            case StartApplication() | StopApplication():
                return await self._serve(request, sender)
            case "running":
                return [(one.application, one.tree) for one in self.state.values() if one.tree is not None]
        # An exception here would be the end of every application.
        return "failed", ValueError(f"the application controller does not know the request {shown(request, 200)}")

    async def _serve(self, request: StartApplication | StopApplication, sender: Sender) -> object:
        running = self.state.get(request.application)
        starts = isinstance(request, StartApplication)
        if running is not None and running.is_ending and (starts or running.later):
            running.later.append((request, sender))
            return NO_REPLY
        if isinstance(request, StartApplication):
            return await self._start(request, sender)
        return await self._stop(request.application, sender)

    async def _start(self, request: StartApplication, sender: Sender) -> NoReply | tuple[str, object]:
        running = self.state.get(request.application)
        if running is not None and running.tree is not None:
            return "already", running.tree
        if running is None:
            for one in request.application.dependencies:
                if not self._is_up(one):
                    return "failed", ("not_started", one)
            place = [
                cast(Pid, process.self()),
                request.application,
                request.restart,
                list(request.args),
                dict(request.kwargs),
            ]
            label = f"application {request.application.__qualname__}"
            try:
                master = await process.spawn_link(look_after, place, on="local", trap_exits=True, label=label)
            except Exception as error:
                return "failed", error
            running = self.state[request.application] = Running(request.application, request.restart, master)
        running.starters.append(sender)
        return NO_REPLY

    def _is_up(self, application: type[Any]) -> bool:
        running = self.state.get(application)
        return running is not None and running.tree is not None and not running.is_ending

    async def _stop(self, application: type[Any], sender: Sender) -> NoReply | bool:
        running = self.state.get(application)
        if running is None:
            return False
        running.stoppers.append(sender)
        await process.exit(running.master, SHUTDOWN)
        return NO_REPLY

    def handle_cast(self, request: object, /) -> None:
        """Refuse, in the log."""
        warn(log, f"the application controller takes no casts: {shown(request, 500)}")

    async def handle_info(self, message: Any, /) -> None:
        """Hear of masters: ``('$application', master, pid)`` when a tree runs, and their EXITs.

        The pid is None when it has ended, and nobody had asked for that.
        """
        found = exit_message(message)
        if found is not None:
            await self._ended(*found)
        elif type(message) is tuple and len(message) == 3 and message[0] == "$application":
            self._begun(message[1], message[2])
        else:
            warn(log, f"the application controller got an unexpected message: {shown(message, 500)}")

    def _of(self, master: object) -> Running | None:
        return next((one for one in self.state.values() if one.master == master), None)

    def _begun(self, master: object, tree: Pid | None) -> None:
        running = self._of(master)
        if running is None:
            return
        if tree is None:
            running.over = True
            return
        running.tree = tree
        first, *others = running.starters
        reply(first, ("ok", tree))
        for sender in others:
            reply(sender, ("already", tree))
        running.starters.clear()

    async def _ended(self, master: Pid, reason: object) -> None:
        running = self._of(master)
        if running is None:
            warn(log, f"the application controller got an exit signal from {master}: {shown(reason, 500)}")
            return
        del self.state[running.application]
        for sender in running.starters:
            _tell_failure(sender, reason)
        for sender in running.stoppers:
            reply(sender, True)
        if running.tree is not None and not running.is_ending:
            # The master itself was killed.
            _tell_end(running.application, running.restart, reason)
        for request, sender in running.later:
            answer = await self._serve(request, sender)
            if answer is not NO_REPLY:
                reply(sender, answer)

    async def terminate(self, reason: object, /) -> None:
        """Stop the applications, the last one first: the node stops."""
        for running in reversed(self.state.values()):
            await stop_process(running.master, None)


def _tell_failure(sender: Sender, reason: object) -> None:
    try:
        reply(sender, ("failed", reason))
    except (UnserializableError, MessageTooLargeError) as error:
        reply(sender, ("failed", error))


def _tell_end(application: type[Any], restart: Restart, reason: object) -> None:
    """Report the end of a tree that nobody had asked for, and stop the node if that is what it means (AP-02)."""
    name = application.__qualname__
    fatal = restart == "permanent" or (restart == "transient" and reason != NORMAL)
    text = f"application {name} ({restart}) ended: {shown(reason, 1000)}"
    fields = {"report": "application", "application": name, "reason": shown(reason, 1000), "stops_node": fatal}
    if fatal:
        emit(log, f"{text}; the node stops", fields)
        process.stop_node(1)
    elif not is_quiet(reason):
        emit(log, text, fields)


# -- the master of one application --------------------------------------------


async def look_after(
    controller: Pid, application: type[Any], restart: Restart, args: list[object], kwargs: dict[str, object]
) -> NoReturn:
    """Start the tree of an application, wait for its end or cause it, and clean up."""
    process.put(ANCESTORS, (controller,))
    app = application()
    tree = await _begin(app, controller, args, kwargs)
    reason, asked = await _end_of(tree, controller, application)
    if not asked:
        # Before `terminate`, which may take its time: a main that waits for the tree as well is about to end, with 0.
        _tell_end(application, restart, reason)
        with suppress(ProcessNotFoundError):
            await process.send(controller, ("$application", process.self(), None))
    outcome = await run_callback(app.terminate, reason)
    if isinstance(outcome, Ending):
        await _report(application, outcome)
        reason = outcome.reason
    raise ProcessExit(reason)


async def _end_of(tree: Pid, controller: Pid, application: type[Any]) -> tuple[object, bool]:
    """Tell the controller that `tree` runs; returns what it has ended with, and whether that was asked for."""
    ref = await process.monitor(tree)
    await process.send(controller, ("$application", process.self(), tree))
    while True:
        message = await process.receive()
        match message:
            case _ if is_stop_order(message, controller):
                return await stop_process(tree, None), True
            case ("EXIT", pid, reason) if pid == tree:
                return reason, await _is_asked(controller)
            case ("DOWN", watch, _, _, reason) if watch == ref:
                # It had left the link.
                return reason, await _is_asked(controller)
            case ("EXIT", _, _):
                # A helper's, which init started and linked.
                continue
            case _:
                warn(log, f"the master of {application} got an unexpected message: {shown(message, 500)}")


async def _is_asked(controller: Pid) -> bool:
    """Whether the order to stop has come while the tree was ending by itself."""
    try:
        await process.receive(0, lambda message: is_stop_order(message, controller))
    except TimeoutError:
        return False
    return True


async def _begin(app: Any, controller: Pid, args: list[object], kwargs: dict[str, object]) -> Pid:
    """Run init and return its tree, linked; if there is none, nothing that init has linked survives (AP-01)."""
    made = await run_callback(app.init, *args, **kwargs)
    links = cast("list[Pid]", await process.process_info(cast(Pid, process.self()), "links"))
    if is_pid(made) and (made in links or not process.is_alive(cast(Pid, made))):
        return cast(Pid, made)
    failure = made if isinstance(made, Ending) else Ending(_why_not(app, made))
    if is_pid(made):
        await process.exit(cast(Pid, made), "kill")
    for pid in reversed(links):
        if pid != controller:
            await stop_process(pid, None)
    if not is_quiet(failure.reason):
        await _report(type(app), failure)
    raise ProcessExit(failure.reason)


def _why_not(app: Any, made: object) -> object:
    if isinstance(made, Stop):
        return made.reason
    if is_pid(made):
        # A supervisor takes orders to stop from its parent alone (SV-09).
        return ValueError(f"{type(app).__name__}.init returned {made}, which it has not started by start_link")
    return ("bad_return_value", made)


async def _report(application: type[Any], ending: Ending) -> None:
    behaviour = f"{application.__module__}.{application.__qualname__}"
    status = Status(cast(Pid, process.self()), behaviour, None, "terminating", ending.reason)
    await report_crash(status, ending.error)
