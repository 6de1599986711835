"""The process of a chunk of `Task.map`: its items one after another, each outcome its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import iscoroutinefunction, isfunction
from time import perf_counter
from typing import Any, cast

from otpnode import process
from otpnode.behaviours.tasks.body import Failure, sendable, value_of
from otpnode.behaviours.tasks.plan import PASSED, VALUES
from otpnode.errors import MessageTooLargeError, UnserializableError
from otpnode.pid import Pid

FEW = 64
"""Items of a longer chunk that run without a look at the clock."""
TURN_SECONDS = 0.005
"""Time after which plain functions give way between two items."""
TIMED_TURN_SECONDS = 0.001
"""The same where items have deadlines: less than after what a verb gives way (FS-01)."""


async def run_chunk(foreman: Pid, func: Callable[[object], Any], items: list[object], copied: bool) -> None:
    """Send ``('values', pid, values, failed, seconds)`` when all are done, or when this process is ended.

    One that is ended in the middle sends what it has: an item that was done stays done.
    """
    values: list[object] = []
    failed = False
    began = perf_counter()
    turn_ends = began + TURN_SECONDS
    try:
        plain = len(items) > FEW and isfunction(func) and not iscoroutinefunction(func)
        while plain and len(values) < len(items):
            try:
                _fill(values, func, items[len(values) : len(values) + FEW])
            except Exception as error:
                values.append(Failure(sendable(error)))
                failed = True
            if perf_counter() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = perf_counter() + TURN_SECONDS
        if plain and any(hasattr(kind, "__await__") for kind in set(map(type, values))):
            failed = await _awaited(values) or failed
        for item in items[len(values) :]:
            try:
                value = func(item)
                if hasattr(type(value), "__await__"):
                    value = await value
            except Exception as error:
                value = Failure(sendable(error))
                failed = True
            values.append(value)
            if perf_counter() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = perf_counter() + TURN_SECONDS
    except BaseException:
        # The foreman hears of this end, and its reason, only by a link; one that is being ended may not link.
        await process.link(foreman)
        raise
    finally:
        left = len(items) - len(values) if copied else None
        await _deliver(foreman, values, failed, perf_counter() - began, left)


async def _deliver(foreman: Pid, values: list[object], failed: bool, seconds: float, left: int | None) -> None:
    """Send the values; `left`, the number of items behind them, is told only where messages are copied."""
    me = process.self()
    if left is None:
        await process.send(foreman, (VALUES, me, values, failed, seconds))
        return
    # Inside a shard too a value may not be fit to travel, or be lost on the way (`copy_messages`): it alone has failed.
    left += len(values)
    for value in values:
        left -= 1
        try:
            await process.send(foreman, (VALUES, me, [value], failed, seconds / len(values)))
        except (UnserializableError, MessageTooLargeError) as error:
            await process.send(foreman, (VALUES, me, [Failure(error)], True, seconds / len(values)))
        await process.send(foreman, (PASSED, me, left))


def _fill(values: list[object], func: Callable[[object], object], items: list[object]) -> None:
    """Call `func` for each item, keeping what came before an error.

    Not ``values.extend(map(func, items))``: to that a StopIteration of `func` is the end, and no error.
    """
    append = values.append
    for item in items:
        append(func(item))


async def _awaited(values: list[Any]) -> bool:
    """Put what a plain function's awaitables come to in their places; True when one failed."""
    failed = False
    for place, value in enumerate(values):
        if hasattr(type(value), "__await__"):
            try:
                values[place] = await value
            except Exception as error:
                values[place] = Failure(sendable(error))
                failed = True
    return failed


async def run_timed(
    foreman: Pid, func: Callable[[object], object], items: list[object], copied: bool, timeout: float
) -> None:
    """The same with a deadline for each item, armed when it starts, by itself: waiting for a turn costs it nothing.

    Each value is sent on its own and only once the deadline is off, so that the first item
    without one is the item that ran too long. A turn is given before a deadline is armed, and
    early: one that the item's own verbs, or the end of its deadline, had to give would count.
    """
    me = cast(Pid, process.self())
    turn_ends = perf_counter() + TIMED_TURN_SECONDS
    for place, item in enumerate(items, 1):
        began = perf_counter()
        if began > turn_ends:
            await asyncio.sleep(0)
            began = perf_counter()
            turn_ends = began + TIMED_TURN_SECONDS
        failed = False
        deadline = process.exit_after(timeout, me, "kill")
        try:
            value = await value_of(func, item)
        except Exception as error:
            value = Failure(sendable(error))
            failed = True
        await process.cancel_timer(deadline)
        await _deliver(foreman, [value], failed, perf_counter() - began, len(items) - place if copied else None)
