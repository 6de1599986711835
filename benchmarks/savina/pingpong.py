"""PingPong: two processes and one message between them.

Stresses the latency of a message; `pings` is how many are answered.
"""

from __future__ import annotations

from benchmarks.savina.program import Program
from otpnode import process


async def pong(partner: str) -> None:
    """Answer pings, and say at the end how many."""
    answered = 0
    while await process.receive() == "ping":
        answered += 1
        await process.send(partner, "pong")
    await process.send(partner, answered)


async def main(pings: int) -> object:
    """Return the pongs that came and the pings that were answered."""
    partner = await process.spawn_link(pong, [process.self()], on=process.schedulers() - 1)
    came = 0
    for _ in range(pings):
        await process.send(partner, "ping")
        came += await process.receive() == "pong"
    await process.send(partner, "stop")
    return [came, await process.receive()]


def answer(pings: int) -> object:
    """Every ping has its pong."""
    return [pings, pings]


PROGRAM = Program(
    "PingPong", main, answer, {"pings": 40_000}, {"pings": 20}, erlang="pingpong", note="on= the last shard"
)
