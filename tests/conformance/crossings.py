"""What comes of everything that is sent to another process: the same list wherever the two live."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from otpnode import ProcessExit, process
from otpnode.process import Pid, Ref
from otpnode.process.carry import carried_values
from otpnode.transport.payload import dumps, dumps_call
from tests.semantics.peers import SOON, collect, down, linger, there
from tests.semantics.programs.payloads import MATRIX, generating
from tests.transport.shapes import Undumpable, Unloadable

CAP = 40_000
"""The ``max_message`` of these nodes."""

SIZES = (CAP - 1, CAP, CAP + 1)

STRAYS: tuple[Callable[[], object], ...] = (
    lambda: lambda: 1,
    asyncio.Lock,
    lambda: memoryview(b"view"),
    Undumpable,
    generating,
    lambda: [{"nested": (asyncio.Event(),)}],
)
"""What cannot travel."""

Row = tuple[object, ...]


def of_size(size: int) -> bytes:
    """Return a message that takes `size` bytes on its way."""
    message = b"x" * (size - 3)
    assert len(dumps(message)) == size
    return message


def argument_of(size: int) -> bytes:
    """Return the argument with which a spawn of `idle_with` takes `size` bytes."""
    beside = len(dumps_call(idle_with, (b"x" * 1000,), {}, carried_values())) - 1000
    argument = b"x" * (size - beside)
    assert len(dumps_call(idle_with, (argument,), {}, carried_values())) == size
    return argument


async def idle_with(what: object) -> None:
    """Have an argument."""
    await linger()


async def leave_with(size: int) -> None:
    """Die of a reason that takes `size` bytes."""
    raise ProcessExit(of_size(size))


async def leave_with_a_lambda() -> None:
    """Die of what cannot travel."""
    raise ProcessExit(lambda: 1)


async def tried(call: Awaitable[object]) -> str:
    """Say which error a call raised."""
    try:
        await call
    except Exception as error:
        return type(error).__name__
    return "done"


async def nowait(target: Pid | Ref, message: object) -> None:
    """Send without waiting; there is room."""
    assert process.send_nowait(target, message)


async def measure(answer: Ref) -> None:
    """Receive until an empty message, and report how long the others were."""
    lengths: list[int] = []
    while message := cast(bytes, await process.receive()):
        lengths.append(len(message))
    await process.send(answer, (answer, "lengths", *lengths))


async def messages() -> list[Row]:
    """Send everything that travels, what does not, and what is too large, by every way."""
    told: list[Row] = []
    answer = process.alias()
    pid = await process.spawn(measure, [answer], on=there())
    for send in (process.send, nowait):
        told += [(send.__name__, await tried(send(pid, make()))) for make in STRAYS]
        told += [(send.__name__, size, await tried(send(pid, of_size(size)))) for size in SIZES]
    await process.send(pid, b"")
    told.append(cast(Row, await process.receive(SOON, ref=answer))[1:])
    await process.spawn(send_sizes, [process.alias(), answer], on=there())
    told.append(cast(Row, await process.receive(SOON, ref=answer))[1:])
    pid = await process.spawn(collect, [answer, len(MATRIX)], on=there())
    told.append(("undecodable", await tried(process.send(pid, Unloadable()))))
    for value in MATRIX:
        await process.send(pid, value)
    told.append(("got", *cast("tuple[Ref, list[object]]", await process.receive(SOON, ref=answer))[1]))
    return told


async def send_sizes(gate: Ref, answer: Ref) -> None:
    """Send to an alias of another process, and say what came of it."""
    told = [await tried(process.send(gate, of_size(size))) for size in SIZES]
    await process.send(answer, (answer, "alias", *told))


async def spawns() -> list[Row]:
    """Spawn with arguments of every size, and with one that cannot be decoded."""
    told: list[Row] = []
    process.process_flag("trap_exits", True)
    for spawn in (process.spawn, process.spawn_link, process.spawn_monitor):
        for size in SIZES:
            told.append((spawn.__name__, size, await tried(spawn(idle_with, [argument_of(size)], on=there()))))
        told.append((spawn.__name__, await tried(spawn(idle_with, [Unloadable()], on=there()))))
    told.append(("links", len(cast("list[Pid]", await process.process_info(cast(Pid, process.self()), "links")))))
    return told


async def reasons() -> list[Row]:
    """Send exit signals and die, with reasons of every size and kind."""
    told: list[Row] = []
    for size in SIZES:
        pid, ref = await process.spawn_monitor(linger, on=there())
        told.append(("exit", size, await tried(process.exit(pid, of_size(size))), shown(await down(ref))))
        _, ref = await process.spawn_monitor(leave_with, [size], on=there())
        told.append(("death", size, shown(await down(ref))))
    pid, ref = await process.spawn_monitor(linger, on=there())
    told += [("exit", await tried(process.exit(pid, make()))) for make in STRAYS]
    told.append(("exit", await tried(process.exit(pid, Unloadable())), shown(await down(ref))))
    _, ref = await process.spawn_monitor(leave_with_a_lambda, on=there())
    told.append(("death", shown(await down(ref))))
    return told


def shown(reason: object) -> object:
    """Leave out of a reason what differs from run to run."""
    if isinstance(reason, tuple) and reason[0] in ("unserializable", "undecodable"):
        return reason[0]
    return reason if isinstance(reason, tuple) else len(cast(bytes, reason))


async def crossings() -> list[Row]:
    """Return what came of all of it."""
    return [*await messages(), *await spawns(), *await reasons()]
