"""Servers that are hard to report: huge states, and objects that refuse to be shown."""

from __future__ import annotations

import logging
import tracemalloc
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.common.control import Status, Stop
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.process import Pid
from tests.behaviours.servers import SOON

HEARD = ("otpnode.crash", "otpnode.supervisor", "otpnode.behaviours.server.gen_server")
GIGABYTE = 1 << 30


class Ear(logging.Handler):
    """Tells a process, on whatever shard, of each record, and what memory was taken until then."""

    def __init__(self, watcher: str) -> None:
        super().__init__(logging.ERROR)
        self._watcher = watcher

    def emit(self, record: logging.LogRecord) -> None:
        peak = tracemalloc.get_traced_memory()[1] if tracemalloc.is_tracing() else 0
        tracemalloc.stop()
        report = (record.name, record.getMessage(), getattr(record, "otp", None), peak)
        process.send_nowait(self._watcher, ("report", report))


class Broken(logging.Handler):
    """Raises instead of logging."""

    def emit(self, record: logging.LogRecord) -> None:
        raise SystemExit("the disk is full")


async def listening(watcher: str, handler: type[logging.Handler]) -> None:
    """Have what is reported on this shard told to `watcher`, until it ends."""
    mine = handler(watcher) if handler is Ear else handler()
    levels = {name: logging.getLogger(name).level for name in HEARD}
    for name in HEARD:
        logging.getLogger(name).addHandler(mine)
        logging.getLogger(name).setLevel(logging.WARNING)
    await process.send(watcher, "listening")
    try:
        await process.receive(match=lambda message: message == "never")
    finally:
        for name in HEARD:
            logging.getLogger(name).removeHandler(mine)
            logging.getLogger(name).setLevel(levels[name])


async def listen(handler: type[logging.Handler] = Ear) -> Pid:
    """Hear, from now on, what is reported on the shard where servers live."""
    pid = await process.spawn(listening, [process.self(), handler], on=process.schedulers() - 1)
    assert await process.receive(SOON) == "listening"
    return pid


async def reports(ear: Pid) -> list[Any]:
    """Return what has been reported: ``(logger, text, otp, peak of memory)``, for deaths that are known of."""
    # Whatever that shard has sent before its answer is here before it.
    await process.process_info(ear, "label")
    found = []
    while True:
        try:
            message: Any = await process.receive(0, match=lambda m: type(m) is tuple and m[0] == "report")
        except TimeoutError:
            return found
        found.append(message[1])


@dataclass
class Wide:
    """Its generated repr would show all of it."""

    rows: list[int]
    secret: str = field(default="password", repr=False)


class Table(Struct):
    """The same as a Struct."""

    rows: list[int]


class Raising:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@dataclass(frozen=True)
class SilentId:
    """An id whose repr fails, the same on every shard."""

    number: int

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Recursing:
    def __repr__(self) -> str:
        return repr(self)


class Exiting:
    def __repr__(self) -> str:
        raise SystemExit("out")


class NoText:
    def __repr__(self) -> Any:
        return 7


class Endless:
    def __repr__(self) -> str:
        while True:
            pass


@dataclass
class Unreadable:
    """A dataclass, whose repr is generated; but to read its field takes for ever."""

    field: int = 1

    def __getattribute__(self, name: str) -> Any:
        while name == "field":
            pass
        return object.__getattribute__(self, name)


class Unnamed(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit("no name")


class Nameless(metaclass=Unnamed):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Verbose:
    def __repr__(self) -> str:
        return "".join(repr(number) for number in range(10**9))


def nested() -> object:
    """Return a dict within a dict, 10⁵ deep."""
    outer: dict[str, object] = {}
    inner = outer
    for _ in range(10**5):
        inner["deeper"] = inner = {}
    return outer


def state_of(kind: str) -> object:
    """Make a state."""
    match kind:
        case "bytes":
            return bytes(GIGABYTE)
        case "text":
            return "x" * (GIGABYTE // 4)
        case "list":
            return [0] * 10**8
        case "dict":
            return dict.fromkeys(range(10**6))
        case "nested":
            return nested()
        case "itself":
            cycle: list[object] = []
            cycle.append(cycle)
            return cycle
        case "dataclass":
            return Wide([0] * 10**7)
        case "struct":
            return Table([0] * 10**7)
        case "nameless":
            return Nameless()
        case _:
            made: dict[str, type[object]] = {
                "raising": Raising,
                "recursing": Recursing,
                "exiting": Exiting,
                "no text": NoText,
                "endless": Endless,
                "unreadable": Unreadable,
                "verbose": Verbose,
            }
            return [made[kind]() for _ in range(3)]


class Monster(GenServer[Any]):
    """Has a state that is hard to show; measures the memory of its own report."""

    def init(self, kind: str) -> object:
        return state_of(kind)

    def handle_cast(self, reason: object, /) -> Stop:
        return Stop(reason)

    def handle_info(self, message: object, /) -> None:
        tracemalloc.start()
        raise ValueError(self.state) from KeyError(self.state)

    def terminate(self, reason: object, /) -> None:
        tracemalloc.start()


class Misformatted(GenServer[str]):
    """Its `format_status` fails in the way its state says."""

    def init(self, how: str) -> str:
        return how

    def handle_cast(self, reason: object, /) -> Stop:
        return Stop(reason)

    def format_status(self, status: Status, /) -> Status:
        if self.state == "returns nonsense":
            return None  # type: ignore[return-value]
        if self.state == "exits":
            raise SystemExit
        if self.state == "is somebody else":
            return Status(None, None, "shown", status.phase)  # type: ignore[arg-type]
        raise RuntimeError("no format")
