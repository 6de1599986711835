"""What does a message between two shards cost, beside a bare socket pair with msgspec, and beside its peers?

The yardstick has no limits, no credits, no exact types, no order between several links
and no answer to the death of the other side; it batches a flood once a turn of the
loop and writes a ping at once.

    python benchmarks/across.py [--rounds 5] [--only QUESTION] [--json FILE]

Questions: pingpong, stranger, flood, fan_in, broadcast, megabytes, buffer, bytes, boot.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import standard
import yardsticks
from harness import Case, Question, main

import otpnode
from otpnode import process
from otpnode.pid import Pid

PINGS = 40_000
FLOOD = 200_000
BIG = 100_000_000
MEGABYTE = 1 << 20
SENDERS = 3
LISTENERS = 1000
MESSAGE = ("flood", 12345, "hello world", 3.5)
TWO_NODES = "two nodes over TCP, +S 1 each"


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


class Samples:
    """What a NumPy array is to pickle: a buffer that may travel beside it."""

    def __init__(self, data: bytearray) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Samples, (pickle.PickleBuffer(self.data),)


async def round_trips(payload: object, times: int) -> float:
    """Return the median of seconds for `payload` to the other shard, to the word that it is there."""
    target = await process.spawn(answer_sizes, [process.self()], on=elsewhere())
    figures = []
    for _ in range(times):
        began = perf_counter()
        await process.send(target, payload)
        await process.receive()
        figures.append(perf_counter() - began)
    return sorted(figures)[times // 2]


async def megabytes() -> float:
    """Return seconds for a megabyte of bytes."""
    return await round_trips(b"x" * MEGABYTE, 101)


async def buffer() -> float:
    """Return seconds for an object with a buffer of 10 MB."""
    return await round_trips(Samples(bytearray(BIG // 10)), 11)


async def array() -> float:
    """Return seconds for a NumPy array of 10 MB."""
    import numpy as np

    return await round_trips(np.arange(BIG // 80, dtype="f8"), 11)


async def sender(target: Pid, messages: int) -> None:
    """Send so many."""
    for _ in range(messages):
        await process.send(target, MESSAGE)


async def fan_in(messages: int) -> float:
    """Return messages per second from several shards to one process."""
    others = [shard for shard in range(SENDERS + 1) if shard != process.shard_of(process.self() or "")]
    began = perf_counter()
    for shard in others:
        await process.spawn(sender, [process.self(), messages // SENDERS], on=shard)
    for _ in range(messages // SENDERS * SENDERS):
        await process.receive()
    return messages / (perf_counter() - began)


async def listener(partner: Pid, messages: int) -> None:
    """Take so many and say so."""
    for _ in range(messages):
        await process.receive()
    await process.send(partner, "done")


async def broadcast(rounds: int) -> float:
    """Return messages per second from one process to many on the other shard, a message for each in turn."""
    targets = [await process.spawn(listener, [process.self(), rounds], on=elsewhere()) for _ in range(LISTENERS)]
    began = perf_counter()
    for _ in range(rounds):
        for target in targets:
            await process.send(target, MESSAGE)
    for _ in targets:
        await process.receive()
    return rounds * LISTENERS / (perf_counter() - began)


async def ready() -> None:
    """Be a main that has nothing to do."""


def boot() -> float:
    """Return seconds from the start of an interpreter to the end of an empty main on 8 shards."""
    began = perf_counter()
    program = "import otpnode, across; otpnode.run(across.ready, schedulers=8)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).resolve().parent)
    return perf_counter() - began


def on_shards(shards: int, program: object, *args: object) -> float:
    """Run a program as main of a node of so many shards."""
    return float(otpnode.run(program, *args, schedulers=shards))  # type: ignore[arg-type]


@contextmanager
def a_stranger() -> Iterator[None]:
    """Have another OS process keep one CPU busy meanwhile."""
    stranger = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        stranger.kill()
        stranger.wait()


def beside_a_stranger(measured: Callable[[], float]) -> float:
    """Measure something beside a busy stranger."""
    with a_stranger():
        return measured()


def on_two_shards(program: object, *args: object) -> float:
    """Run a program as main of a node of two shards."""
    return on_shards(2, program, *args)


QUESTIONS = {
    "pingpong": Question(
        "cross-shard ping-pong",
        "messages/s",
        {
            "otpnode": Case(lambda: on_two_shards(ping, PINGS)),
            "socket pair + msgspec": Case(lambda: yardsticks.over_a_socket_pair("pingpong", PINGS)),
            "multiprocessing.Pipe": Case(lambda: standard.over_a_pipe(standard.pingpong, MESSAGE, PINGS)),
            "multiprocessing.Queue": Case(lambda: standard.over_queues(standard.pingpong, MESSAGE, PINGS // 2)),
            "BEAM": Case(["beam.escript", "across", "pingpong", str(PINGS // 2)], peer="escript", note=TWO_NODES),
        },
        [("otpnode", "socket pair + msgspec", 4.0)],
    ),
    "stranger": Question(
        "cross-shard ping-pong beside a busy stranger",
        "messages/s",
        {
            "otpnode": Case(lambda: beside_a_stranger(lambda: on_two_shards(ping, PINGS))),
            "socket pair + msgspec": Case(
                lambda: beside_a_stranger(lambda: yardsticks.over_a_socket_pair("pingpong", PINGS))
            ),
        },
        [("otpnode", "socket pair + msgspec", 0.7)],
    ),
    "flood": Question(
        "cross-shard flood of a 4-field tuple",
        "messages/s",
        {
            "otpnode": Case(lambda: on_two_shards(flood, FLOOD, False)),
            "otpnode, unlimited": Case(lambda: on_two_shards(flood, FLOOD, True), note="mailbox_limit=None"),
            "socket pair + msgspec": Case(lambda: yardsticks.over_a_socket_pair("flood", FLOOD)),
            "multiprocessing.Pipe": Case(lambda: standard.over_a_pipe(standard.flood, MESSAGE, FLOOD)),
            "multiprocessing.Queue": Case(
                lambda: standard.over_queues(standard.flood, MESSAGE, FLOOD), note="has no limit"
            ),
            "BEAM": Case(["beam.escript", "across", "flood", str(FLOOD)], peer="escript", note=TWO_NODES),
        },
        [("otpnode", "socket pair + msgspec", 0.25), ("otpnode, unlimited", "socket pair + msgspec", 0.4)],
    ),
    "fan_in": Question(
        f"{SENDERS} shards to one process",
        "messages/s",
        {
            "otpnode": Case(lambda: on_shards(SENDERS + 1, fan_in, FLOOD)),
            "socket pair + msgspec": Case(lambda: yardsticks.over_a_socket_pair("flood", FLOOD), note="one sender"),
        },
        [("otpnode", "socket pair + msgspec", 0)],
    ),
    "broadcast": Question(
        f"one to {LISTENERS} processes of the other shard",
        "messages/s",
        {
            "otpnode": Case(lambda: on_two_shards(broadcast, FLOOD // LISTENERS)),
            "socket pair + msgspec": Case(lambda: yardsticks.over_a_socket_pair("flood", FLOOD), note="one receiver"),
        },
        [("otpnode", "socket pair + msgspec", 0)],
    ),
    "megabytes": Question(
        "1 MB of bytes across shards, and an answer",
        "s",
        {
            "otpnode": Case(lambda: on_two_shards(megabytes)),
            "socket pair": Case(lambda: yardsticks.bytes_over_a_socket_pair(MEGABYTE, 101)),
        },
        [("otpnode", "socket pair", 0)],
        less=True,
    ),
    "buffer": Question(
        "an object with a buffer of 10 MB across shards, and an answer",
        "s",
        {
            "otpnode": Case(lambda: on_two_shards(buffer)),
            "otpnode, a NumPy array": Case(lambda: on_two_shards(array), peer="numpy"),
            "socket pair": Case(lambda: yardsticks.bytes_over_a_socket_pair(BIG // 10, 11)),
        },
        [("otpnode", "socket pair", 0)],
        less=True,
        # Ten megabytes come in 5 ms or in 10, by what the allocator of the day does with such pieces.
        rounds=15,
    ),
    "bytes": Question(
        "100 MB of bytes across shards",
        "s",
        {
            "otpnode": Case(lambda: on_two_shards(big, BIG)),
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
