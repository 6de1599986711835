"""A script that calls `otpnode.run` with two schedulers, in as many ways as it has functions."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, cast

import otpnode
from otpnode import NodeDownError, UnserializableError, process
from otpnode.process import Pid
from tests.node.apps import endings, tools

print(f"loaded as {__name__}", flush=True)


@dataclass(frozen=True)
class Point:
    """A class of the script itself."""

    x: int
    tags: frozenset[str] = field(default_factory=frozenset)


class NoLuck(Exception):
    """An exception of the script itself, with an ``__init__`` that pickle does not know."""

    def __init__(self, number: int, *, why: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.why = why


VALUE: tuple[object, ...] = (
    (1, (2, "three"), None),
    {1, 2},
    frozenset({"a"}),
    {("key", 1): [b"bytes"]},
    Point(3, frozenset({"t"})),
    2**70,
    1.5,
    True,
)


async def everything() -> object:
    return VALUE


async def returns(value: object) -> object:
    return value


async def fails(number: int) -> None:
    error = NoLuck(number, why="the dice")
    raise error


async def double(point: Point, asker: Pid) -> None:
    assert type(point) is Point, type(point)
    assert sys.modules["__main__"].__dict__["Point"] is Point
    await process.send(asker, ("doubled", process.shard_of(tools.me()), Point(point.x * 2, point.tags)))


async def sends_classes(point: Point) -> Point:
    """Let an object of a class of the script travel to the other shard and back."""
    assert type(point) is Point, type(point)
    await process.spawn(double, [point, tools.me()], on=1)
    _, where, doubled = await tools.get_tagged("doubled")
    assert where == 1
    assert type(doubled) is Point, type(doubled)
    return doubled


async def big() -> bytes:
    return os.urandom(1) * 5_000_000


async def unserialisable() -> object:
    return {"lock": threading.Lock()}


async def stops(code: int) -> None:
    otpnode.stop(code)
    await tools.idle()


async def exits(code: object) -> None:
    raise SystemExit(code)


async def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def kills_the_other() -> None:
    incarnation = dict(await process.subscribe_shards())[1]
    while True:
        await tools.kill_shard(1)
        incarnation = await tools.up_again(1, incarnation)


async def waits() -> None:
    await process.spawn(tools.idle, on=1)
    print("waiting", flush=True)
    try:
        await tools.idle()
    finally:
        await asyncio.sleep(0.2)
        print("cleaned", flush=True)


async def computes() -> None:
    print("waiting", flush=True)
    while True:
        time.sleep(0.01)  # noqa: ASYNC251 - it must not await


async def refuses() -> None:
    print("waiting", flush=True)
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("swallowed", flush=True)


async def ends_badly() -> Pid:
    return await process.spawn(endings.ends_with, ["broken"], on=1)


def outcome(main: object, *args: object, **settings: object) -> object:
    """Run; return the value, or the exception."""
    try:
        return otpnode.run(main, *args, schedulers=2, **settings)  # type: ignore[arg-type]
    except BaseException as error:
        return error


def check_values() -> None:
    value = cast("tuple[object, ...]", outcome(everything))
    assert value == VALUE, value
    assert [type(one) for one in value] == [type(one) for one in VALUE]
    assert outcome(returns, None) is None
    assert outcome(returns, "text") == "text"
    assert outcome(sends_classes, Point(4)) == Point(8)


def check_exception() -> None:
    error = outcome(fails, 13)
    assert type(error) is NoLuck, repr(error)
    assert (error.number, error.why, error.args) == (13, "the dice", (13,)), error.__dict__
    notes = "\n".join(error.__notes__)
    assert "in fails" in notes, notes
    assert "raise error" in notes, notes


def check_down() -> None:
    for main, says in ((is_killed, "main's shard was lost"), (kills_the_other, "crash loop")):
        error = outcome(main)
        assert type(error) is NodeDownError, repr(error)
        assert says in error.cause, error.cause
    error = outcome(ends_badly)
    assert type(error) is NodeDownError, repr(error)
    assert "broken" in error.cause, error.cause


def check_cannot_travel() -> None:
    before = set(os.listdir("/proc/self/task"))
    number = 3

    async def closure() -> int:
        return number

    for main, args in (
        (lambda: None, ()),
        (closure, ()),
        (returns, (threading.Lock(),)),
    ):
        error = outcome(main, *args)
        assert type(error) is UnserializableError, repr(error)
        assert "run on one loop: schedulers=1" in str(error), error
    assert before == set(os.listdir("/proc/self/task"))


def check_results() -> None:
    data = outcome(big)
    assert isinstance(data, bytes), repr(data)[:200]
    assert len(data) == 5_000_000
    assert len(set(data)) == 1
    error = outcome(unserialisable)
    assert type(error) is UnserializableError, repr(error)
    assert "lock" in str(error), str(error)


def check_exits() -> None:
    error = outcome(stops, 3)
    assert type(error) is SystemExit, repr(error)
    assert error.code == 3
    assert outcome(stops, 0) is None
    for code in (0, None, 7, "a text"):
        error = outcome(exits, code)
        assert type(error) is SystemExit, repr(error)
        assert error.code == code, error.code


def check_from_a_thread() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(outcome(returns, 5)))
    thread.start()
    thread.join(60)
    assert found == [5], found


def check_bad_settings() -> None:
    assert type(outcome(returns, 1, mailbox_limit=0)) is ValueError
    assert type(outcome("no function")) is TypeError
    handler = signal.getsignal(signal.SIGINT)
    assert outcome(returns, 1) == 1
    assert signal.getsignal(signal.SIGINT) is handler


def interrupted(main: object, grace: str = "5") -> NoReturn:
    """Run until Ctrl-C, and tell of each KeyboardInterrupt."""
    try:
        otpnode.run(main, schedulers=2, stop_grace=float(grace))  # type: ignore[arg-type]
    except KeyboardInterrupt:
        print("KeyboardInterrupt at the caller", flush=True)
        sys.exit(9)
    sys.exit(8)


def is_lost() -> NoReturn:
    error = outcome(waits)
    assert type(error) is NodeDownError, repr(error)
    assert "supervisor was lost" in error.cause, error.cause
    print("NodeDownError at the caller", flush=True)
    sys.exit(9)


if __name__ == "__main__":
    print("the guarded block runs", flush=True)
    match sys.argv[1]:
        case "interrupted":
            interrupted({"waits": waits, "computes": computes, "refuses": refuses}[sys.argv[2]], *sys.argv[3:])
        case "uncaught":
            otpnode.run(waits, schedulers=2)
        case "lost":
            is_lost()
        case "file":
            Path(sys.argv[2]).write_text(repr(otpnode.run(waits, schedulers=2)), encoding="utf-8")
        case name:
            globals()[f"check_{name}"]()
            tools.passed()
