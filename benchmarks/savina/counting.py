"""Counting: one process sends increments to another and then asks for the sum.

Stresses the rate of messages one way; `messages` is how many increments.
"""

from __future__ import annotations

from benchmarks.savina.program import Program
from otpnode import process


async def counter() -> None:
    """Count increments until somebody asks."""
    count = 0
    while True:
        match await process.receive():
            case "increment":
                count += 1
            case ("retrieve", asker):
                await process.send(asker, count)
                return


async def main(messages: int) -> object:
    """Return what the counter counted."""
    target = await process.spawn_link(counter, on=process.schedulers() - 1)
    for _ in range(messages):
        await process.send(target, "increment")
    await process.send(target, ("retrieve", process.self()))
    return await process.receive()


def answer(messages: int) -> object:
    """Nothing is lost."""
    return messages


PROGRAM = Program(
    "Counting", main, answer, {"messages": 200_000}, {"messages": 500}, erlang="counting", note="on= the last shard"
)
