"""`Task.map` as its caller sees it: a list, a stream, or a block.

The parts behind it are told of in `otpnode.behaviours.tasks.plan`.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Sized,
)
from contextlib import aclosing
from itertools import islice
from types import AsyncGeneratorType
from typing import Any, Generic, Literal, TypeVar, cast

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.common import wire
from otpnode.behaviours.tasks.body import Failure
from otpnode.behaviours.tasks.coordinator import coordinate
from otpnode.behaviours.tasks.plan import END, ITEMS, NEXT, Chunk, Order, Part, Plan, Results
from otpnode.errors import CallExit, ProcessNotFoundError, TaskExit, TaskTimeoutError
from otpnode.pid import Pid
from otpnode.reasons import SHUTDOWN, mend

R = TypeVar("R")

Items = Iterable[Any] | AsyncIterable[Any]

PER_SHARD = 2
"""Processes a shard runs at once by default: while one computes, the next is there."""
CLOSE_SECONDS = 5.0
"""How long leaving waits for processes to end; those inside C code may take longer."""


class Request(Struct, frozen=True):
    """The arguments of a `Task.map`, checked."""

    func: Callable[..., object]
    items: Items
    max_concurrency: int | None
    timeout: float | None
    ordered: bool
    chunk: Chunk
    on_error: Literal["raise", "return"]
    on: str | int

    def order(self, ordered: bool) -> Order:
        """Return what the coordinator is told.

        Raises:
            ValueError: `on` names no shard of this node.
        """
        total = process.schedulers()
        if isinstance(self.on, int) and not 0 <= self.on < total:
            raise ValueError(f"on={self.on} names no shard: this node runs shards 0 to {total - 1}")
        return Order(
            plan=Plan(self.func, self.timeout, self.chunk == 1),
            chunk=self.chunk,
            limit=self.max_concurrency or PER_SHARD * (total if self.on == "spread" else 1),
            ordered=ordered,
            on=self.on,
            length=len(self.items) if isinstance(self.items, Sized) else None,
        )


class TaskMap(Generic[R]):
    """A map that has not begun: await it, iterate over it, or enter it; see `Task.map`."""

    def __init__(
        self,
        func: Callable[..., object],
        items: Items,
        max_concurrency: int | None,
        timeout: float | None,
        ordered: bool,
        chunk: Chunk,
        on_error: Literal["raise", "return"],
        on: str | int,
    ) -> None:
        if not callable(func):
            raise TypeError(f"Task.map takes a function of one argument, not {type(func).__name__}")
        if not isinstance(items, (Iterable, AsyncIterable)):
            raise TypeError(f"Task.map takes an iterable or async iterable of items, not {type(items).__name__}")
        if on_error not in ("raise", "return"):
            raise ValueError(f"on_error must be 'raise' or 'return', not {on_error!r}")
        if chunk != "auto":
            _check_count("chunk", chunk, "a whole number of at least 1, or 'auto'")
        if max_concurrency is not None:
            _check_count("max_concurrency", max_concurrency, "a whole number of at least 1, or None")
        if isinstance(on, bool) or (not isinstance(on, int) and on not in ("spread", "local")):
            raise ValueError(f"on must be 'spread', 'local' or a shard number, not {on!r}")
        seconds = wire.check_timeout(timeout)
        self._request = Request(func, items, max_concurrency, seconds, ordered, chunk, on_error, on)
        self._results: AsyncGenerator[R, None] | None = None
        self._course = Course()
        self._broken = ""

    def __await__(self) -> Generator[Any, None, list[R]]:
        return cast("Generator[Any, None, list[R]]", self._all().__await__())

    async def _all(self) -> list[Any]:
        self._begin()
        self._course.is_listed = True
        return await _listed(self._request, self._course)

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        if self._results is None:
            self._begin()
        if self._broken:
            raise RuntimeError(f"this map has ended with {self._broken}; what it had not given by then is lost")
        try:
            return await cast("AsyncGenerator[R, None]", self._results).__anext__()
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._broken = type(error).__name__
            raise

    async def __aenter__(self) -> TaskMap[R]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what still runs, and wait until it has ended.

        A child task that waits for results meanwhile gets a `RuntimeError`.
        """
        if self._results is None:
            return
        if cast("AsyncGeneratorType[R, None]", self._results).ag_running or self._course.is_listed:
            await self._course.close()
        else:
            await self._results.aclose()

    def _begin(self) -> None:
        if self._results is not None:
            raise RuntimeError("this map has begun already; call Task.map again for another one")
        # Nothing in the generator refers to this object, so that dropping the object drops, and closes, it.
        self._results = cast("AsyncGenerator[R, None]", _streamed(self._request, self._course))


class Course:
    """What a map at work shares with whoever closes it while a child task waits for its results.

    A generator that runs cannot be closed: the coordinator is ended instead, and with it the wait.
    """

    def __init__(self) -> None:
        self.coordinator: Pid | None = None
        self.is_listed = False
        self._is_closing = False
        self._over = asyncio.Event()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def check(self) -> None:
        """Raise what ends the wait, once the map is being closed."""
        if self._is_closing:
            raise RuntimeError("this map was closed while a child task waited for its results, which are lost")

    async def close(self) -> None:
        """End the map, and wait until whoever waits for its results has left it."""
        self._is_closing = True
        if self.coordinator is not None:
            await process.exit(self.coordinator, SHUTDOWN)
        await self._over.wait()


def _check_count(name: str, value: object, wanted: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be {wanted}, not {value!r}")


async def _listed(request: Request, course: Course) -> list[Any]:
    """Collect everything, as it comes; a list has no use for the window that order needs."""
    parts: list[Part] = []
    async with aclosing(_parts(request, course, ordered=False)) as coming:
        async for part in coming:
            if part[2]:
                _replace_failures(part, request.on_error)
            parts.append(part)
    if request.ordered:
        parts.sort(key=lambda part: part[0])
    return [value for part in parts for value in part[1]]


async def _streamed(request: Request, course: Course) -> AsyncGenerator[Any, None]:
    async with aclosing(_parts(request, course, ordered=request.ordered)) as coming:
        async for first, values, failed, _ in coming:
            for offset, value in enumerate(values):
                if failed and type(value) is Failure:
                    yield _failed(value, first + offset, request.on_error)
                else:
                    yield value


def _replace_failures(part: Part, on_error: str) -> None:
    first, values = part[:2]
    for offset, value in enumerate(values):
        if type(value) is Failure:
            values[offset] = _failed(value, first + offset, on_error)


def _failed(failure: Failure, index: int, on_error: str) -> TaskExit:
    """Return the `TaskExit` of an item, or raise it."""
    reason = failure.reason
    if type(reason) is str and reason == "timeout":
        error: TaskExit = TaskTimeoutError(index)
    else:
        error = TaskExit(reason, index)
    if isinstance(reason, BaseException):
        error.__cause__ = mend(reason)
    if on_error == "raise":
        raise error
    return error


async def _parts(request: Request, course: Course, *, ordered: bool) -> AsyncGenerator[Part, None]:
    """Run the map and yield what is done, until all is; ends it when closed."""
    with course:
        source = Source(request.items)
        coordinator = course.coordinator = await process.spawn(
            coordinate,
            (process.self(), request.order(ordered)),
            on="local",
            mailbox_limit=None,
            trap_exits=True,
            label=f"Task.map of {getattr(request.func, '__qualname__', 'a callable')}",
        )
        try:
            source.begin(coordinator)
            over = False
            while not over:
                course.check()
                results = await _next(coordinator, source, course)
                await source.pull(results.room)
                course.check()
                for part in results.parts:
                    yield part
                over = results.over
            if source.error is not None:
                raise source.error
        finally:
            source.close()
            await _close(coordinator)


async def _next(coordinator: Pid, source: Source, course: Course) -> Results:
    try:
        return cast(Results, await source.beside(wire.call(coordinator, (NEXT, source.count), None)))
    except CallExit as error:
        course.check()
        raise TaskExit(error.reason) from error


async def _close(coordinator: Pid) -> None:
    try:
        if process.self() is None:
            await process.exit(coordinator, SHUTDOWN)
        else:
            await _end_and_wait(coordinator)
    except process.ProcessExit:
        return  # A dropped map is closed once its caller is dead, and has ended with it.


async def _end_and_wait(coordinator: Pid) -> None:
    ref = await process.monitor(coordinator, alias="reply_demonitor")
    try:
        await process.exit(coordinator, SHUTDOWN)
        await process.receive(CLOSE_SECONDS, ref=ref)
    except TimeoutError:
        return
    finally:
        await process.demonitor(ref, flush=True)


class Source:
    """Where the items come from, pulled in the caller's own process.

    It is made before there is anything to end, because `items` may refuse to be iterated over.

    Attributes:
        count: how many items were pulled and sent.
        error: what the iterator raised, or came of sending an item; everything before it is mapped first.
    """

    def __init__(self, items: Items) -> None:
        self.count = 0
        self.error: BaseException | None = None
        self._later = aiter(items) if isinstance(items, AsyncIterable) else None
        self._items = None if isinstance(items, AsyncIterable) else iter(items)
        self._permits = asyncio.Semaphore(0)
        self._puller: asyncio.Task[None] | None = None
        self._is_closed = False

    def begin(self, coordinator: Pid) -> None:
        """Say who gets the items."""
        self._coordinator = coordinator
        if self._later is not None:
            self._puller = asyncio.create_task(self._pull_as_they_come(self._later))

    def beside(self, wait: Coroutine[Any, Any, object]) -> Awaitable[object]:
        """Return what to await so that an async iterator may `receive` meanwhile (RC-10)."""
        return wait if self._puller is None else asyncio.create_task(wait)

    async def pull(self, room: int) -> None:
        """Pull up to `room` items more, or let them be pulled while results are waited for."""
        if self._items is None:
            for _ in range(room if self._puller is not None else 0):
                self._permits.release()
            return
        if not room:
            return
        items: list[object] = []
        try:
            items.extend(islice(self._items, room))
        except Exception as error:
            self.error = error
        if items:
            await self._send_items(items)
        if len(items) < room:
            self._items = None
            await self._send((END, self.count))

    async def _pull_as_they_come(self, items: AsyncIterator[Any]) -> None:
        while True:
            await self._permits.acquire()
            try:
                await self._send_items([await anext(items)])
            except StopAsyncIteration:
                break
            except BaseException as error:
                if self._is_closed:
                    return
                # Also an item that cannot be copied, a CancelledError, or what ends a process: in this child task it
                # would be seen by nobody.
                self.error = error
                break
        await self._send((END, self.count))

    async def _send_items(self, items: list[object]) -> None:
        await self._send((ITEMS, self.count, items))
        self.count += len(items)

    async def _send(self, message: object) -> None:
        try:
            await process.send(self._coordinator, message)
        except ProcessNotFoundError:
            return  # The next call to it tells why.

    def close(self) -> None:
        """Pull no more."""
        self._is_closed = True
        if self._puller is not None:
            self._puller.cancel()
