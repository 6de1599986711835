"""A rate limiter that is also a circuit breaker: a state machine between many workers and a frail service.

What it shows: a `GenStatem` says in which state an event means what. Workers on all
shards ask it before each request. While there are tokens, it says yes; when they have
run out, it *postpones* the question, and the callers wait, first come, first served,
without a queue in sight. When the service fails several times in a row, it says no to
all until a *state timeout* ends that, then lets a single request through and decides by
what came of it. Failures are forgiven after a while, by a *named timeout*, which no
change of state disturbs.

    flowing ◀──▶ dry            a token is left, none is left
       │          │
       └────┬─────┘  too many failures in a row
            ▼
         tripped ──(cooled down)──▶ trial ──(one request)──▶ probing ──▶ flowing or dry, or tripped again

    otpnode start --schedulers 2 --app-dir examples rate_limiter:main -- [--rate 500]
    python examples/rate_limiter.py --schedulers 2 [--rate 500]

Events: the calls ``'acquire'`` (answered True or False) and ``'counts'``; the cast
``('done', worker, succeeded)``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Literal

import otpnode
from otpnode import (
    Called,
    EventKind,
    GenServer,
    GenStatem,
    Keep,
    NamedTimeout,
    Next,
    Postpone,
    Repeat,
    ReplyTo,
    Sender,
    StateTimeout,
    TimedOut,
    process,
)
from otpnode.pid import Pid

State = Literal["flowing", "dry", "tripped", "trial", "probing"]
Step = Next[State] | Keep | Repeat | None

TOLERANCE = 3
"""Failures in a row after which the circuit is broken."""
COOLING = 0.1
"""Seconds of rest for the service then, and for how long a trial may take."""
FORGIVING = 1.0
"""Seconds without a failure after which the last ones do not count any more."""
BACK_OFF = 0.02
"""Seconds after which a worker that was refused asks again."""


@dataclass(slots=True)
class Bucket:
    """What the limiter keeps besides its state."""

    rate: float
    burst: int
    tokens: float
    filled: float
    failures: int = 0
    probe: Pid | None = None
    granted: int = 0
    refused: int = 0
    trips: int = 0


class Limiter(GenStatem[State, Bucket]):
    """Grants `rate` requests a second, up to `burst` at once, as long as they succeed."""

    enter = True

    def init(self, rate: float, burst: int) -> tuple[State, Bucket]:
        """Begin with a full bucket."""
        return "flowing", Bucket(rate, burst, tokens=burst, filled=time.monotonic())

    def state_flowing(self, kind: EventKind, content: object) -> Step:
        """Grant."""
        match kind, content:
            case Called(sender), "acquire":
                self.grant()
                return Next(self.level(), [ReplyTo(sender, True)])
            case "cast", ("done", _, bool(succeeded)):
                return self.judge(succeeded)
        return self.handle_event(kind, content)

    def state_dry(self, kind: EventKind, content: object) -> Step:
        """Keep callers waiting for the next token."""
        match kind, content:
            case "enter", _:
                return Keep([StateTimeout(max(0.0, 1 - self.data.tokens) / self.data.rate)])
            case "state_timeout", _:
                # A clock may be a hair's breadth early.
                return Next("flowing") if self.level() == "flowing" else Repeat()
            case Called(), "acquire":
                return Keep([Postpone()])
            case "cast", ("done", _, bool(succeeded)):
                return self.judge(succeeded)
        return self.handle_event(kind, content)

    def state_tripped(self, kind: EventKind, content: object) -> Step:
        """Refuse, also those who were waiting, until the service has had its rest."""
        match kind, content:
            case "enter", _:
                self.data.trips += 1
                return Keep([StateTimeout(COOLING)])
            case "state_timeout", _:
                return Next("trial")
            case Called(sender), "acquire":
                self.data.refused += 1
                return Keep([ReplyTo(sender, False)])
        return self.handle_event(kind, content)

    def state_trial(self, kind: EventKind, content: object) -> Step:
        """Let the first who comes try it."""
        match kind, content:
            case Called(sender), "acquire":
                self.grant()
                self.data.probe = sender[0]
                return Next("probing", [ReplyTo(sender, True)])
        return self.handle_event(kind, content)

    def state_probing(self, kind: EventKind, content: object) -> Step:
        """Wait for what came of the trial; nobody else is told anything before."""
        match kind, content:
            case "enter", _:
                return Keep([StateTimeout(COOLING)])
            case "cast", ("done", worker, succeeded) if worker == self.data.probe:
                self.data.failures = 0
                return Next(self.level() if succeeded else "tripped")
            case "state_timeout", _:
                return Next("tripped")
            case Called(), "acquire":
                return Keep([Postpone()])
        return self.handle_event(kind, content)

    def handle_event(self, kind: EventKind, content: object, /) -> Step:
        """Handle what is the same in every state."""
        match kind, content:
            case TimedOut("forgive"), _:
                self.data.failures = 0
                return None
            case Called(sender), "counts":
                return Keep([ReplyTo(sender, (self.data.granted, self.data.refused, self.data.trips))])
            case "cast", ("done", _, _):
                # Of a request from before the circuit broke: it is known by now.
                return None
            case "enter", _:
                return None
        raise ValueError(f"nobody handles {kind!r} with {content!r} in state {self.state!r}")

    def grant(self) -> None:
        """Take a token; a trial may take one that is not there yet."""
        self.data.tokens -= 1
        self.data.granted += 1

    def level(self) -> State:
        """Fill in the tokens of the time that has passed, and say whether one is left."""
        bucket, now = self.data, time.monotonic()
        bucket.tokens = min(bucket.burst, bucket.tokens + (now - bucket.filled) * bucket.rate)
        bucket.filled = now
        return "flowing" if bucket.tokens >= 1 else "dry"

    def judge(self, succeeded: bool) -> Step:
        """Count failures in a row, and break the circuit when there are too many."""
        self.data.failures = 0 if succeeded else self.data.failures + 1
        if succeeded:
            return None
        forgive = NamedTimeout("forgive", FORGIVING)
        return Next("tripped", [forgive]) if self.data.failures >= TOLERANCE else Keep([forgive])


class Service(GenServer[int, str, bool]):
    """Does its work, except that a few requests in the middle fail."""

    def init(self, sound: int, broken: int) -> int:
        """Serve `sound` requests before `broken` fail."""
        self.failing = range(sound, sound + broken)
        return 0

    def handle_call(self, request: str, sender: Sender, /) -> bool:
        """Tell whether this request has succeeded."""
        self.state += 1
        return self.state not in self.failing


async def worker(coordinator: Pid, jobs: int) -> None:
    """Have so many jobs done by the service, asking the limiter before each attempt."""
    me = process.self()
    done = 0
    while done < jobs:
        if not await Limiter.call("limiter", "acquire", timeout=None):
            await process.sleep(BACK_OFF)
            continue
        succeeded = await Service.call("service", "work")
        await Limiter.cast("limiter", ("done", me, succeeded))
        done += succeeded
    await process.send(coordinator, ("worked", process.shard_of(me or ""), done))


async def main(*argv: str) -> None:
    """Send the workers off, wait for them, and say what the limiter made of it."""
    options = argument_parser().parse_args(argv)
    began = time.monotonic()
    await Limiter.start_link([options.rate, options.burst], name="limiter")
    await Service.start_link([options.jobs // 4, 6], name="service")
    me = process.self()
    for number in range(options.workers):
        jobs = options.jobs // options.workers + (number < options.jobs % options.workers)
        await process.spawn_link(worker, [me, jobs])

    done = 0
    shards = set()
    for _ in range(options.workers):
        match await process.receive():
            case ("worked", int(shard), int(jobs)):
                done += jobs
                shards.add(shard)
    granted, refused, trips = await Limiter.call("limiter", "counts")
    seconds = time.monotonic() - began

    places = ", ".join(str(shard) for shard in sorted(shards))
    print(f"{done} jobs done by {options.workers} workers on shards {places} in {seconds:.3f} s")
    print(
        f"granted {granted}, allowed {options.burst} + {options.rate:g}/s: {options.burst + options.rate * seconds:.1f}"
    )
    print(f"tripped {trips} times, refused {refused} times")


def argument_parser() -> argparse.ArgumentParser:
    """Return the arguments of the job itself."""
    parser = argparse.ArgumentParser(prog="rate_limiter", description="Limit a rate.", add_help=False)
    parser.add_argument("--jobs", type=int, default=200, help="requests that must succeed (%(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="processes that make them (%(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (%(default)s)")
    parser.add_argument("--burst", type=int, default=10, help="requests at once (%(default)s)")
    return parser


if __name__ == "__main__":
    launcher = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    launcher.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    launch_options, rest = launcher.parse_known_args()
    otpnode.run(main, *rest, schedulers=launch_options.schedulers)
