"""What runs inside a node: one program, warmed up, in the first process."""

from __future__ import annotations

from benchmarks.savina.program import TINY
from benchmarks.savina.suite import PROGRAMS


async def measure(name: str, scale: str) -> float:
    """Return the seconds a program takes, after a tiny run of it."""
    await PROGRAMS[name].run(TINY)
    return await PROGRAMS[name].run(scale)


async def main(name: str, scale: str) -> None:
    """Print them, for ``otpnode start``."""
    print(await measure(name, scale), flush=True)
