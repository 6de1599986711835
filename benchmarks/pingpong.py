"""Does a message between two processes cost less than one between two asyncio tasks?

Two processes of one shard play ping-pong through `otpnode.run` and the public verbs,
with the default mailbox limit; two asyncio tasks do so over a deque and a future,
under uvloop, which is about the cheapest mailbox asyncio allows. Every case runs in a
fresh interpreter and the two take turns, so that a slow minute of the machine meets
both; the median of the rounds counts.

    python benchmarks/pingpong.py [--rounds 5] [--json FILE] [--at-least 1.5]

Read the ratio, not the rates: these change with the machine. A message is one
`send` and the `receive` that takes it; a round trip is two.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

import otpnode
from otpnode import process
from otpnode.pid import Pid

MESSAGES = 200_000


# -- the yardstick: two tasks, each with a deque and a future -------------------


class Box:
    """A mailbox of the least code."""

    __slots__ = ("fut", "loop", "q")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.q: collections.deque[int] = collections.deque()
        self.fut: asyncio.Future[None] | None = None
        self.loop = loop

    def put(self, m: int) -> None:
        self.q.append(m)
        f = self.fut
        if f is not None:
            self.fut = None
            if not f.done():
                f.set_result(None)

    async def get(self) -> int:
        if not self.q:
            self.fut = f = self.loop.create_future()
            await f
        return self.q.popleft()


async def send_to(box: Box, m: int) -> None:
    """Put, as a coroutine, because `send` is one too."""
    box.put(m)


async def pingpong_asyncio(messages: int) -> float:
    """Return messages per second of two asyncio tasks."""
    loop = asyncio.get_running_loop()
    a, b = Box(loop), Box(loop)

    async def pong() -> None:
        for _ in range(messages // 2):
            m = await b.get()
            await send_to(a, m)

    task = loop.create_task(pong())
    began = time.perf_counter()
    for i in range(messages // 2):
        await send_to(b, i)
        await a.get()
    took = time.perf_counter() - began
    await task
    return messages / took


def run_asyncio(messages: int) -> float:
    """Run the yardstick under uvloop."""
    return uvloop.run(pingpong_asyncio(messages))


# -- otpnode ----------------------------------------------------------------------


async def pong_process(partner: Pid, messages: int) -> None:
    """Answer every message with itself."""
    for _ in range(messages // 2):
        m = await process.receive()
        await process.send(partner, m)


async def ping_process(messages: int) -> float:
    """Return messages per second of two processes of this shard."""
    pong, ref = await process.spawn_monitor(pong_process, [process.self(), messages], on="local")
    began = time.perf_counter()
    for i in range(messages // 2):
        await process.send(pong, i)
        await process.receive()
    took = time.perf_counter() - began
    await process.receive(ref=ref)
    return messages / took


def run_otpnode(messages: int) -> float:
    """Run the two processes in one loop."""
    return float(otpnode.run(ping_process, messages))


# -- taking turns -----------------------------------------------------------------

CASES = {"asyncio": run_asyncio, "otpnode": run_otpnode}


def in_fresh_interpreter(case: str, messages: int) -> float:
    """Run one case in an interpreter of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--messages", str(messages)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(rounds: int, messages: int) -> dict[str, Any]:
    """Let the cases take turns; return rates, medians and the ratio of the medians."""
    rates: dict[str, list[float]] = {case: [] for case in CASES}
    for _ in range(rounds):
        for case in CASES:
            rates[case].append(in_fresh_interpreter(case, messages))
    medians = {case: statistics.median(values) for case, values in rates.items()}
    return {
        "question": "local ping-pong, messages per second",
        "python": platform.python_version(),
        "machine": platform.platform(),
        "messages": messages,
        "rates": rates,
        "median": medians,
        "ratio": medians["otpnode"] / medians["asyncio"],
    }


def main() -> int:
    """Measure and print; return 1 when the ratio is lower than asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both cases (%(default)s)")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="messages of a round (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--at-least", type=float, default=0.0, metavar="RATIO", help="fail below this ratio")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(CASES[options.case](options.messages))
        return 0
    result = measure(options.rounds, options.messages)
    for case, values in result["rates"].items():
        spread = f"{min(values):,.0f} … {max(values):,.0f}"
        print(f"{case:<9}{result['median'][case]:>12,.0f} messages/s   ({spread}, {len(values)} rounds)")
    print(f"ratio {result['ratio']:.2f}")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2), encoding="utf-8")
    return 0 if result["ratio"] >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
