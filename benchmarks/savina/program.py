"""What a program of the suite is: a main, sizes for it, and the right answer by another way.

An answer is an integer, a float, or a list of them, so that the same check serves the
program in Erlang. `Program.answer` computes it without processes, outside the measured time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from otpnode import process

FULL, TINY = "full", "tiny"


class WrongAnswerError(Exception):
    """A program ended with another answer than the one that is right; it did not fail by itself."""


@dataclass(frozen=True)
class Program:
    """One program of the suite.

    Attributes:
        name: as in the table.
        main: a coroutine function; runs the whole program as a process and returns the answer.
            When it returns nothing is in its mailbox, and what it spawned has ended or is ending.
        answer: a plain function of the same parameters that returns the right answer.
        full: the parameters of a measurement.
        tiny: the parameters of a warm-up and of a test.
        erlang: the module under ``erlang/`` whose ``main/n`` takes the same parameters, in this order.
        note: options other than the defaults, where a process is started with any.
    """

    name: str
    main: Callable[..., Coroutine[Any, Any, object]]
    answer: Callable[..., object]
    full: Mapping[str, int | float]
    tiny: Mapping[str, int | float]
    erlang: str = ""
    note: str = ""

    def parameters(self, scale: str) -> Mapping[str, int | float]:
        """Return the parameters of a scale."""
        return self.full if scale == FULL else self.tiny

    async def run(self, scale: str) -> float:
        """Run in the current process; return the seconds it took.

        Raises:
            WrongAnswerError: the answer is not right.
        """
        began = perf_counter()
        answer = await self.main(**self.parameters(scale))
        took = perf_counter() - began
        self.check(answer, scale)
        return took

    def check(self, answer: object, scale: str) -> None:
        """Raise `WrongAnswerError` unless `answer` is right."""
        right = self.answer(**self.parameters(scale))
        if not _same(answer, right):
            raise WrongAnswerError(f"{self.name}: {answer!r}, and {right!r} is right")


def _same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return type(one) is type(other) and one == other


def numbers(seed: int) -> Iterator[int]:
    """Return pseudo-random integers from 1 to 2³¹ − 2 (Lehmer's generator), the same in every language."""
    state = seed % 0x7FFFFFFE + 1
    while True:
        state = state * 48271 % 0x7FFFFFFF
        yield state


def checksum(values: list[int]) -> int:
    """Return a number that depends on the values and on their order."""
    return sum(place * value for place, value in enumerate(values, 1))


async def collect(count: int) -> list[Any]:
    """Return the next `count` messages, as they come."""
    return [await process.receive() for _ in range(count)]
