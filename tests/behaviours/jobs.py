"""What tasks and maps of the tests run: importable by name, so that it can run on any shard."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from time import perf_counter
from typing import Any

from otpnode import process


class Odd(Exception):
    """An error that pickle writes and cannot read: its ``__init__`` wants two arguments."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"{number}: {text}")


def square(n: int) -> int:
    """Be a plain function."""
    return n * n


async def square_later(n: int) -> int:
    """Be a coroutine function that awaits."""
    await asyncio.sleep(0)
    return n * n


async def fail(error: BaseException) -> None:
    """Raise `error`."""
    raise error


def three_fails(n: int) -> int:
    """Raise for 3."""
    if n == 3:
        raise KeyError(n)
    return n


def three_is_odd(n: int) -> int:
    """Raise for 3 what cannot be rebuilt elsewhere."""
    if n == 3:
        raise Odd(n, "odd")
    return n


def three_exits(n: int) -> int:
    """End the process that runs 3."""
    if n == 3:
        raise process.ProcessExit("out of paper")
    return n


def three_never_ends(n: int) -> int:
    """Compute for ever over 3."""
    while n == 3:
        pass
    return n


async def three_waits_for_ever(n: int) -> int:
    """Wait for ever over 3."""
    if n == 3:
        await asyncio.Event().wait()
    return n


async def three_kills_its_shard(n: int) -> int:
    """Take the whole shard down over 3, unless it is shard 0."""
    if n == 3 and process.shard_of(process.self() or "") != 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


async def report(job: tuple[str, Any]) -> Any:
    """Tell a watcher that an item has started, and wait to be let go on."""
    watcher, item = job
    await process.send(watcher, ("started", item, process.self()))
    return await process.receive()


async def tell(job: tuple[str, Any]) -> Any:
    """Tell a watcher that an item has run, and in which process."""
    watcher, item = job
    await process.send(watcher, ("ran", item, process.self()))
    return item


def compute_and_tell(job: tuple[str, Any]) -> None:
    """Hold the shard for some milliseconds, then tell a watcher that the item has run."""
    began = perf_counter()
    while perf_counter() < began + 0.005:
        pass
    process.send_nowait(job[0], job[1])


def a_lock(n: int) -> object:
    """Return something that cannot leave its OS process."""
    return asyncio.Lock() if n == 3 else n


class Unreadable:
    """Pickles, and cannot be rebuilt."""

    def __reduce__(self) -> tuple[object, ...]:
        return (square, ("not a number",))


def unreadable(n: int) -> object:
    """Return for 3 what cannot be rebuilt elsewhere."""
    return Unreadable() if n == 3 else n


def where(n: int) -> int:
    """Return the shard."""
    return process.shard_of(process.self() or "")


def kind_of(item: object) -> str:
    """Return the name of the type."""
    return type(item).__name__


class Counted:
    """Numbers without an end, or pairs with a watcher, which know how many were pulled."""

    def __init__(self, watcher: str | None = None) -> None:
        self.pulled = 0
        self._watcher = watcher

    def __iter__(self) -> Iterator[Any]:
        while True:
            self.pulled += 1
            yield self.pulled - 1 if self._watcher is None else (self._watcher, self.pulled - 1)


class CountedLater(Counted):
    """The same, asynchronously."""

    __iter__ = None  # type: ignore[assignment]

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in Counted.__iter__(self):
            await asyncio.sleep(0)
            yield item


def broken_at_five() -> Iterator[int]:
    """Yield five numbers, then fail."""
    yield from range(5)
    raise OSError("the file has ended too soon")


async def broken_at_five_later() -> AsyncIterator[int]:
    """The same, asynchronously."""
    for n in range(5):
        yield n
    raise OSError("the file has ended too soon")


async def messages() -> AsyncIterator[object]:
    """Yield what comes into the mailbox of whoever iterates, up to None."""
    while (message := await process.receive()) is not None:
        yield message


def stops_at_sevens(n: int) -> int:
    """Raise what ends an iteration, where it is an error like any other."""
    if n % 10 == 7:
        raise StopIteration(n)
    return n


def odd_at_sevens(ran: list[int], n: int) -> object:
    """Note that it ran; return what cannot be rebuilt for every number that ends in 7."""
    ran.append(n)
    return Odd(n, "odd") if n % 10 == 7 else n


async def odd_at_sevens_later(ran: list[int], n: int) -> object:
    """The same, as a coroutine function."""
    await asyncio.sleep(0)
    return odd_at_sevens(ran, n)
