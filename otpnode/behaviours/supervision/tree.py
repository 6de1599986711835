"""The children of a `Supervisor`: under ids and in an order, which the strategies go by."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from otpnode.behaviours.common.starting import Birthplace
from otpnode.behaviours.supervision.children import Child
from otpnode.behaviours.supervision.intensity import Intensity
from otpnode.behaviours.supervision.overseer import Over, Overseer, Plan, oversee
from otpnode.behaviours.supervision.requests import Request, unknown
from otpnode.behaviours.supervision.specs import ChildSpec, SupervisorSpec
from otpnode.errors import ChildError, StartError
from otpnode.pid import Pid
from otpnode.reasons import SHUTDOWN


async def supervise(place: Birthplace, cls: type[Plan], args: list[object], kwargs: dict[str, object]) -> None:
    """Be a `Supervisor` of class `cls`; importable by name, so that it can live on any shard."""
    await oversee(_tree, place, cls, args, kwargs)


def _tree(spec: object, parent: Pid | None, behaviour: str) -> Overseer | None:
    return Tree(spec, parent, behaviour) if isinstance(spec, SupervisorSpec) else None


class Tree(Overseer):
    """Children by their ids."""

    def __init__(self, spec: SupervisorSpec, parent: Pid | None, behaviour: str) -> None:
        super().__init__(Intensity(spec.max_restarts, spec.max_seconds), parent, behaviour)
        self.children = {one.id: Child(one) for one in spec.children}
        self._strategy = spec.strategy
        self._auto_shutdown = spec.auto_shutdown

    # -- order ----------------------------------------------------------------

    async def start_all(self) -> tuple[object, ...] | None:
        """Start every child in order; when one refuses, all others are stopped again (SV-05)."""
        for child in list(self.children.values()):
            try:
                await self.start(child)
            except StartError as error:
                await self.stop_all()
                return ("failed_to_start_child", child.spec.id, error.reason)
        return None

    async def stop_all(self) -> None:
        """Stop every child, the last one first, one at a time (SV-01)."""
        await self._stop_in_reverse(list(self.children.values()))

    async def _stop_in_reverse(self, children: Sequence[Child]) -> None:
        for child in reversed(children):
            await self.stop(child)

    async def clear(self, child: Child) -> list[Child]:
        """Stop whom the strategy lets go with `child`; returns all that are to be started, in order (SV-02)."""
        if self._strategy == "one_for_one":
            return [child]
        group = list(self.children.values())
        if self._strategy == "rest_for_one":
            group = group[group.index(child) :]
        await self._stop_in_reverse(group)
        for one in group:
            if one is not child and one.spec.restart == "temporary":
                self.forget(one)
        return [one for one in group if self.children.get(one.key) is one]

    def ended_for_good(self, child: Child) -> None:
        """End the supervisor when `auto_shutdown` says so."""
        if child.spec.significant and self._is_time_to_go():
            raise Over(SHUTDOWN)

    def _is_time_to_go(self) -> bool:
        if self._auto_shutdown == "all_significant":
            return all(child.idle for child in self.children.values() if child.spec.significant)
        return self._auto_shutdown == "any_significant"

    # -- requests -------------------------------------------------------------

    async def serve(self, request: object) -> object:
        """Do what a request asks for (SV-08)."""
        match request:
            case Request(verb="which_children"):
                return self.get_state()
            case Request(verb="count_children"):
                return self.counted()
            case Request(verb="start_child", arg=ChildSpec() as spec):
                return await self._start_child(spec)
            case Request(verb="terminate_child", arg=id):
                await self._terminate_child(self._found(id))
            case Request(verb="restart_child", arg=id):
                child = _idle(self._found(id))
                await self.start(child)
                return child.pid
            case Request(verb="delete_child", arg=id):
                self.forget(_idle(self._found(id)))
            case _:
                raise unknown(request)
        return None

    def _found(self, id: object) -> Child:
        child = self.children.get(id) if isinstance(id, Hashable) and _has_hash(id) else None
        if child is None:
            raise ChildError("not_found")
        return child

    async def _start_child(self, spec: ChildSpec) -> Pid | None:
        present = self.children.get(spec.id)
        if present is not None:
            raise ChildError("already_present" if present.idle else "already_started", present.pid)
        child = self.children[spec.id] = Child(spec)
        try:
            await self.start(child)
        except StartError:
            self.forget(child)
            raise
        return child.pid

    async def _terminate_child(self, child: Child) -> None:
        await self.stop(child)
        if child.spec.restart == "temporary":
            self.forget(child)


def _has_hash(id: Hashable) -> bool:
    try:
        hash(id)
    except TypeError:
        # A tuple is Hashable by its type, whatever it holds.
        return False
    return True


def _idle(child: Child) -> Child:
    if not child.idle:
        raise ChildError("running", child.pid)
    return child
