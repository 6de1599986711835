"""Servers as they should be written: no checker has a word against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from otpnode import (
    IGNORE,
    NO_REPLY,
    CallExit,
    Continue,
    GenServer,
    Init,
    NoReply,
    Pid,
    Reply,
    Sender,
    Status,
    Stop,
    Timeout,
    child,
)
from otpnode.behaviours.common.control import Ignore


@dataclass(frozen=True)
class Get:
    key: str


@dataclass(frozen=True)
class Put:
    key: str
    value: int


class Store(GenServer[dict[str, int], Get | Put, int | None]):
    """All callbacks, some plain and some async."""

    async def init(self, size: int = 0) -> dict[str, int]:
        return {"size": size}

    def handle_call(self, request: Get | Put, sender: Sender, /) -> int | None:
        assert_type(self.state, dict[str, int])
        return self.state.get(request.key)

    def handle_cast(self, request: Put, /) -> None:
        self.state[request.key] = request.value

    async def handle_info(self, message: object, /) -> None: ...

    async def handle_continue(self, arg: object, /) -> Timeout:
        return Timeout(1)

    async def terminate(self, reason: object, /) -> None: ...

    def format_status(self, status: Status, /) -> Status:
        return status


class Controlled(GenServer[int, str, bytes]):
    """Returns control objects."""

    def init(self, start: int, *, then: bool = False) -> Init[int] | Ignore | Stop[Any]:
        if start < 0:
            return Stop("negative")
        return Init(start, Continue("init")) if then else IGNORE

    async def handle_call(self, request: str, sender: Sender, /) -> bytes | Reply[bytes] | NoReply | Stop[bytes]:
        match request:
            case "reply":
                return Reply(b"", Timeout(0))
            case "later":
                GenServer.reply(sender, b"")
                return NO_REPLY
            case "stop":
                return Stop("normal", reply=b"bye")
            case "stop without":
                return Stop("normal")
            case _:
                return b""

    def handle_cast(self, request: int, /) -> Continue | Stop[Any] | None:
        return None if request else Continue(request)


class OnlyState(GenServer[int]):
    """Requests and replies are anything."""

    def handle_call(self, request: Any, sender: Sender, /) -> Any:
        return self.state + 1


class Bare(GenServer):
    """Everything is anything."""

    trap_exits = True
    on = "local"

    def init(self) -> None:
        self.state = "set here"


class Deferring(GenServer[None, str, int]):
    """Its only reply comes later."""

    def handle_call(self, request: str, sender: Sender, /) -> NoReply:
        return NoReply(then=Timeout(1))


async def main() -> None:
    """Use them."""
    pid = await Store.start_link([64], name="store", on=1, timeout=5, label="the store")
    assert_type(pid, Pid)
    assert_type(await Store.call(pid, Get("a")), int | None)
    assert_type(await Store.call("store", Put("a", 1), timeout=None), int | None)
    assert_type(await GenServer.call(pid, "anything"), Any)
    assert_type(await Controlled.call(pid, "reply"), bytes)
    assert_type(await OnlyState.call(pid, object()), Any)
    replies, failed = await Store.multi_call([pid, "store"], Get("a"))
    assert_type(list(replies.values()), list[int | None])
    assert_type(list(failed.values()), list[object])
    await Store.cast(pid, Put("a", 1))
    await GenServer.abcast([pid], "x")
    await Store.stop(pid, "because", timeout=1.0)
    assert_type(Store.whereis("store"), Pid | None)
    child(Store, [64], name="store", restart="transient", shutdown="brutal_kill", on=0)
    try:
        await Bare.call(pid, 1)
    except CallExit as error:
        assert_type(error.reason, object)
