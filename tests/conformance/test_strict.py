"""Strict mode: one loop copies and refuses what shards would (SD-06, SD-07, SH-09)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from otpnode import UnserializableError, node, process
from otpnode.config import NodeConfig
from otpnode.scheduler.loopback_node import LoopbackNode
from tests.semantics.peers import collect, there
from tests.semantics.programs.payloads import MATRIX, generating, same
from tests.support import drive, in_process
from tests.transport.shapes import Plain, Undumpable, Unloadable

STRAYS: tuple[Callable[[], object], ...] = (
    lambda: lambda: 1,
    asyncio.Lock,
    lambda: memoryview(b"view"),
    Undumpable,
    generating,
    lambda: [{"nested": (asyncio.Event(),)}],
)
"""What cannot travel."""


def strictly(body: Callable[[], Awaitable[object]]) -> object:
    """Run `body` as a process of one loop in strict mode."""

    async def main() -> object:
        async with node(exit_grace=0.5, kill_grace=0.2, copy_messages=True) as local:
            return await in_process(local.shard, body)

    return drive(main)


def sharded(body: Callable[[], Awaitable[object]]) -> object:
    """Run `body` as a process of two shards in memory."""

    async def main() -> object:
        async with LoopbackNode(NodeConfig(exit_grace=0.5, kill_grace=0.2), shards=2) as pair:
            return await in_process(pair.shard, body)

    return drive(main)


async def outcomes() -> list[object]:
    """Send everything to a peer, and return what arrived or which error was raised."""
    told: list[object] = []
    answer = process.alias()
    pid = await process.spawn(collect, [answer, len(MATRIX) + 1], on=there())
    for value in MATRIX:
        await process.send(pid, value)
    for make in STRAYS:
        try:
            await process.send(pid, make())
        except UnserializableError as error:
            told.append(type(error))
        else:
            told.append("sent")
    await process.send(pid, "last")
    got = await process.receive(5, ref=answer)
    return [*told, got[1]]  # type: ignore[index]


@pytest.mark.rule("SH-09", "SD-06", "SD-07", on="one")
def test_sh09_strict_mode_gives_the_outcomes_of_shards() -> None:
    strict, shards = strictly(outcomes), sharded(outcomes)
    assert isinstance(strict, list)
    assert isinstance(shards, list)
    assert strict[:-1] == shards[:-1] == [UnserializableError] * len(STRAYS)
    assert len(strict[-1]) == len(shards[-1]) == len(MATRIX) + 1
    for value, one, two in zip(MATRIX, strict[-1], shards[-1], strict=False):
        assert same(value, one), value
        assert same(value, two), value


async def aliasing() -> bool:
    """Tell whether a receiver gets the sender's own object."""
    answer = process.alias()
    held = Plain([1])
    pid = await process.spawn(collect, [answer, 1], on="local")
    await process.send(pid, held)
    got = await process.receive(5, ref=answer)
    return got[1][0] is held  # type: ignore[index]


async def undecodable() -> list[object]:
    """Send what cannot be decoded, then something that can; return what arrived and what was raised."""
    answer = process.alias()
    pid = await process.spawn(collect, [answer, 1], on="local")
    try:
        await process.send(pid, Unloadable())
    except Exception as error:
        raised: object = type(error).__name__
    else:
        raised = None
    await process.send(pid, "next")
    got = await process.receive(5, ref=answer)
    return [raised, got[1]]  # type: ignore[index]


@pytest.mark.rule("SD-06", on="one")
def test_sd06_strict_mode_copies() -> None:
    assert strictly(aliasing) is False


@pytest.mark.rule("SD-07", on="one")
def test_sd07_strict_mode_drops_what_cannot_be_decoded_as_shards_do() -> None:
    assert strictly(undecodable) == [None, ["next"]]
