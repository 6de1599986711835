"""Children of the supervisor tests: importable by name; each tells a watcher what happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import otpnode
from otpnode import process
from otpnode.behaviours.common.control import IGNORE, Stop
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.specs import ChildSpec, SupervisorSpec, child
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.servers import SOON


class Worker(GenServer[str]):
    """Tells its watcher of init and terminate, under its tag."""

    trap_exits = True

    async def init(self, watcher: str, tag: str) -> str:
        self.watcher = watcher
        await process.send(watcher, ("started", tag, process.self()))
        return tag

    def handle_call(self, request: object, sender: object, /) -> object:
        return self.state

    def handle_cast(self, request: object, /) -> Stop:
        return Stop(request)

    async def terminate(self, reason: object, /) -> None:
        if reason == "shutdown":
            await process.send(self.watcher, ("stopped", self.state))


class Failing(GenServer):
    """Starts as often as the counter it asks allows, then fails in init."""

    async def init(self, counter: str) -> Any:
        value = await Count.call(counter, "next")
        if value < 0:
            return Stop("init failed")
        return None

    def handle_cast(self, request: object, /) -> Stop:
        return Stop(request)


class Count(GenServer[int, object, Any]):
    """Counts down, and knows how often it was asked."""

    def init(self, start: int) -> int:
        self.asked = 0
        return start

    def handle_call(self, request: object, sender: object, /) -> int:
        if request == "asked":
            return self.asked
        self.asked += 1
        self.state -= 1
        return self.state


class Ignored(GenServer):
    """Does not want to run."""

    def init(self) -> object:
        return IGNORE


class Nested(Supervisor):
    """A supervisor with an init of its own."""

    async def init(self, *args: Any) -> SupervisorSpec:
        watcher, *tags = args
        return SupervisorSpec([worker(watcher, tag) for tag in tags], strategy="rest_for_one")


class NoPlan(Supervisor):
    """Its init returns nonsense."""

    def init(self, *args: object) -> Any:
        return "nonsense"


async def function_child(watcher: str, tag: str) -> None:
    """Be told how to end."""
    await process.send(watcher, ("started", tag, process.self()))
    raise process.ProcessExit(await process.receive())


async def stubborn(watcher: str, tag: str) -> None:
    """Trap exits and ignore every order to stop."""
    await process.send(watcher, ("started", tag, process.self()))
    while True:
        await process.receive()


class Stubborn:
    """A class of the user's own with a start_link: its process traps exits and does not stop."""

    @classmethod
    async def start_link(cls, args: list[Any], kwargs: dict[str, Any], *, name: str | None, on: Any) -> str:
        return await process.spawn_link(stubborn, args, kwargs, name, on=on, trap_exits=True)


async def unlinking(watcher: str, tag: str) -> None:
    """Leave the supervisor, and wait."""
    supervisor: Any = await process.process_info(process.self() or "", "links")
    await process.unlink(supervisor[0])
    await process.send(watcher, ("started", tag, process.self()))
    await asyncio.Event().wait()


def worker(watcher: str | None, tag: str, **fields: Any) -> ChildSpec:
    """Make the spec of a `Worker` whose id is its tag."""
    return child(Worker, [watcher, tag], id=tag, **fields)


async def started(*tags: str) -> dict[str, str]:
    """Await the starts of `tags`, in this order; returns their pids."""
    pids = {}
    for tag in tags:
        message: Any = await process.receive(SOON)
        assert message[:2] == ("started", tag)
        pids[tag] = message[2]
    return pids


async def stopped(*tags: str) -> None:
    """Await the orderly ends of `tags`, in this order."""
    for tag in tags:
        assert await process.receive(SOON) == ("stopped", tag)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again until it holds; each question is a round trip to another process."""
    async with asyncio.timeout(SOON):
        while not await condition():
            await process.sleep(0.001)


async def supervisor_of(watcher: str, children: list[ChildSpec], options: dict[str, Any]) -> None:
    """Be the parent of a supervisor; end as told."""
    try:
        pid = await Supervisor.start_link(children, **options)
    except otpnode.StartError as error:
        await process.send(watcher, ("start error", error.reason))
        await asyncio.Event().wait()
    await process.send(watcher, ("supervisor", pid))
    reason = await process.receive()
    if reason != "normal":
        raise process.ProcessExit(reason)
