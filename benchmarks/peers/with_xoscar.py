"""Actors of xoscar: calls in one process (``local``) or between two (``across``), or ``spawn``, so many per second."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import xoscar as xo

COUNTS = {"local": 100_000, "across": 5_000, "spawn": 2_000}


class Echo(xo.StatelessActor):
    def echo(self, value: int) -> int:
        return value


class Caller(xo.StatelessActor):
    async def run(self, server: xo.ActorRef, calls: int) -> float:
        server = await xo.actor_ref(server)
        for number in range(calls // 10):
            await server.echo(number)
        began = perf_counter()
        for number in range(calls):
            await server.echo(number)
        return calls / (perf_counter() - began)


class Spawner(xo.StatelessActor):
    async def batches(self, count: int) -> None:
        for _ in range(count // 100):
            batch = [await xo.create_actor(Echo, address=self.address) for _ in range(100)]
            for actor in batch:
                await xo.destroy_actor(actor)

    async def run(self, count: int) -> float:
        await self.batches(count // 10)
        began = perf_counter()
        await self.batches(count)
        return count / (perf_counter() - began)


async def main(kind: str) -> float:
    pool = await xo.create_actor_pool("127.0.0.1:0", n_process=2 if kind == "across" else 0)
    async with pool:
        if kind == "spawn":
            spawner = await xo.create_actor(Spawner, address=pool.external_address, uid="spawner")
            return await spawner.run(COUNTS[kind])
        where = {} if kind == "local" else {"allocate_strategy": xo.allocate_strategy.ProcessIndex(1)}
        server = await xo.create_actor(Echo, address=pool.external_address, uid="echo", **where)
        where = {} if kind == "local" else {"allocate_strategy": xo.allocate_strategy.ProcessIndex(2)}
        caller = await xo.create_actor(Caller, address=pool.external_address, uid="caller", **where)
        return await caller.run(server, COUNTS[kind])


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1])))
