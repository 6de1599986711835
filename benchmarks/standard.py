"""What the standard library has between two OS processes: a pipe, a queue, a worker that is asked.

No mailbox, no links, and nothing waits for two things at once; the pipe blocks the
whole process, the queue sends with a thread of its own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter
from typing import Any

Get = Callable[[], Any]
Put = Callable[[Any], None]


def answer(get: Get, put: Put) -> None:
    """Be the other OS process: answer every message with itself, until there is none."""
    while (message := get()) is not None:
        put(message)


def take(get: Get, put: Put) -> None:
    """Be the other OS process: take as many messages as the first one says, and say so, until there is none."""
    while (messages := get()) is not None:
        for _ in range(messages):
            get()
        put("all taken")


def pingpong(get: Get, put: Put, message: object, messages: int) -> None:
    """Have so many messages pass."""
    for _ in range(messages // 2):
        put(message)
        get()


def flood(get: Get, put: Put, message: object, messages: int) -> None:
    """Send so many messages, and wait until the last one is taken."""
    put(messages)
    for _ in range(messages):
        put(message)
    get()


OTHER_SIDE = {pingpong: answer, flood: take}


def over_a_pipe(kind: Callable[..., None], message: object, messages: int) -> float:
    """Return messages per second over `multiprocessing.Pipe`."""
    ours, theirs = multiprocessing.Pipe()
    return _measure(kind, (ours.recv, ours.send), (theirs.recv, theirs.send), message, messages)


def over_queues(kind: Callable[..., None], message: object, messages: int) -> float:
    """Return messages per second over two of `multiprocessing.Queue`."""
    there: multiprocessing.Queue[object] = multiprocessing.Queue()
    back: multiprocessing.Queue[object] = multiprocessing.Queue()
    return _measure(kind, (back.get, there.put), (there.get, back.put), message, messages)


def _measure(
    kind: Callable[..., None], ours: tuple[Get, Put], theirs: tuple[Get, Put], message: object, messages: int
) -> float:
    other = multiprocessing.Process(target=OTHER_SIDE[kind], args=theirs)
    other.start()
    kind(*ours, message, messages // 10)
    began = perf_counter()
    kind(*ours, message, messages)
    took = perf_counter() - began
    ours[1](None)
    other.join()
    return messages / took


def worker_calls(calls: int) -> float:
    """Return calls per second to the one worker of a `ProcessPoolExecutor`, the next after the result of the last."""
    with ProcessPoolExecutor(1) as executor:
        for number in range(calls // 10):
            executor.submit(abs, number).result()
        began = perf_counter()
        for number in range(calls):
            executor.submit(abs, number).result()
        return calls / (perf_counter() - began)
