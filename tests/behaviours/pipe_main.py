"""Be a node of two OS processes that runs, one after another, the programs it is told over a socket."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import sys
import traceback
from typing import cast

import pytest

import otpnode
from otpnode import process
from tests.behaviours.topologies import GRACES, Given, body_of, servers_elsewhere
from tests.semantics.pipe_main import clear_away

LIMIT = 30.0
"""Seconds a program may take."""


async def program(module: str, name: str, given: Given) -> None:
    """Run one program; its failure is the reason, as text."""
    try:
        await body_of(module, name)(**given)
    except (Exception, pytest.fail.Exception):
        raise process.ProcessExit(traceback.format_exc()) from None
    raise process.ProcessExit("finished")


async def failure_of(module: str, name: str, given: Given) -> str:
    """Run one program beside this process; return why it failed, empty when it did not."""
    pid, ref = await process.spawn_monitor(program, [module, name, given], on="local", label=name)
    try:
        reason = cast("tuple[object, ...]", await process.receive(LIMIT, ref=ref))[4]
    except TimeoutError:
        stuck = await process.process_info(pid, "current")
        await process.exit(pid, "kill")
        await process.receive(ref=ref)
        return f"still running after {LIMIT} s, at {stuck}"
    return "" if reason == "finished" else f"it ended with {reason}"


async def main(door: str) -> None:
    """Serve until the line is cut."""
    reader, writer = await asyncio.open_unix_connection(door)
    while line := await reader.readline():
        module, name, given = json.loads(line)
        failure = await failure_of(module, name, pickle.loads(base64.b64decode(given)))
        answer = [failure, await clear_away()]
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def serve(door: str) -> None:
    """Be main, on shard 0."""
    with servers_elsewhere():
        await main(door)


if __name__ == "__main__":
    otpnode.run(serve, sys.argv[1], schedulers=2, log_level="critical", **GRACES)
