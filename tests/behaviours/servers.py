"""Servers and helpers of the behaviour tests: all importable by name, so that they can live on any shard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import otpnode
from otpnode import process
from otpnode.behaviours.common.control import (
    IGNORE,
    NO_REPLY,
    Continue,
    Init,
    NoReply,
    Reply,
    Sender,
    Status,
    Stop,
    Timeout,
)
from otpnode.behaviours.common.starting import Birthplace
from otpnode.behaviours.server.gen_server import GenServer
from tests.behaviours.topologies import GRACES
from tests.behaviours.topologies import on_a_node as on_a_node

SOON = 20.0
"""Seconds within which anything expected must come; a machine that stands still for a while is no failure."""


def run(program: Callable[..., Awaitable[object]], *args: object) -> None:
    """Run a test program as main of a node."""
    otpnode.run(program, *args, **GRACES)


async def next_message() -> object:
    """Take the next message; one must come."""
    return await process.receive(SOON)


async def no_message() -> bool:
    """Tell whether the mailbox of the caller is empty."""
    return await process.process_info(process.self() or "", "messages") == []


async def ending_of(pid: str) -> object:
    """Wait for the death of `pid` and return its reason."""
    ref = await process.monitor(pid)
    down: Any = await process.receive(SOON, ref=ref)
    return down[4]


async def exit_and_wait(pid: str, reason: object) -> object:
    """Send an exit signal to `pid`, watched from before it, and return the reason of its death."""
    ref = await process.monitor(pid)
    await process.exit(pid, reason)
    down: Any = await process.receive(SOON, ref=ref)
    return down[4]


@asynccontextmanager
async def cut_short() -> AsyncIterator[str]:
    """Time a block out as soon as a message comes to the pid it gives; the caller gets the message, too.

    So the block is cancelled when what it has set going runs, however long that takes on a busy machine.
    """
    caller = process.self() or ""
    async with asyncio.timeout(None) as limit:

        async def cutter() -> None:
            await process.send(caller, await process.receive())
            limit.reschedule(0)

        yield await process.spawn(cutter, on="local")


class Scripted(GenServer[Any, Any, Any]):
    """Does what its requests say; tells `watcher` what happens to it."""

    async def init(self, watcher: str | None = None, how: str = "ok", arg: object = None) -> Any:
        self.watcher = watcher
        if how == "wait":
            await self.tell(("in init", process.self()))
            await asyncio.Event().wait()
        if how == "raise":
            raise ValueError(arg)
        if how == "exit":
            raise process.ProcessExit(arg)
        return {
            "ok": [],
            "stop": Stop(arg),
            "ignore": IGNORE,
            "bad": Reply(1),
            "continue": Init([], Continue("init")),
            "timeout": Init([], Timeout(0.01)),
        }[how]

    async def tell(self, message: object) -> None:
        if self.watcher is not None:
            await process.send(self.watcher, message)

    async def handle_call(self, request: Any, sender: Sender, /) -> Any:
        match request:
            case ("return", value):
                return value
            case ("raise", error):
                raise error
            case ("exit", reason):
                raise process.ProcessExit(reason)
            case ("wait", watcher):
                await process.send(watcher, ("waiting", sender))
                return await process.receive(match=lambda m: m == "go on")
            case ("block", watcher):
                await process.send(watcher, "blocked")
                await asyncio.Event().wait()
            case ("later", watcher):
                await process.send(watcher, ("reply to", sender))
                return NO_REPLY
            case ("twice", first, second):
                GenServer.reply(sender, first)
                GenServer.reply(sender, second)
                return NO_REPLY
            case ("call", server, inner):
                return await GenServer.call(server, inner)
            case ("meet", server, watcher, seconds):
                await process.send(watcher, ("waiting", sender))
                await process.receive(match=lambda m: m == "go on")
                try:
                    return await GenServer.call(server, ("return", "in time"), seconds)
                except otpnode.CallTimeoutError as error:
                    return str(error)
            case ("gather", server, inner):
                return await asyncio.gather(*(GenServer.call(server, inner) for _ in range(2)))
            case ("then", value, then):
                return Reply(value, then)
            case ("no reply then", then):
                GenServer.reply(sender, None)
                return NoReply(then)
            case ("start", args):
                return await Scripted.start(args)
            case _:
                return request

    async def handle_cast(self, request: Any, /) -> Any:
        match request:
            case ("return", value):
                return value
            case ("raise", error):
                raise error
            case _:
                self.state.append(request)

    async def handle_info(self, message: Any, /) -> Any:
        await self.tell(("info", message))

    async def handle_continue(self, arg: Any, /) -> Any:
        await self.tell(("continue", arg))

    async def terminate(self, reason: Any, /) -> None:
        if reason == "fail in terminate":
            raise RuntimeError("terminate failed")
        await self.tell(("terminate", reason))


class Trapping(Scripted):
    """The same, trapping exits."""

    trap_exits = True


class Plain(GenServer[int, str, int]):
    """All callbacks are plain functions."""

    def init(self, start: int = 0) -> int:
        return start

    def handle_call(self, request: str, sender: Sender, /) -> int:
        self.state += 1
        return self.state

    def handle_cast(self, request: int, /) -> None:
        self.state = request


class Secret(GenServer[str]):
    """Hides its state, or fails to."""

    def init(self, state: str = "password") -> str:
        return state

    def handle_call(self, request: object, sender: Sender, /) -> object:
        raise RuntimeError("crashed on purpose")

    def format_status(self, status: Status, /) -> Status:
        if self.state == "unformatted":
            raise RuntimeError("no format")
        return Status(status.pid, status.behaviour, "***", status.phase, status.reason, status.message)


class Unprintable:
    """Its repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class NoState(GenServer):
    """Sets `self.state` itself and overrides nothing else."""

    def init(self) -> None:
        self.state = "set in init"


async def start_and_report(parent: str, cls: type[GenServer[Any, Any, Any]], args: list[object]) -> None:
    """Start a linked server and tell `parent` what came of it; then wait."""
    try:
        pid = await cls.start_link(args)
    except otpnode.StartError as error:
        await process.send(parent, ("start error", error.reason))
        pid = None
    else:
        await process.send(parent, ("started", pid))
    while await process.receive() != "return":
        pass


async def call_and_report(parent: str, server: str, request: object, timeout: float | None = SOON) -> None:
    """Call, and tell `parent` the reply or the reason."""
    try:
        await process.send(parent, ("reply", await GenServer.call(server, request, timeout)))
    except otpnode.CallExit as error:
        await process.send(parent, ("call exit", error.reason))


async def reply_for(sender: Sender, value: object) -> None:
    """Answer somebody else's call."""
    GenServer.reply(sender, value)


async def hand_made_server() -> None:
    """Serve calls on the bare wire."""
    while True:
        message: Any = await process.receive()
        match message:
            case ("$gen_call", (_, ref), request, chain):
                await process.send(ref, (ref, (request, len(chain))))


async def wordless(place: Birthplace) -> None:
    """A body that never says that it has begun."""
    await asyncio.Event().wait()
