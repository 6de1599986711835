"""Applications of the tests, importable by name; they tell the process named ``watcher`` what happens to them."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from otpnode import Application, Stop, Supervisor, process
from otpnode.pid import Pid
from tests.behaviours.children import worker


class Told(Application):
    """Base of these: tells the process named ``watcher`` what happens to it."""

    async def init(self, *args: Any) -> Any:
        await process.send("watcher", ("init", type(self).__name__, *args))
        return await Supervisor.start_link([worker("watcher", type(self).__name__)], max_restarts=0)

    async def terminate(self, reason: Any, /) -> None:
        await process.send("watcher", ("terminate", type(self).__name__, reason))


class Base(Told):
    """Depends on nothing."""


class Db(Told):
    """Depends on something."""

    dependencies: ClassVar = [Base]


class Web(Told):
    """Depends on both, once directly and once not."""

    dependencies: ClassVar = [Db, Base]


class Failing(Application):
    """Fails when half of it is there."""

    dependencies: ClassVar = [Base]

    async def init(self, how: str = "raise") -> Any:
        await process.spawn_link(idle, name="half")
        await Supervisor.start_link([worker("watcher", "half")], name="half tree")
        match how:
            case "raise":
                raise ValueError("init failed")
            case "stop":
                return Stop("no wish")
            case "nonsense":
                return 7
        return None


class Slow(Told):
    """Begins when it is told to."""

    async def init(self, *args: Any) -> Any:
        await process.send("watcher", ("in init", process.self()))
        await process.receive(match=lambda message: message == "go on")
        return await super().init()


class Lingering(Told):
    """Its cleaning up takes until it is told to go on."""

    async def terminate(self, reason: Any, /) -> None:
        await process.send("watcher", ("in terminate", process.self()))
        await process.receive(match=lambda message: message == "go on")
        await super().terminate(reason)


class OnLingering(Told):
    """Depends on it."""

    dependencies: ClassVar = [Lingering]


class Thorough(Told):
    """Its cleaning up takes many turns of the loop."""

    async def terminate(self, reason: Any, /) -> None:
        for _ in range(200):
            await asyncio.sleep(0)


class One(Application):
    """Half of a circle."""


class Two(Application):
    """The other half."""

    dependencies: ClassVar = [One]


async def idle() -> None:
    """Wait for the end."""
    await asyncio.Event().wait()


class Untravelled(Application):
    """Fails for a reason that cannot leave its shard."""

    async def init(self) -> Any:
        raise ValueError(lambda: None)


class Short(Application):
    """Its tree ends at once, for a reason."""

    async def init(self) -> Pid:
        return await process.spawn_link(short)

    async def terminate(self, reason: Any, /) -> None:
        await process.send("watcher", ("terminate", reason))


async def short() -> None:
    """End."""
    raise process.ProcessExit("over")


class Unlinked(Application):
    """Starts its tree by `start`."""

    async def init(self) -> Pid:
        return await Supervisor.start([], name="unlinked")
