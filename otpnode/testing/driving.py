"""Loops of a test's own: bounded, and left clean."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

from otpnode.loops import loop_factory
from otpnode.process.current import HOSTS


def drive(
    main: Callable[[], Awaitable[object]],
    *,
    loop: str = "uvloop",
    within: float = 30.0,
    complaints: list[str] | None = None,
) -> object:
    """Run `main` to its end on a loop of its own; fail when it leaves a task or a shard behind, or the loop complains.

    Args:
        main: a coroutine function.
        loop: ``'uvloop'`` or ``'asyncio'``.
        within: seconds it may take.
        complaints: takes what the loop's exception handler is told, when that is expected.

    Returns:
        What `main` returned.

    Raises:
        AssertionError: it left something behind.
        TimeoutError: it took too long.
    """
    heard: list[str] = []

    async def bounded() -> object:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: heard.append(describe(context)))
        async with asyncio.timeout(within):
            result = await main()
        me = asyncio.current_task()
        for _ in range(5):
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not me]
        assert not left, f"tasks left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        result = runner.run(bounded())
        gc.collect()
    if complaints is not None:
        complaints += heard
    else:
        assert not heard, "the loop complained: " + "\n".join(heard)
    assert not HOSTS, f"shards left behind: {HOSTS}"
    return result


def describe(context: dict[str, object]) -> str:
    """Put what a loop's exception handler was told into one line."""
    return f"{context.get('message')}: {context.get('exception')!r}"
