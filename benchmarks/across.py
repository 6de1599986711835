"""What does a message between two shards cost, beside a bare socket pair with msgspec?

The yardstick has no limits, no credits, no exact types, no order between several links
and no answer to the death of the other side; it batches a flood once a turn of the
loop and writes a ping at once.

    python benchmarks/across.py [--rounds 5] [--only pingpong|flood|bytes|boot] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import yardsticks
from harness import Case, Question, main

import otpnode
from otpnode import process
from otpnode.pid import Pid

PINGS = 40_000
FLOOD = 200_000
BIG = 100_000_000
MESSAGE = ("flood", 12345, "hello world", 3.5)


def elsewhere() -> int:
    """Return the number of the other shard."""
    return 1 - process.shard_of(process.self() or "")


async def pong(partner: Pid, messages: int) -> None:
    """Answer every message with itself."""
    for _ in range(messages // 2):
        message = await process.receive()
        await process.send(partner, message)


async def ping(messages: int) -> float:
    """Return messages per second between two processes of two shards."""
    warm_up = 400
    partner, ref = await process.spawn_monitor(pong, [process.self(), messages + warm_up], on=elsewhere())
    for _ in range(warm_up // 2):
        await process.send(partner, MESSAGE)
        await process.receive()
    began = perf_counter()
    for _ in range(messages // 2):
        await process.send(partner, MESSAGE)
        await process.receive()
    took = perf_counter() - began
    await process.receive(ref=ref)
    return messages / took


async def taker(messages: int) -> None:
    """Take every message."""
    for _ in range(messages):
        await process.receive()


async def flood(messages: int, unlimited: bool) -> float:
    """Return messages per second to the other shard, to the last one taken."""
    limit = {"mailbox_limit": None} if unlimited else {}
    target, ref = await process.spawn_monitor(taker, [messages], on=elsewhere(), **limit)
    began = perf_counter()
    for _ in range(messages):
        await process.send(target, MESSAGE)
    await process.receive(ref=ref)
    return messages / (perf_counter() - began)


async def big(size: int) -> float:
    """Return seconds for `size` bytes to the other shard, to the word that they are there."""
    payload = b"x" * size
    target = await process.spawn(answer_sizes, [process.self()], on=elsewhere())
    figures = []
    for _ in range(4):
        began = perf_counter()
        await process.send(target, payload)
        await process.receive()
        figures.append(perf_counter() - began)
    return sorted(figures[1:])[1]


async def answer_sizes(partner: Pid) -> None:
    """Say how long each message is."""
    while True:
        message = await process.receive()
        await process.send(partner, len(message))  # type: ignore[arg-type]


async def ready() -> None:
    """Be a main that has nothing to do."""


def boot() -> float:
    """Return seconds from the start of an interpreter to the end of an empty main on 8 shards."""
    began = perf_counter()
    program = "import otpnode, across; otpnode.run(across.ready, schedulers=8)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).resolve().parent)
    return perf_counter() - began


def on_two_shards(program: object, *args: object) -> float:
    """Run a program as main of a node of two shards."""
    return float(otpnode.run(program, *args, schedulers=2, max_message=2 * BIG))  # type: ignore[arg-type]


QUESTIONS = {
    "pingpong": Question(
        "cross-shard ping-pong",
        "messages/s",
        {
            "otpnode": Case(lambda: on_two_shards(ping, PINGS)),
            "socket pair + msgspec": Case(lambda: yardsticks.over_a_socket_pair("pingpong", PINGS)),
        },
        [("otpnode", "socket pair + msgspec", 4.0)],
    ),
    "flood": Question(
        "cross-shard flood of a 4-field tuple",
        "messages/s",
        {
            "otpnode": Case(lambda: on_two_shards(flood, FLOOD, False)),
            "otpnode, unlimited": Case(lambda: on_two_shards(flood, FLOOD, True), note="mailbox_limit=None"),
            "socket pair + msgspec": Case(lambda: yardsticks.over_a_socket_pair("flood", FLOOD)),
        },
        [("otpnode", "socket pair + msgspec", 0.25), ("otpnode, unlimited", "socket pair + msgspec", 0.4)],
    ),
    "bytes": Question(
        "100 MB of bytes across shards",
        "s",
        {
            "otpnode": Case(lambda: on_two_shards(big, BIG), note="max_message=200 MB"),
            "socket pair": Case(lambda: yardsticks.bytes_over_a_socket_pair(BIG)),
        },
        [("otpnode", "socket pair", 1 / 1.5)],
        less=True,
    ),
    "boot": Question(
        "8 shards, from the start of the interpreter to the end of an empty main (budget 1 s to ready)",
        "s",
        {"otpnode": Case(boot)},
        less=True,
    ),
}

if __name__ == "__main__":
    sys.exit(main(__file__, QUESTIONS))
