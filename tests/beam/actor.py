"""The actors of a scenario: ordinary processes that do what the driver orders.

Orders come through a queue beside the mailbox, so that the mailbox holds what the
scenario sends and nothing else. Results go to the driver by an ordinary send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

from otpnode import process
from otpnode.process import Pid, ProcessExit, Ref
from tests.beam.mappings import Throw, raised

Options = dict[str, object]


class Raw(NamedTuple):
    """A result that is printed as it stands."""

    text: str


class Bag(NamedTuple):
    """A result without order."""

    items: list[object]


class Order(NamedTuple):
    """What an actor is told to do."""

    number: int
    op: str
    args: list[object]
    jitter: int = 0
    """Turns of the loop to let pass first, where several actors act at once."""


class Child(NamedTuple):
    """What `spawn` is told: the name, the shard, the options."""

    name: str
    shard: int
    options: Options


CHANNELS: dict[str, asyncio.Queue[Order]] = {}
"""Pid → its orders, for the actors of this OS process."""


def channel(pid: str) -> asyncio.Queue[Order]:
    """Return the queue of an actor, whoever asks first."""
    return CHANNELS.setdefault(pid, asyncio.Queue())


async def actor(name: str, driver: str) -> None:
    """Obey until told to stop."""
    pid = str(process.self())
    orders = channel(pid)
    try:
        while True:
            order = await orders.get()
            for _ in range(order.jitter):
                await asyncio.sleep(0)
            if order.op == "stop":
                return stop(*order.args)
            result = await attempt(driver, order.op, order.args)
            process.send_nowait(driver, ("result", order.number, result))
    finally:
        CHANNELS.pop(pid, None)


async def body(name: str, driver: str, ops: list[list[object]]) -> None:
    """Do some operations at once and return."""
    # On another shard it may end its parent before `spawn` has returned there (SP-02): the driver must know it.
    process.send_nowait(driver, ("child", name, process.self(), True))
    for op, *args in ops:
        if op == "stop":
            return stop(*args)
        result = await attempt(driver, str(op), args)
        if isinstance(result, Raw) and result.text.startswith("raises"):
            raise RuntimeError(result.text)


def stop(kind: object, value: object = "normal") -> None:
    """End the caller the way `kind` says; returns for ``return``."""
    if kind == "exit":
        raise ProcessExit(value)
    if kind == "error":
        raise RuntimeError(value)
    if kind == "throw":
        raise Throw(value)


async def attempt(driver: str, op: str, args: list[object]) -> object:
    """Do one operation; an error becomes what Erlang prints for it."""
    try:
        return await OPS[op](driver, args)
    except Exception as error:
        return Raw(raised(op, args[0] if args else None, error))


# -- the operations -----------------------------------------------------------


async def _spawn(driver: str, args: list[object]) -> object:
    child = cast(Child, args[0])
    options = child.options
    func: Callable[..., object] = actor
    given: list[object] = [child.name, driver]
    if "body" in options:
        func = body
        given.append(options["body"])
    link, trap = options.get("link") is True, options.get("trap") is True
    if "monitor" in options:
        pid, ref = await process.spawn_monitor(func, given, on=child.shard, trap_exits=trap, link=link)
        process.send_nowait(driver, ("ref", options["monitor"], ref))
    elif link:
        pid = await process.spawn_link(func, given, on=child.shard, trap_exits=trap)
    else:
        pid = await process.spawn(func, given, on=child.shard, trap_exits=trap)
    process.send_nowait(driver, ("child", child.name, pid, "body" in options))
    return pid


async def _send(driver: str, args: list[object]) -> object:
    await process.send(cast(Pid, args[0]), args[1])
    return "ok"


def _equal(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _matcher(pattern: Options) -> Callable[[object], bool]:
    if "eq" in pattern:
        return lambda message: _equal(message, pattern["eq"])
    tag = pattern["tag"]

    def tagged(message: object) -> bool:
        return _equal(message, tag) or (isinstance(message, tuple) and len(message) > 0 and _equal(message[0], tag))

    return tagged


async def _recv(driver: str, args: list[object]) -> object:
    seconds = None if args[0] == "inf" else cast(float, args[0]) / 1000
    match = _matcher(cast(Options, args[1])) if len(args) > 1 else None
    try:
        return ("msg", await process.receive(seconds, match=match))
    except TimeoutError:
        return "timeout"


async def _flush(driver: str, args: list[object]) -> object:
    found: list[object] = []
    try:
        while True:
            found.append(await process.receive(0))
    except TimeoutError:
        return found


async def _link(driver: str, args: list[object]) -> object:
    await process.link(cast(Pid, args[0]))
    return True


async def _unlink(driver: str, args: list[object]) -> object:
    await process.unlink(cast(Pid, args[0]))
    return True


async def _monitor(driver: str, args: list[object]) -> object:
    extra = cast(Options, args[2]) if len(args) > 2 else {}
    target = cast(Pid, args[0])
    if "tag" in extra:
        ref = await process.monitor(target, tag=extra["tag"])
    else:
        ref = await process.monitor(target, alias=cast("str | None", extra.get("alias")))
    return _labelled(driver, args[1], ref)


def _labelled(driver: str, label: object, ref: Ref) -> Ref:
    process.send_nowait(driver, ("ref", label, ref))
    return ref


async def _demonitor(driver: str, args: list[object]) -> object:
    active = await process.demonitor(cast(Ref, args[0]), flush="flush" in args[1:], info="info" in args[1:])
    return True if active is None else active


async def _alias(driver: str, args: list[object]) -> object:
    return _labelled(driver, args[0], process.alias(reply="reply" in args[1:]))


async def _unalias(driver: str, args: list[object]) -> object:
    return process.unalias(cast(Ref, args[0]))


async def _exit(driver: str, args: list[object]) -> object:
    await process.exit(cast(Pid, args[0]), args[1])
    return True


async def _trap(driver: str, args: list[object]) -> object:
    return process.process_flag("trap_exits", args[0])


async def _register(driver: str, args: list[object]) -> object:
    await process.register(str(args[0]), cast("Pid | None", args[1] if len(args) > 1 else None))
    return True


async def _unregister(driver: str, args: list[object]) -> object:
    await process.unregister(str(args[0]))
    return True


async def _whereis(driver: str, args: list[object]) -> object:
    return process.whereis(str(args[0]))


async def _alive(driver: str, args: list[object]) -> object:
    pid = cast(Pid, args[0])
    process.shard_of(pid)  # As in the oracle, which must know the pid's node first.
    return process.is_alive(pid)


KEYS = {"trap": "trap_exits", "qlen": "message_queue_len", "name": "registered_name"}
"""The short keys of `info`; the others have the names of `process_info`."""


async def look(pid: Pid, key: str, driver: str) -> object:
    """Return one item of `process_info` in the oracle's form, without the driver's own traces."""
    value = await process.process_info(pid, KEYS.get(key, key))
    if value is None:
        return "none" if key == "name" and process.is_alive(pid) else Raw("dead")
    if key in ("links", "monitors", "monitored_by"):
        return Bag([each for each in cast("list[object]", value) if each != driver])
    return value


async def _info(driver: str, args: list[object]) -> object:
    pid = cast(Pid, args[0])
    process.shard_of(pid)
    return await look(pid, str(args[1]), driver)


async def _timer(driver: str, args: list[object]) -> object:
    label, ms, target, value = args
    return _labelled(driver, label, process.send_after(cast(float, ms) / 1000, cast(Pid, target), value))


async def _start_timer(driver: str, args: list[object]) -> object:
    label, ms, target, value = args
    return _labelled(driver, label, process.start_timer(cast(float, ms) / 1000, cast(Pid, target), value))


async def _cancel(driver: str, args: list[object]) -> object:
    return "left" if await process.cancel_timer(cast(Ref, args[0])) else False


async def _read(driver: str, args: list[object]) -> object:
    return False if await process.read_timer(cast(Ref, args[0])) is None else "left"


async def _put(driver: str, args: list[object]) -> object:
    return process.put(args[0], args[1])


async def _get(driver: str, args: list[object]) -> object:
    return process.get(args[0])


async def _self(driver: str, args: list[object]) -> object:
    return process.self()


async def _sleep(driver: str, args: list[object]) -> object:
    await process.sleep(cast(float, args[0]) / 1000)
    return "ok"


async def _nop(driver: str, args: list[object]) -> object:
    return "ok"


OPS: dict[str, Callable[[str, list[object]], Awaitable[object]]] = {
    "nop": _nop,
    "spawn": _spawn,
    "send": _send,
    "recv": _recv,
    "flush": _flush,
    "link": _link,
    "unlink": _unlink,
    "monitor": _monitor,
    "demonitor": _demonitor,
    "alias": _alias,
    "unalias": _unalias,
    "exit": _exit,
    "trap": _trap,
    "register": _register,
    "unregister": _unregister,
    "whereis": _whereis,
    "alive": _alive,
    "info": _info,
    "timer": _timer,
    "start_timer": _start_timer,
    "cancel": _cancel,
    "read": _read,
    "put": _put,
    "get": _get,
    "self": _self,
    "sleep": _sleep,
}
