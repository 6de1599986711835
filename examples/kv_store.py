"""A key-value store on every core: one part of the keys per shard, and it survives the loss of one.

What it shows: a `PartitionSupervisor` with one `GenServer` a shard; clients that find the
right one by the key alone; a load generator; and what happens when a shard is killed in
the middle: its part of the keys is lost with it (this store keeps them in memory), its
partition comes back on a live shard, and clients see an error for the calls that were
under way and for no others.

    python examples/kv_store.py --schedulers 4
    python examples/kv_store.py                        # the same on one event loop
    otpnode start --schedulers 4 --app-dir examples kv_store:main -- --seconds 5
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import cast

import otpnode
from otpnode import CallExit, GenServer, PartitionSupervisor, Sender, child, process
from otpnode.pid import Pid

STORE = "store"
CLIENTS = 8
KEYS = 5000


@dataclass(frozen=True)
class Get:
    """Asks for a value; None when there is none."""

    key: str


@dataclass(frozen=True)
class Put:
    """Sets a value; answered with the one before."""

    key: str
    value: int


@dataclass(frozen=True)
class Size:
    """Asks how many keys there are here."""


class Part(GenServer[dict[str, int], Get | Put | Size, int | None]):
    """One part of the keys."""

    def init(self) -> dict[str, int]:
        """Begin empty."""
        return {}

    def handle_call(self, request: Get | Put | Size, sender: Sender, /) -> int | None:
        """Serve a request."""
        match request:
            case Get(key):
                return self.state.get(key)
            case Put(key, value):
                before = self.state.get(key)
                self.state[key] = value
                return before
            case Size():
                return len(self.state)


async def get(key: str) -> int | None:
    """Look a key up."""
    return await Part.call(PartitionSupervisor.via(STORE, key), Get(key))


async def put(key: str, value: int) -> int | None:
    """Set a key."""
    return await Part.call(PartitionSupervisor.via(STORE, key), Put(key, value))


async def client(number: int, seconds: float, report_to: Pid) -> None:
    """Put and get, again and again; a value must be the one put last, or lost with its shard, never another."""
    mine: dict[str, int] = {}
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        turn += 1
        key = f"{number}/{turn % KEYS}"
        try:
            await put(key, turn)
            mine[key] = turn
            other = f"{number}/{turn * 7 % KEYS}"
            found = await get(other)
        except CallExit as error:
            # Its partition died, or is just being started again: a client of a real store would try once more.
            counts[f"failed: {error.reason}"] += 1
            mine.pop(key, None)
            await process.sleep(0.01)
            continue
        counts["calls"] += 2
        if other in mine and found is None:
            counts["lost"] += 1
            del mine[other]
        elif other in mine and found != mine[other]:
            counts["wrong"] += 1
    await process.send(report_to, ("client", dict(counts)))


async def where() -> tuple[int, ...]:
    """Return the shard of each partition; -1 for one that is down."""
    infos = reversed(await PartitionSupervisor.which_children(STORE))
    return tuple(process.shard_of(info.pid) if process.is_alive(str(info.pid)) else -1 for info in infos)  # type: ignore[arg-type]


async def os_pid(report_to: Pid) -> None:
    """Tell in which OS process this shard runs."""
    await process.send(report_to, ("os pid", os.getpid()))


async def kill_partition(number: int) -> str:
    """Kill the shard of a partition with SIGKILL; on one loop, where it is everybody's, the partition alone."""
    pid = process.whereis(f"{STORE}/{number}")
    if pid is None:
        return "nothing: it was down"
    if process.shard_of(pid) == process.shard_of(cast(Pid, process.self())):
        await process.exit(pid, "kill")
        return f"partition {number}"
    await process.spawn(os_pid, [process.self()], on=pid)
    _, victim = cast("tuple[str, int]", await process.receive(5.0, lambda m: isinstance(m, tuple) and m[0] == "os pid"))
    os.kill(victim, signal.SIGKILL)
    return f"shard {process.shard_of(pid)}"


async def main(*argv: str) -> None:
    """Start the store and its clients, kill a part in the middle, and report."""
    parser = argparse.ArgumentParser(prog="kv_store")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long the load lasts (%(default)s)")
    parser.add_argument("--json", help="write the result here, too")
    options = parser.parse_args(argv)

    shards = process.schedulers()
    parts = max(shards, 2)
    await PartitionSupervisor.start_link([child(Part)], partitions=parts, name=STORE)
    print(f"{parts} partitions on shards {await where()}")
    me = cast(Pid, process.self())
    for number in range(CLIENTS):
        # Clients stay where they can outlive what is killed.
        await process.spawn(client, [number, options.seconds, me], on="local")
    await process.sleep(options.seconds / 2)
    killed = await kill_partition(parts - 1)
    print(f"killed {killed}")
    total: Counter[str] = Counter()
    for _ in range(CLIENTS):
        _, counts = cast("tuple[str, dict[str, int]]", await process.receive())
        total.update(counts)

    print(f"{total['calls'] / options.seconds:,.0f} calls/s, {dict(total)}")
    print(f"{parts} partitions on shards {await where()}")
    infos = await PartitionSupervisor.which_children(STORE)
    sizes = [await Part.call(f"{STORE}/{number}", Size()) for number in range(parts)]
    print(f"keys: {sizes}; restarts: {sum(info.restarts for info in infos)}")
    await PartitionSupervisor.stop(STORE)
    if options.json:
        result = {"total": total, "restarts": sum(info.restarts for info in infos), "sizes": sizes, "killed": killed}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    options, rest = parser.parse_known_args()
    otpnode.run(main, *rest, schedulers=options.schedulers)
