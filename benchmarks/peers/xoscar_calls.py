"""Calls per second between two actors of xoscar: ``local`` in one process, ``across`` in two."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import xoscar as xo

CALLS = {"local": 100_000, "across": 5_000}


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


async def main(kind: str) -> float:
    pool = await xo.create_actor_pool("127.0.0.1:0", n_process=2 if kind == "across" else 0)
    async with pool:
        where = {} if kind == "local" else {"allocate_strategy": xo.allocate_strategy.ProcessIndex(1)}
        server = await xo.create_actor(Echo, address=pool.external_address, uid="echo", **where)
        where = {} if kind == "local" else {"allocate_strategy": xo.allocate_strategy.ProcessIndex(2)}
        caller = await xo.create_actor(Caller, address=pool.external_address, uid="caller", **where)
        return await caller.run(server, CALLS[kind])


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1])))
