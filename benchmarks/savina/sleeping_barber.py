"""SleepingBarber: customers find a seat in the waiting room or come again later; one barber cuts.

Stresses a protocol of four kinds of processes; `customers`, `seats`, and the `cost` of a haircut in turns of a loop.
"""

from __future__ import annotations

from collections import deque

from benchmarks.savina.program import Program
from otpnode import process


def busy(turns: int) -> int:
    """Use some time."""
    value = 0
    for n in range(turns):
        value ^= n
    return value


async def customer(factory: str, room: str) -> None:
    """Enter the room, sent away or served; tell the factory either."""
    me = process.self()
    await process.send(room, ("enter", me))
    while True:
        match await process.receive():
            case "full":
                await process.send(factory, ("returned", me))
            case "enter":
                await process.send(room, ("enter", me))
            case "done":
                await process.send(factory, ("served",))
                return


async def waiting_room(seats: int, barber: str) -> None:
    """Keep the seats, and wake the barber for the first customer."""
    waiting: deque[str] = deque()
    asleep = True
    while True:
        match await process.receive():
            case ("enter", pid) if asleep:
                asleep = False
                await process.send(barber, ("serve", pid, process.self()))
            case ("enter", pid) if len(waiting) < seats:
                waiting.append(pid)
            case ("enter", pid):
                await process.send(pid, "full")
            case "next" if waiting:
                await process.send(barber, ("serve", waiting.popleft(), process.self()))
            case "next":
                asleep = True
            case "close":
                await process.send(barber, "close")
                return


async def barber(factory: str, cost: int) -> None:
    """Cut hair, ask for the next; report the haircuts at the end."""
    haircuts = 0
    while True:
        match await process.receive():
            case ("serve", pid, room):
                busy(cost)
                haircuts += 1
                await process.send(room, "next")
                await process.send(pid, "done")
            case "close":
                await process.send(factory, haircuts)
                return


async def main(customers: int, seats: int, cost: int) -> object:
    """Be the factory; send customers again when there may be a seat. Return how many were served, and the haircuts."""
    me = process.self()
    cutting = await process.spawn_link(barber, [me, cost])
    room = await process.spawn_link(waiting_room, [seats, cutting])
    for _ in range(customers):
        busy(cost)
        await process.spawn_link(customer, [me, room])
    served, under_way = 0, customers
    away: deque[str] = deque()
    while served < customers:
        match await process.receive():
            case ("served",):
                served += 1
            case ("returned", pid):
                away.append(pid)
        under_way -= 1
        while away and under_way <= seats:
            await process.send(away.popleft(), "enter")
            under_way += 1
    await process.send(room, "close")
    return [served, await process.receive()]


def answer(customers: int, seats: int, cost: int) -> object:
    """One haircut each."""
    return [customers, customers]


PROGRAM = Program(
    "SleepingBarber",
    main,
    answer,
    {"customers": 2_500, "seats": 1_000, "cost": 1_000},
    {"customers": 30, "seats": 3, "cost": 10},
)
