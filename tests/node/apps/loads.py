"""A node under load: both shards compute, and flood each other."""

from __future__ import annotations

from otpnode import process
from otpnode.process import Pid
from tests.node.apps.tools import idle


async def compute() -> None:
    """Compute without ever awaiting."""
    number = 1
    while True:
        number = (number * 48271) % 2147483647


async def flood(to: Pid) -> None:
    while True:
        await process.send(to, ("block", b"x" * 5000))


async def drink() -> None:
    while True:
        await process.receive()


async def main(computing: str) -> None:
    """Flood in both directions; then, if asked to, block every shard in computation."""
    for source, target in ((0, 1), (1, 0)):
        await process.spawn(flood, [await process.spawn(drink, on=target)], on=source)
    print("loaded", flush=True)
    if computing == "yes":
        await process.spawn(compute, on=1)
        await compute()
    await idle()
