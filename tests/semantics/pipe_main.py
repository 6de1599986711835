"""Run all programs of one module on two OS processes and print what came of each, a JSON line a program."""

from __future__ import annotations

import json
import sys
from typing import cast

import otpnode
from otpnode import process
from otpnode.process import Pid
from tests.semantics.performing import SETTINGS, perform
from tests.semantics.program import Program, programs_of
from tests.support import until

LIMIT = 60.0
"""Seconds a program may take."""


async def failure_of(program: Program) -> str:
    """Run one program beside this process; return why it failed, empty when it did not."""
    finished: list[str] = []
    pid, ref = await process.spawn_monitor(
        perform, [program.module, program.name, finished], {"os_processes": True}, on="local", label=program.name
    )
    try:
        reason = cast("tuple[object, ...]", await process.receive(LIMIT, ref=ref))[4]
    except TimeoutError:
        stuck = await process.process_info(pid, "current")
        await process.exit(pid, "kill")
        await process.receive(ref=ref)
        return f"still running after {LIMIT} s, at {stuck}"
    if reason == "normal":
        return "" if finished else "it was ended half-way"
    return str(getattr(reason, "__otp_traceback__", "") or repr(reason))


async def clear_away() -> str:
    """End what a program has left; return who would not go."""
    mine = process.self()

    async def others_gone() -> bool:
        left: list[Pid] = [pid for pid in process.processes() if pid != mine]
        for pid in left:
            await process.exit(pid, "kill")
        return not left

    try:
        await until(others_gone, "the processes a program left")
        await until(lambda: not process.registered(), "the names a program left")
    except AssertionError as error:
        return f"{error}: {process.processes()} {process.registered()}"
    return ""


async def main(module: str) -> None:
    """Run every program of `module`, one after the other."""
    for program in programs_of(module):
        if program.rule.pending or (program.rule.only and "pipe" not in program.rule.only):
            continue
        failure = await failure_of(program)
        failure = await clear_away() or failure
        print(json.dumps({"name": program.name, "failure": failure}), flush=True)


if __name__ == "__main__":
    otpnode.run(main, sys.argv[1], schedulers=2, **SETTINGS)  # type: ignore[arg-type]
