"""What does a call to a server cost, beside a call to an actor of xoscar, and beside other peers?

`GenServer.call` is a monitor, an alias, a request, a reply and the end of the monitor:
the caller's mailbox is untouched and a late reply vanishes. xoscar's local call is a
direct call of a method compiled by Cython, its call across processes goes over a
socket of the loopback interface. An actor of Pykka is a thread, one of Thespian an OS
process; a `ProcessPoolExecutor` calls a function, of a worker that keeps no state.

    python benchmarks/calls.py [--rounds 5] [--only local|across] [--json FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import standard
from harness import Case, Question, main

import otpnode
from otpnode import GenServer, Sender, process

CALLS = 50_000


class Echo(GenServer[None, int, int]):
    """Answers with the request."""

    def handle_call(self, request: int, sender: Sender, /) -> int:
        return request


async def caller(on: str | int, calls: int) -> float:
    """Return calls per second to a server that lives at `on`."""
    server = await Echo.start_link(on=on)
    for number in range(calls // 10):
        await Echo.call(server, number)
    began = perf_counter()
    for number in range(calls):
        await Echo.call(server, number)
    return calls / (perf_counter() - began)


def local() -> float:
    """Caller and server on one loop."""
    return float(otpnode.run(caller, "local", CALLS))


async def from_here(calls: int) -> float:
    """Call a server on the other shard."""
    here = process.shard_of(process.self() or "")
    return await caller(1 - here, calls)


def across() -> float:
    """Caller and server on two shards."""
    return float(otpnode.run(from_here, CALLS, schedulers=2))


QUESTIONS = {
    "local": Question(
        "GenServer.call, same shard",
        "calls/s",
        {
            "otpnode": Case(local),
            "otpnode, pure Python": Case(local, note="OTPNODE_PURE=1", pure=True),
            "xoscar": Case(["with_xoscar.py", "local"], peer="xoscar"),
            "otpylib": Case(["with_otpylib.py", "call"], peer="otpylib", note="under uvloop; a server with a name"),
            "Pykka": Case(["with_pykka.py", "ask"], peer="pykka", note="ask a thread"),
        },
        [("otpnode", "xoscar", 0.8)],
    ),
    "across": Question(
        "GenServer.call, across shards",
        "calls/s",
        {
            "otpnode": Case(across),
            "xoscar": Case(["with_xoscar.py", "across"], peer="xoscar"),
            "ProcessPoolExecutor": Case(lambda: standard.worker_calls(CALLS // 10), note="submit, result; one worker"),
            "Thespian": Case(["with_thespian.py"], peer="thespian", note="ask, multiprocTCPBase", slow=True),
        },
        [("otpnode", "xoscar", 10.0)],
    ),
}

if __name__ == "__main__":
    sys.exit(main(__file__, QUESTIONS))
