"""The children of a `DynamicSupervisor`: any number of equals, found by their pids."""

from __future__ import annotations

from typing import cast

from otpnode import process
from otpnode.behaviours.common.starting import Birthplace
from otpnode.behaviours.common.wire import exit_message
from otpnode.behaviours.supervision.children import Child
from otpnode.behaviours.supervision.intensity import Intensity
from otpnode.behaviours.supervision.overseer import Overseer, Plan, oversee
from otpnode.behaviours.supervision.requests import Request, unknown
from otpnode.behaviours.supervision.specs import ChildSpec, DynamicSpec
from otpnode.errors import ChildError
from otpnode.pid import Pid
from otpnode.reasons import NOPROC
from otpnode.ref import Ref


async def supervise(place: Birthplace, cls: type[Plan], args: list[object], kwargs: dict[str, object]) -> None:
    """Be a `DynamicSupervisor` of class `cls`; importable by name, so that it can live on any shard."""
    await oversee(_flock, place, cls, args, kwargs)


def _flock(spec: object, parent: Pid | None, behaviour: str) -> Overseer | None:
    return Flock(spec, parent, behaviour) if isinstance(spec, DynamicSpec) else None


class Flock(Overseer):
    """Children by the pids they have, or, while they wait for a restart, had last."""

    def __init__(self, spec: DynamicSpec, parent: Pid | None, behaviour: str) -> None:
        super().__init__(Intensity(spec.max_restarts, spec.max_seconds), parent, behaviour)
        self._max_children = spec.max_children

    async def start(self, child: Child) -> None:
        """Start one child and keep it under its pid; one that says `IGNORE` is dropped."""
        await super().start(child)
        self.forget(child)
        if child.pid is not None:
            child.key = child.pid
            self.children[child.pid] = child

    def ended_for_good(self, child: Child) -> None:
        """Forget it, of whatever restart type: it has no id to be started again by."""
        self.forget(child)

    async def stop_all(self) -> None:
        """Stop all children at once, each within its own `shutdown` (DS-02)."""
        running, self.by_pid = self.by_pid, {}
        farewell = Farewell()
        for pid, child in running.items():
            child.gone()
            await farewell.bid(pid, child.spec.shutdown)
        while farewell.waits:
            pid, reason = await farewell.next()
            self.tell_how_it_stopped(running[pid], pid, reason)
        self.children.clear()

    async def serve(self, request: object) -> object:
        """Do what a request asks for (DS-01)."""
        match request:
            case Request(verb="which_children"):
                return self.get_state()
            case Request(verb="count_children"):
                return self.counted()
            case Request(verb="start_child", arg=ChildSpec() as spec):
                return await self._start_child(spec)
            case Request(verb="terminate_child", arg=pid):
                child = self.children.get(pid) if isinstance(pid, str) else None
                if child is None:
                    raise ChildError("not_found")
                self.forget(child)
                await self.stop(child)
                return None
        raise unknown(request)

    async def _start_child(self, spec: ChildSpec) -> Pid | None:
        if self._max_children is not None and len(self.children) >= self._max_children:
            raise ChildError("max_children")
        child = Child(spec)
        child.key = None
        await self.start(child)
        return child.pid


class Farewell:
    """Ends any number of linked processes at once and waits for their deaths.

    Their EXITs and DOWNs are taken as they come, in one look at each: a selective receive
    for one child after the other would read past the news of all the others.
    """

    def __init__(self) -> None:
        self._watched: dict[str, Pid] = {}
        self._pids: set[Pid] = set()
        self._exits: dict[Pid, object] = {}
        self._killers: dict[Pid, Ref] = {}

    @property
    def waits(self) -> bool:
        """Whether somebody is still alive."""
        return bool(self._watched)

    async def bid(self, pid: Pid, shutdown: float | str | None) -> None:
        """Tell a process to end; one that has `shutdown` seconds is killed when they are over."""
        self._watched[await process.monitor(pid)] = pid
        self._pids.add(pid)
        if isinstance(shutdown, (int, float)):
            self._killers[pid] = process.exit_after(shutdown, pid, "kill")
        await process.exit(pid, "kill" if shutdown == "brutal_kill" else "shutdown")

    async def next(self) -> tuple[Pid, object]:
        """Wait for the next death; returns who it was, and the reason."""
        while True:
            message = await process.receive(match=self._is_news)
            found = exit_message(message)
            if found is not None:
                self._exits[found[0]] = found[1]
                continue
            _, ref, _, _, reason = cast("tuple[str, str, str, object, object]", message)
            pid = self._watched.pop(ref)
            if pid in self._killers:
                await process.cancel_timer(self._killers.pop(pid))
            # Dead before it was monitored: the link, whose EXIT comes first, knows why.
            return pid, self._exits.pop(pid, reason) if reason == NOPROC else reason

    def _is_news(self, message: object) -> bool:
        if type(message) is not tuple:
            return False
        if len(message) == 5:
            return type(message[1]) is str and message[1] in self._watched
        found = exit_message(message)
        return found is not None and found[0] in self._pids
