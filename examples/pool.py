"""A worker pool: ten named workers, the work dealt out round robin.

What it shows: spawning with a name, sending to a pid, and that the order in which
the workers answer does not matter. On several schedulers the workers are spread
over all of them; the program does not know.

    otpnode start --schedulers 2 --app-dir examples pool:main
    python examples/pool.py --schedulers 2
"""

from __future__ import annotations

import argparse

import otpnode
from otpnode import process
from otpnode.pid import Pid

WORKERS = 10
ITEMS = 25


async def worker(coordinator: Pid) -> None:
    """Square numbers for the coordinator, one message each."""
    while True:
        match await process.receive():
            case int(number):
                await process.send(coordinator, ("squared", number, number * number))


async def main(*argv: str) -> None:
    """Deal out the numbers, collect the squares, print them in order."""
    me = process.self()
    workers: list[Pid] = []
    for i in range(WORKERS):
        workers.append(await process.spawn(worker, [me], name=f"worker_{i}"))

    for number in range(ITEMS):
        await process.send(workers[number % len(workers)], number)

    squares: dict[int, int] = {}
    while len(squares) < ITEMS:
        match await process.receive():
            case ("squared", int(number), int(square)):
                squares[number] = square
    for number in sorted(squares):
        print(f"{number} squared is {squares[number]}")

    names = sorted(name for name in process.registered() if name.startswith("worker_"))
    print(f"{len(names)} workers: {', '.join(names)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    otpnode.run(main, schedulers=parser.parse_args().schedulers)
