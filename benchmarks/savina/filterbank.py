"""Filterbank: a signal runs through banks of delay and filter, down- and upsampled between; the sum comes out.

Stresses parallel pipelines that meet again; `channels`, `samples`, and the `taps` of each filter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from benchmarks.savina.program import Program, checksum, numbers
from otpnode import process

Step = Callable[[int], int]


def delay(length: int) -> Step:
    """Return a step that gives each sample `length` samples later."""
    held = deque([0] * length)

    def step(sample: int) -> int:
        held.append(sample)
        return held.popleft()

    return step


def fir(coefficients: list[int]) -> Step:
    """Return a finite impulse response filter, in integers modulo 2¹⁶."""
    window = deque([0] * len(coefficients), maxlen=len(coefficients))

    def step(sample: int) -> int:
        window.appendleft(sample)
        return sum(map(int.__mul__, coefficients, window)) & 0xFFFF

    return step


def resample(every: int) -> Step:
    """Return a step that keeps one sample of `every` and puts zeros in place of the others: down and up again."""
    count = 0

    def step(sample: int) -> int:
        nonlocal count
        count += 1
        return sample if count % every == 1 else 0

    return step


def make(channel: int, number: int, channels: int, taps: int) -> Step:
    """Return step `number` of a channel."""
    random = numbers(channel * 5 + number)
    match number:
        case 0 | 3:
            return delay(channel + number)
        case 2:
            return resample(channels)
        case _:
            return fir([next(random) % 100 for _ in range(taps)])


STEPS = 5


def signal(samples: int) -> Iterator[int]:
    """Return the signal."""
    return (n * n % 251 for n in range(samples))


async def stage(channel: int, number: int, channels: int, taps: int, following: str) -> None:
    """Be one step of one channel."""
    step = make(channel, number, channels, taps)
    while (sample := await process.receive()) is not None:
        await process.send(following, step(sample))
    await process.send(following, None)


async def name(channel: int, following: str) -> None:
    """Say of each sample which channel it comes from."""
    while (sample := await process.receive()) is not None:
        await process.send(following, (channel, sample))


async def source(firsts: list[str], samples: int) -> None:
    """Give the signal to every channel."""
    for sample in signal(samples):
        for first in firsts:
            await process.send(first, sample)
    for first in firsts:
        await process.send(first, None)


async def main(channels: int, samples: int, taps: int) -> object:
    """Add the channels up, sample by sample; return the checksum of the sums."""
    firsts = []
    for channel in range(channels):
        following = await process.spawn_link(name, [channel, process.self()])
        for number in reversed(range(STEPS)):
            following = await process.spawn_link(stage, [channel, number, channels, taps, following])
        firsts.append(following)
    await process.spawn_link(source, [firsts, samples])
    came: list[deque[int]] = [deque() for _ in range(channels)]
    sums = []
    while len(sums) < samples:
        channel, sample = await process.receive()
        came[channel].append(sample)
        if all(came):
            sums.append(sum(queue.popleft() for queue in came))
    return checksum(sums)


def answer(channels: int, samples: int, taps: int) -> object:
    """The same steps, one after another."""
    sums = [0] * samples
    for channel in range(channels):
        steps = [make(channel, number, channels, taps) for number in range(STEPS)]
        for place, sample in enumerate(signal(samples)):
            for step in steps:
                sample = step(sample)
            sums[place] += sample
    return checksum(sums)


PROGRAM = Program(
    "Filterbank",
    main,
    answer,
    {"channels": 8, "samples": 2_500, "taps": 32},
    {"channels": 3, "samples": 40, "taps": 4},
)
