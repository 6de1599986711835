"""ProducerConsumer: producers fill a buffer of bounded size, consumers empty it.

Stresses waiting on both sides of a condition; `producers` of `items` each, `consumers`, a `buffer`.
"""

from __future__ import annotations

from collections import deque

from benchmarks.savina.program import Program, collect
from otpnode import process

COST = 25


def work(item: int) -> int:
    """Return another item, at the price of some arithmetic."""
    for n in range(COST):
        item = (item * 31 + n) % 65_521
    return item


async def producer(manager: str, first: int, items: int) -> None:
    """Make an item whenever there is room for it."""
    me = process.self()
    for item in range(first, first + items):
        await process.send(manager, ("item", me, work(item)))
        await process.receive()
    await process.send(manager, ("finished",))


async def consumer(manager: str) -> None:
    """Ask for items until there are no more; report how many there were and their sum."""
    me = process.self()
    count = total = 0
    await process.send(manager, ("ready", me))
    while (item := await process.receive()) != "end":
        count += 1
        total += work(item)
        await process.send(manager, ("ready", me))
    await process.send(manager, (count, total))


async def manage(producers: int, consumers: int, size: int) -> None:
    """Be the buffer: tell producers when there is room, and consumers when everything is consumed."""
    items: deque[int] = deque()
    ready: deque[str] = deque()
    held_up: deque[str] = deque()
    while producers or items or len(ready) < consumers:
        match await process.receive():
            case ("item", pid, item):
                items.append(item)
                if len(items) < size:
                    await process.send(pid, "produce")
                else:
                    held_up.append(pid)
            case ("ready", pid):
                ready.append(pid)
            case ("finished",):
                producers -= 1
        while items and ready:
            await process.send(ready.popleft(), items.popleft())
            if held_up:
                await process.send(held_up.popleft(), "produce")
    for pid in ready:
        await process.send(pid, "end")


async def main(producers: int, items: int, consumers: int, buffer: int) -> object:
    """Return how many items were consumed, and their sum."""
    me = process.self()
    for number in range(producers):
        await process.spawn_link(producer, [me, number * items, items])
    for _ in range(consumers):
        await process.spawn_link(consumer, [me])
    await manage(producers, consumers, buffer)
    reports = await collect(consumers)
    return [sum(count for count, _ in reports), sum(total for _, total in reports)]


def answer(producers: int, items: int, consumers: int, buffer: int) -> object:
    """Each item is made once and consumed once."""
    made = range(producers * items)
    return [len(made), sum(work(work(item)) for item in made)]


PROGRAM = Program(
    "ProducerConsumer",
    main,
    answer,
    {"producers": 40, "items": 800, "consumers": 40, "buffer": 50},
    {"producers": 4, "items": 15, "consumers": 3, "buffer": 2},
    erlang="bounded_buffer",
)
