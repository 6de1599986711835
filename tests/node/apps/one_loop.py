"""A script that runs on one loop and computes without ever awaiting, in as many ways as it has mains."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import cast

import otpnode
from otpnode import Task, process


def tell_of_presses() -> None:
    """Print a line for each SIGINT that has come through to Python, which otherwise merges two that come at once."""
    handler = cast("Callable[[int, FrameType | None], None]", signal.getsignal(signal.SIGINT))

    def pressed(number: int, frame: FrameType | None) -> None:
        print("pressed", flush=True)
        handler(number, frame)

    signal.signal(signal.SIGINT, pressed)


def compute(number: int) -> None:
    print("computing", number, flush=True)
    while True:
        number += 1


async def compute_later(number: int) -> None:
    await asyncio.sleep(0)
    compute(number)


async def items() -> None:
    tell_of_presses()
    await Task.map(compute, range(20), max_concurrency=5)


async def processes() -> None:
    tell_of_presses()
    for number in range(5):
        await process.spawn(compute_later, [number])
    await asyncio.sleep(600)


async def children() -> None:
    tell_of_presses()
    await asyncio.gather(*(compute_later(number) for number in range(5)))


async def refuses() -> None:
    tell_of_presses()
    print("computing nothing", flush=True)
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("swallowed", flush=True)


async def swallows() -> None:
    tell_of_presses()
    while True:
        try:
            compute(0)
        except BaseException:
            print("swallowed", flush=True)


if __name__ == "__main__":
    try:
        otpnode.run(globals()[sys.argv[1]], loop=sys.argv[2], stop_grace=600)
    except KeyboardInterrupt:
        print("KeyboardInterrupt at the caller", flush=True)
        raise
