"""How a program is run as a process, and what is checked around it."""

from __future__ import annotations

import os
from typing import cast

from otpnode import process
from otpnode.process import Ref
from tests.semantics.peers import PEERS, SOON, os_pid
from tests.semantics.program import body_of

SETTINGS: dict[str, object] = {"exit_grace": 0.6, "kill_grace": 0.2, "stop_grace": 0.4}
"""Short graces, so that what refuses to die does not slow the tests."""


async def report_os_pid(answer: Ref) -> None:
    """Say in which OS process this one lives."""
    await process.send(answer, (answer, os_pid()))


async def perform(module: str, name: str, finished: list[str] | None = None, *, os_processes: bool = False) -> None:
    """Run one program, and check that it met a process of another shard unless it is excused.

    Its name is added to `finished` at the end, where there is no other way to see that it was not ended half-way
    with ``'normal'``.
    """
    body, rule = body_of(module, name)
    assert process.self() is not None
    assert process.shard_of(cast(str, process.self())) == 0
    if os_processes:
        answer = process.alias(reply=True)
        await process.spawn(report_os_pid, [answer], on=1)
        other = cast("tuple[object, int]", await process.receive(SOON, ref=answer))[1]
        assert other != os.getpid(), "both shards live in one OS process"
    await body()
    if process.schedulers() > 1 and not rule.alone:
        assert process.get(PEERS), f"{name} never met a process of another shard"
    if finished is not None:
        finished.append(name)
