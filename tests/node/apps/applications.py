"""Applications started from the shell: what the end of a tree, and the stop of the node, make of them."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import otpnode
from otpnode import Application, GenServer, Supervisor, child, process
from otpnode.pid import Pid


class Worker(GenServer[str]):
    """Says when it is stopped."""

    trap_exits = True

    def init(self, name: str) -> str:
        return name

    def handle_cast(self, request: object, /) -> otpnode.Stop:
        return otpnode.Stop(request)

    def terminate(self, reason: object, /) -> None:
        print(f"worker of {self.state} ended", flush=True)


class Said(Application):
    """Base of these: prints what happens to it."""

    async def init(self, *args: str) -> Pid:
        name = type(self).__name__
        pid = await Supervisor.start_link([child(Worker, [name], name=f"worker of {name}")], max_restarts=0)
        print(f"{name} begins", *args, flush=True)
        return pid

    async def terminate(self, reason: Any, /) -> None:
        print(f"{type(self).__name__} is down: {reason}", flush=True)


class Db(Said):
    """Depends on nothing."""


class Web(Said):
    """Depends on it."""

    dependencies: ClassVar = [Db]


class Stopping(Web):
    """Stops itself when it has begun."""

    async def init(self, *args: str) -> Pid:
        pid = await super().init(*args)
        await process.spawn(stop_it)
        return pid


async def stop_it() -> None:
    """Stop the program."""
    await Stopping.stop()


class Broken(Web):
    """Does not begin."""

    async def init(self, *args: str) -> Any:
        raise ValueError("broken on purpose")


class NoProgram:
    """A class that is nothing to run."""


async def boot() -> None:
    """Start an application, and live on, in no tree."""
    await Web.start(ensure=True)
    await asyncio.Event().wait()


async def booted() -> None:
    """Be main beside a process that has started an application."""
    await process.spawn(boot)
    await asyncio.Event().wait()


async def permanent() -> None:
    """Be main beside a permanent application whose worker crashes once too often."""
    await Web.start(restart="permanent", ensure=True)
    await GenServer.cast("worker of Web", "boom")
    await asyncio.Event().wait()
