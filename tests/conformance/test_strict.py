"""Strict mode: one loop copies and refuses what shards would (SD-06, SD-07, SH-09)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from otpnode import node, process, run
from otpnode.config import NodeConfig
from otpnode.scheduler.loopback_node import LoopbackNode
from tests.conformance.crossings import CAP, Row, crossings
from tests.semantics.peers import collect
from tests.semantics.programs.payloads import MATRIX, same
from tests.support import drive, in_process
from tests.transport.shapes import Plain, Unloadable

Body = Callable[[], Awaitable[object]]


def strictly(body: Body) -> object:
    """Run `body` as a process of one loop in strict mode."""

    async def main() -> object:
        async with node(exit_grace=0.5, kill_grace=0.2, copy_messages=True, max_message=CAP) as local:
            return await in_process(local.shard, body)

    return drive(main)


def sharded(body: Body) -> object:
    """Run `body` as a process of two shards in memory."""

    async def main() -> object:
        async with LoopbackNode(NodeConfig(exit_grace=0.5, kill_grace=0.2, max_message=CAP), shards=2) as pair:
            return await in_process(pair.shard, body)

    return drive(main)


def on_os_processes(body: Body) -> object:
    """Run `body` as a process of two OS processes."""
    return run(body, schedulers=2, exit_grace=0.5, kill_grace=0.2, max_message=CAP)


@pytest.mark.rule("SH-09", "SD-06", "SD-07", on="one")
@pytest.mark.parametrize("shards", [sharded, on_os_processes])
def test_sh09_strict_mode_gives_the_outcomes_of_shards(shards: Callable[[Body], object]) -> None:
    strict, expected = (cast("list[Row]", each(crossings)) for each in (strictly, shards))
    assert [row for row in strict if row[0] != "got"] == [row for row in expected if row[0] != "got"]
    for rows in (strict, expected):
        ((_, *got),) = [row for row in rows if row[0] == "got"]
        assert len(got) == len(MATRIX)
        for value, copy in zip(MATRIX, got, strict=True):
            assert same(value, copy), value


@pytest.mark.parametrize("shards", [strictly, sharded])
def test_what_is_over_the_cap_is_refused_and_what_is_at_it_is_not(shards: Callable[[Body], object]) -> None:
    told = cast("list[Row]", shards(crossings))
    for verb in ("send", "nowait", "spawn", "spawn_link", "spawn_monitor"):
        assert [row[2] for row in told if row[0] == verb and len(row) == 3] == ["done", "done", "MessageTooLargeError"]
    assert ("alias", "done", "done", "MessageTooLargeError") in told
    assert ("lengths", CAP - 4, CAP - 3, CAP - 4, CAP - 3) in told
    assert ("links", 2) in told
    assert ("exit", CAP + 1, "done", ("too_large", "bytes", CAP + 1)) in told
    assert ("death", CAP + 1, ("too_large", "bytes", CAP + 1)) in told
    assert {row[1] for row in told if row[0] in ("send", "nowait") and len(row) == 2} == {"UnserializableError"}


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
