"""Processes of otpylib, all on one loop: ``pingpong``, ``flood``, ``spawn`` or ``call``, so many per second."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import uvloop
from otpylib import gen_server, process
from otpylib.module import GEN_SERVER, OTPModule
from otpylib.runtime.backends.asyncio_backend import AsyncIOBackend


async def pong(partner: object, messages: int) -> None:
    for _ in range(messages // 2):
        await process.send(partner, await process.receive())


async def pingpong(messages: int) -> float:
    partner = await process.spawn(pong, [process.self(), messages])
    began = perf_counter()
    for i in range(messages // 2):
        await process.send(partner, i)
        await process.receive()
    return messages / (perf_counter() - began)


async def taker(partner: object, messages: int) -> None:
    for _ in range(messages):
        await process.receive()
    await process.send(partner, "all taken")


async def flood(messages: int) -> float:
    target = await process.spawn(taker, [process.self(), messages])
    began = perf_counter()
    for i in range(messages):
        await process.send(target, i)
    await process.receive()
    return messages / (perf_counter() - began)


async def nothing() -> None:
    pass


async def spawn(count: int) -> float:
    began = perf_counter()
    for _ in range(count // 100):
        batch = [await process.spawn(nothing) for _ in range(100)]
        while any(map(process.is_alive, batch)):  # noqa: ASYNC110
            await asyncio.sleep(0)
    return count / (perf_counter() - began)


class Echo(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    async def init(self, _: object) -> None:
        pass

    async def handle_call(self, request: int, _: object, state: None) -> tuple[gen_server.Reply, None]:
        return gen_server.Reply(request), state

    async def handle_cast(self, _: object, state: None) -> tuple[gen_server.NoReply, None]:
        return gen_server.NoReply(), state

    async def handle_info(self, _: object, state: None) -> tuple[gen_server.NoReply, None]:
        return gen_server.NoReply(), state

    async def terminate(self, _: object, state: None) -> None:
        pass


async def call(calls: int) -> float:
    # Its call finds a server by name only.
    name = f"echo {calls}"
    await gen_server.start(Echo, name=name)
    began = perf_counter()
    for number in range(calls):
        await gen_server.call(name, number)
    return calls / (perf_counter() - began)


PROGRAMS = {
    "pingpong": (pingpong, 200_000),
    "flood": (flood, 400_000),
    "spawn": (spawn, 20_000),
    "call": (call, 30_000),
}


async def main(kind: str) -> float:
    backend = AsyncIOBackend()
    await backend.initialize()
    process.use_runtime(backend)
    program, count = PROGRAMS[kind]
    figure = asyncio.get_running_loop().create_future()

    async def measure() -> None:
        try:
            await program(count // 10)
            figure.set_result(await program(count))
        except Exception as error:
            figure.set_exception(error)

    await process.spawn(measure)
    return await figure


if __name__ == "__main__":
    print(uvloop.run(main(sys.argv[1])))
