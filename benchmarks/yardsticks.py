"""The raw limits otpnode is held against: asyncio alone, and a socket pair with msgspec alone.

No limits, no errors, no semantics: what is left when everything a process runtime
promises is taken away. All run under uvloop.
"""

from __future__ import annotations

import asyncio
import collections
import multiprocessing
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec
import uvloop


class Box:
    """A mailbox of the least code: a deque and a future."""

    __slots__ = ("fut", "loop", "q")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.q: collections.deque[int] = collections.deque()
        self.fut: asyncio.Future[None] | None = None
        self.loop = loop

    def put(self, m: int) -> None:
        self.q.append(m)
        f = self.fut
        if f is not None:
            self.fut = None
            if not f.done():
                f.set_result(None)

    async def get(self) -> int:
        if not self.q:
            self.fut = f = self.loop.create_future()
            await f
        return self.q.popleft()


async def send_to(box: Box, m: int) -> None:
    """Put, as a coroutine, because `send` is one too."""
    box.put(m)


async def pingpong(messages: int) -> float:
    """Return messages per second of two asyncio tasks."""
    loop = asyncio.get_running_loop()
    a, b = Box(loop), Box(loop)

    async def pong() -> None:
        for _ in range(messages // 2):
            m = await b.get()
            await send_to(a, m)

    task = loop.create_task(pong())
    began = time.perf_counter()
    for i in range(messages // 2):
        await send_to(b, i)
        await a.get()
    took = time.perf_counter() - began
    await task
    return messages / took


async def flood(messages: int) -> float:
    """Return messages per second through an `asyncio.Queue(100)`."""
    queue: asyncio.Queue[int] = asyncio.Queue(100)

    async def taker() -> None:
        for _ in range(messages):
            await queue.get()

    task = asyncio.create_task(taker())
    began = time.perf_counter()
    for i in range(messages):
        await queue.put(i)
    await task
    return messages / (time.perf_counter() - began)


async def nothing() -> None:
    """Be an empty body."""


async def spawn(count: int) -> float:
    """Return empty tasks per second, in batches of 100 alive."""
    began = time.perf_counter()
    for _ in range(count // 100):
        tasks = [asyncio.create_task(nothing()) for _ in range(100)]
        for task in tasks:
            await task
    return count / (time.perf_counter() - began)


async def await_futures(count: int) -> float:
    """Return futures awaited per second, each set by the loop's next turn."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(count):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future
    return count / (time.perf_counter() - began)


async def timers(pending: int) -> float:
    """Return timers per second, set and cancelled, while so many others are pending."""
    loop = asyncio.get_running_loop()
    for number in range(pending):
        loop.call_later(3600 + number % 1000, print)
    began = time.perf_counter()
    for number in range(pending):
        loop.call_later(1800 + number % 1000, print).cancel()
    return pending / (time.perf_counter() - began)


def under_uvloop(program: Callable[[int], Any], count: int) -> float:
    """Run a yardstick."""
    return float(uvloop.run(program(count)))


# -- two OS processes, a socket pair, msgspec -----------------------------------


class Wire(asyncio.Protocol):
    """Length-prefixed msgpack over a socket; with `batched`, one write a turn of the loop."""

    def __init__(self, on_message: Callable[[Wire, Any], None], *, batched: bool) -> None:
        self._on_message = on_message
        self._batched = batched
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._decode = msgspec.msgpack.Decoder().decode
        self._encode = msgspec.msgpack.Encoder().encode

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._loop = asyncio.get_running_loop()

    def send(self, message: object) -> None:
        body = self._encode(message)
        if not self._batched:
            self._transport.write(struct.pack("<I", len(body)) + body)
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += (struct.pack("<I", len(body)), body)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        with memoryview(buffer) as view:
            while end - at >= 4:
                (size,) = struct.unpack_from("<I", buffer, at)
                if end - at - 4 < size:
                    break
                self._on_message(self, self._decode(view[at + 4 : at + 4 + size]))
                at += 4 + size
        del buffer[:at]


def echo_server(end: socket.socket, batched: bool) -> None:
    """Be the other OS process: answer ``'echo'``, count the rest, tell the count at ``'end'``."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        count = 0

        def on_message(wire: Wire, message: Any) -> None:
            nonlocal count
            if message[0] == "echo":
                wire.send(message)
            elif message[0] == "end":
                wire.send(("count", count))
            elif message[0] == "stop":
                over.set_result(None)
            else:
                count += 1

        await loop.create_unix_connection(lambda: Wire(on_message, batched=batched), sock=end)
        await over

    uvloop.run(serve())


def over_a_socket_pair(kind: str, count: int) -> float:
    """Return messages per second: ``'pingpong'`` (written at once) or ``'flood'`` (written once a turn)."""
    batched = kind == "flood"
    ours, theirs = socket.socketpair()
    child = multiprocessing.get_context("fork").Process(target=echo_server, args=(theirs, batched))
    child.start()
    theirs.close()

    async def drive() -> float:
        loop = asyncio.get_running_loop()
        waiter: list[asyncio.Future[Any]] = []
        _, wire = await loop.create_unix_connection(
            lambda: Wire(lambda _, message: waiter.pop().set_result(message), batched=batched), sock=ours
        )

        async def exchange(message: object) -> object:
            future = loop.create_future()
            waiter.append(future)
            wire.send(message)
            return await future

        for _ in range(200):
            await exchange(("echo", 12345, "hello world", 3.5))
        began = time.perf_counter()
        if batched:
            for i in range(count):
                wire.send(("flood", 12345, "hello world", 3.5))
                if i % 200 == 199:
                    await asyncio.sleep(0)
            await exchange(("end",))
        else:
            for _ in range(count // 2):
                await exchange(("echo", 12345, "hello world", 3.5))
        took = time.perf_counter() - began
        wire.send(("stop",))
        await asyncio.sleep(0.05)
        return count / took

    try:
        return float(uvloop.run(drive()))
    finally:
        child.join()


def bytes_over_a_socket_pair(size: int, times: int = 4) -> float:
    """Return seconds for `size` bytes into a fresh buffer and `bytes()` of it."""
    ours, theirs = socket.socketpair()
    payload = b"x" * size

    def take(end: socket.socket) -> None:
        for _ in range(times):
            buffer = bytearray(size)
            with memoryview(buffer) as view:
                at = 0
                while at < size:
                    at += end.recv_into(view[at:])
            got = bytes(buffer)
            end.sendall(len(got).to_bytes(8, "little"))

    child = multiprocessing.get_context("fork").Process(target=take, args=(theirs,))
    child.start()
    theirs.close()
    figures = []
    for _ in range(times):
        began = time.perf_counter()
        ours.sendall(payload)
        ours.recv(8, socket.MSG_WAITALL)
        figures.append(time.perf_counter() - began)
    child.join()
    return sorted(figures[1:])[(times - 1) // 2]
