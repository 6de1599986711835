"""What does a process of one shard cost, beside the tasks and queues of asyncio, and beside its peers?

Ping-pong, a flood into the default mailbox, spawn to exit, waiting for futures, timers; then
the memory of idle processes and the longest pause while they are being spawned.
Everything of otpnode runs through `otpnode.run`, public verbs and default options.

    python benchmarks/local.py [--rounds 5] [--only pingpong|flood|…] [--json FILE]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import yardsticks
from harness import Case, Question, main

import otpnode
from otpnode import process
from otpnode.pid import Pid

MESSAGES = 1_000_000
SPAWNS = 50_000
IDLE = 300_000
TIMERS = 100_000
PURE = "otpnode, pure Python"
HOW_PURE = "OTPNODE_PURE=1"


# -- ping-pong -----------------------------------------------------------------


async def pong(partner: Pid, messages: int) -> None:
    """Answer every message with itself."""
    for _ in range(messages // 2):
        m = await process.receive()
        await process.send(partner, m)


async def ping(messages: int) -> float:
    """Return messages per second of two processes of this shard."""
    partner, ref = await process.spawn_monitor(pong, [process.self(), messages], on="local")
    began = perf_counter()
    for i in range(messages // 2):
        await process.send(partner, i)
        await process.receive()
    took = perf_counter() - began
    await process.receive(ref=ref)
    return messages / took


# -- flood ---------------------------------------------------------------------


async def taker(messages: int) -> None:
    """Take every message."""
    for _ in range(messages):
        await process.receive()


async def flood(messages: int) -> float:
    """Return messages per second into a mailbox with the default limit, to the last one taken."""
    target, ref = await process.spawn_monitor(taker, [messages], on="local")
    began = perf_counter()
    for i in range(messages):
        await process.send(target, i)
    await process.receive(ref=ref)
    return messages / (perf_counter() - began)


# -- spawning --------------------------------------------------------------------


async def nothing() -> None:
    """Be an empty body."""


async def spawn(count: int) -> float:
    """Return processes per second from spawn to exit, in batches of 100 alive."""
    began = perf_counter()
    for _ in range(count // 100):
        batch = [await process.spawn(nothing, on="local") for _ in range(100)]
        # There is no event to wait for: a death without links and monitors tells nobody.
        while any(map(process.is_alive, batch)):  # noqa: ASYNC110
            await asyncio.sleep(0)
    return count / (perf_counter() - began)


# -- a process that uses asyncio -----------------------------------------------


async def await_futures(count: int) -> float:
    """Return futures awaited per second inside a process."""
    return await yardsticks.await_futures(count)


# -- timers ----------------------------------------------------------------------


async def timers(pending: int) -> float:
    """Return timers per second, set and cancelled, while so many others are pending."""
    me = process.self()
    assert me is not None
    for number in range(pending):
        process.send_after(3600 + number % 1000, me, "late")
    began = perf_counter()
    for number in range(pending):
        await process.cancel_timer(process.send_after(1800 + number % 1000, me, "early"))
    return pending / (perf_counter() - began)


# -- idle processes ------------------------------------------------------------


async def idle() -> None:
    """Wait for ever."""
    await process.receive()


def resident() -> int:
    """Return the resident bytes of this OS process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


async def idle_bytes(count: int) -> float:
    """Return bytes of resident memory per idle process."""
    await process.spawn(idle, on="local")
    await asyncio.sleep(0.1)
    before = resident()
    for _ in range(count):
        await process.spawn(idle, on="local")
    await asyncio.sleep(0)
    return (resident() - before) / count


async def pause(count: int) -> float:
    """Return the longest time, in ms, a callback of the loop was late while idle processes were spawned."""
    loop = asyncio.get_running_loop()
    last = perf_counter()
    longest = 0.0

    def look() -> None:
        nonlocal last, longest
        now = perf_counter()
        longest = max(longest, now - last)
        last = now
        loop.call_soon(look)

    look()
    for number in range(count):
        await process.spawn(idle, on="local")
        if number % 100 == 99:
            await asyncio.sleep(0)
    return longest * 1000


def on_one_loop(program: object, count: int) -> float:
    """Run a program as main of a single loop."""
    return float(otpnode.run(program, count))  # type: ignore[arg-type]


QUESTIONS = {
    "pingpong": Question(
        "local ping-pong",
        "messages/s",
        {
            "otpnode": Case(lambda: on_one_loop(ping, MESSAGES)),
            PURE: Case(lambda: on_one_loop(ping, MESSAGES), note=HOW_PURE, pure=True),
            "two tasks, deque + future": Case(lambda: yardsticks.under_uvloop(yardsticks.pingpong, MESSAGES)),
            "otpylib": Case(["with_otpylib.py", "pingpong"], peer="otpylib", note="under uvloop"),
            "BEAM": Case(["beam.escript", "local", "pingpong", "4000000"], peer="escript", note="+S 1"),
        },
        [("otpnode", "two tasks, deque + future", 2.0), (PURE, "two tasks, deque + future", 0)],
    ),
    "flood": Question(
        "local one-way flood, default limit 100",
        "messages/s",
        {
            "otpnode": Case(lambda: on_one_loop(flood, MESSAGES)),
            PURE: Case(lambda: on_one_loop(flood, MESSAGES), note=HOW_PURE, pure=True),
            "asyncio.Queue(100)": Case(lambda: yardsticks.under_uvloop(yardsticks.flood, MESSAGES)),
            "otpylib": Case(["with_otpylib.py", "flood"], peer="otpylib", note="under uvloop; has no limit"),
            "Pykka": Case(["with_pykka.py", "flood"], peer="pykka", note="tell to a thread; has no limit"),
            "BEAM": Case(["beam.escript", "local", "flood", "10000000"], peer="escript", note="+S 1; has no limit"),
        },
        [("otpnode", "asyncio.Queue(100)", 1.2), (PURE, "asyncio.Queue(100)", 0)],
    ),
    "spawn": Question(
        "spawn to exit, batches of 100 alive",
        "spawns/s",
        {
            "otpnode": Case(lambda: on_one_loop(spawn, SPAWNS)),
            PURE: Case(lambda: on_one_loop(spawn, SPAWNS), note=HOW_PURE, pure=True),
            "create_task": Case(lambda: yardsticks.under_uvloop(yardsticks.spawn, SPAWNS)),
            "otpylib": Case(["with_otpylib.py", "spawn"], peer="otpylib", note="under uvloop"),
            "xoscar": Case(["with_xoscar.py", "spawn"], peer="xoscar", note="destroyed, because none ends by itself"),
            "BEAM": Case(["beam.escript", "local", "spawn_to_exit", "1000000"], peer="escript", note="+S 1"),
        },
        [("otpnode", "create_task", 0.5), (PURE, "create_task", 0)],
    ),
    "futures": Question(
        "awaiting asyncio futures",
        "futures/s",
        {
            "in a process": Case(lambda: on_one_loop(await_futures, SPAWNS)),
            PURE: Case(lambda: on_one_loop(await_futures, SPAWNS), note=HOW_PURE, pure=True),
            "in a task": Case(lambda: yardsticks.under_uvloop(yardsticks.await_futures, SPAWNS)),
        },
        [("in a process", "in a task", 0.8), (PURE, "in a task", 0)],
    ),
    "timers": Question(
        f"timers set and cancelled, {TIMERS:,} others pending",
        "timers/s",
        {
            "send_after, cancel_timer": Case(lambda: on_one_loop(timers, TIMERS)),
            "loop.call_later, cancel": Case(lambda: yardsticks.under_uvloop(yardsticks.timers, TIMERS)),
        },
        [("send_after, cancel_timer", "loop.call_later, cancel", 0)],
    ),
    "idle": Question(
        f"memory of an idle process, {IDLE:,} alive (budget 2048)",
        "bytes",
        {"otpnode": Case(lambda: on_one_loop(idle_bytes, IDLE), note="max_processes is the default")},
        less=True,
        rounds=3,
    ),
    "pause": Question(
        f"longest pause while {IDLE:,} idle processes are spawned (budget 50)",
        "ms",
        {"otpnode": Case(lambda: on_one_loop(pause, IDLE))},
        less=True,
        rounds=3,
    ),
}

if __name__ == "__main__":
    sys.exit(main(__file__, QUESTIONS))
