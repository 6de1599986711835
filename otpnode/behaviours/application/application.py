"""Application: a tree that is started by name of its class, after those it depends on.

::

    class Db(Application):
        async def init(self) -> Pid:
            return await Supervisor.start_link([child(Pool)])

    class Web(Application):
        dependencies = [Db]

        async def init(self, port: int = 8000) -> Pid:
            return await Supervisor.start_link([child(Listener, [port])])

    await Web.start([8080], ensure=True)

``otpnode start app:Web -- args`` runs one, with all it depends on, until its tree ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from inspect import isclass
from typing import Any, ClassVar, Literal, cast

from otpnode import process
from otpnode.behaviours.application.controller import (
    CONTROLLER,
    ApplicationController,
    StartApplication,
    StopApplication,
)
from otpnode.behaviours.common import wire
from otpnode.behaviours.common.control import Stop
from otpnode.behaviours.common.outside import inside
from otpnode.behaviours.common.starting import raise_start
from otpnode.behaviours.supervision.specs import RESTARTS, Restart, one_of
from otpnode.behaviours.supervision.supervising import arguments
from otpnode.errors import AlreadyStartedError, CallExit
from otpnode.pid import Pid


class Application:
    """Base of applications. Subclasses define no ``__init__``; a class is running once on a node, or not.

    Attributes:
        dependencies: the applications that must run before it.
    """

    dependencies: ClassVar[Sequence[type[Application]]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is not object.__init__:
            raise TypeError(
                f"{cls.__name__} defines __init__, but its object is made in a process of its own: "
                "define init(self, ...), which takes the args of start and returns the pid of the tree"
            )
        if not isinstance(cls.dependencies, (list, tuple)) or not all(
            isclass(one) and issubclass(one, Application) for one in cls.dependencies
        ):
            raise TypeError(f"{cls.__name__}.dependencies is a list of Application classes, not {cls.dependencies!r}")

    def init(self, *args: Any, **kwargs: Any) -> Pid | Stop | Awaitable[Pid | Stop]:
        """Start the tree, by ``start_link``, and return its pid; or `Stop`."""
        raise NotImplementedError(f"{type(self).__name__} has no init, which starts its tree and returns its pid")

    def terminate(self, reason: Any, /) -> Any:
        """Clean up, when the tree is down; `reason` is what it ended with (AP-01)."""
        return None

    @classmethod
    async def start(
        cls,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        restart: Restart = "temporary",
        ensure: bool = False,
    ) -> Pid:
        """Start the application and wait until its `init` is done, from inside a process or outside.

        Args:
            args: positional arguments of `init`.
            kwargs: keyword arguments of `init`.
            restart: what the end of the tree means when nobody asked for it (AP-02):
                ``'temporary'`` nothing, ``'permanent'`` the node stops with exit code 1,
                ``'transient'`` the same unless the reason is ``'normal'``. Nothing is restarted.
            ensure: start the missing dependencies first, without arguments and with the
                same `restart`; those are stopped again when this one does not start.

        Returns:
            The pid that `init` returned.

        Raises:
            StartError: ``('not_started', Db)`` for a dependency; else the reason `init` failed with.
            AlreadyStartedError: it runs; `pid` is its tree.
            ValueError, TypeError: dependencies that go in a circle, an unknown `restart`, bad arguments.
            UnserializableError: the class or an argument cannot travel to shard 0.

        Guarantees:
            The tree lives on shard 0, whose loss is the end of the node. When this raises
            one of these, nothing of it is left (SEMANTICS AP-01, AP-03); a start that is
            cancelled goes on. One that is just being stopped is waited for, then started.
            When the node stops, applications stop in the reverse of the order in which they
            were started.
        """
        one_of("restart", restart, RESTARTS)
        request = StartApplication(cls, *arguments(args, kwargs, {}), restart)
        missing = list(needed_by(cls)) if ensure else []
        started: list[type[Application]] = []
        try:
            for one in missing:
                try:
                    await _start(StartApplication(one, [], {}, restart))
                except AlreadyStartedError:
                    continue
                started.append(one)
            return await _start(request)
        except Exception:
            for one in reversed(started):
                await _stop(one)
            raise

    @classmethod
    async def stop(cls) -> None:
        """Stop the tree, run `terminate`, and wait for both; what depends on it goes on.

        Raises:
            CallExit: it does not run: ``'noproc'``.
        """
        if not await _stop(cls):
            raise CallExit("noproc", (CONTROLLER, StopApplication(cls)))

    @staticmethod
    async def running() -> list[tuple[type[Application], Pid]]:
        """Return the applications that run, with the pids of their trees, in the order of their starts."""
        try:
            return cast("list[tuple[type[Application], Pid]]", await wire.call(CONTROLLER, "running", None))
        except CallExit as error:
            if error.reason == "noproc":
                return []
            raise

    @classmethod
    async def main(cls, *argv: str) -> Pid:
        """Be the program of ``otpnode start app:Web -- argv``: start with `ensure`, and last as long as the tree."""
        return await cls.start(argv, ensure=True)


async def _stop(application: type[Application]) -> bool:
    return bool(await wire.call(CONTROLLER, StopApplication(application), None))


async def _start_controller() -> None:
    with suppress(AlreadyStartedError):
        await ApplicationController.start(name=CONTROLLER, on=0)


async def _start(request: StartApplication) -> Pid:
    if process.whereis(CONTROLLER) is None:
        # By a process that is over then: what the node stops first is trees whose starter is gone (SH-12).
        await inside(_start_controller)
    word, value = cast("tuple[Literal['ok', 'already', 'failed'], object]", await wire.call(CONTROLLER, request, None))
    if word == "already":
        raise AlreadyStartedError(value)
    if word == "failed":
        raise_start(value)
    return cast(Pid, value)


def needed_by(application: type[Application], above: tuple[type[Application], ...] = ()) -> Iterator[type[Application]]:
    """List what must run before `application`, each after what itself depends on."""
    path = (*above, application)
    seen: set[type[Application]] = set()
    for one in application.dependencies:
        if one in path:
            circle = " -> ".join(each.__name__ for each in (*path[path.index(one) :], one))
            raise ValueError(f"applications depend on each other in a circle: {circle}")
        for each in (*needed_by(one, path), one):
            if each not in seen:
                seen.add(each)
                yield each
