"""Mistakes that both checkers find, each on a line with a mark at its end."""

from __future__ import annotations

from otpnode import Continue, GenServer, Init, Reply, Sender, Stop, Timeout, child


class Store(GenServer[dict[str, int], str, int]):
    """Right."""

    def handle_call(self, request: str, sender: Sender, /) -> int:
        return self.state[request]


class OtherState(GenServer[dict[str, int], str, int]):
    """Its init makes another state than it says."""

    async def init(self) -> list[int]:  # error
        return []


class OtherInit(GenServer[int]):
    """Wraps a state of another type."""

    def init(self) -> Init[str]:  # error
        return Init("one")


class OtherReply(GenServer[int, str, int]):
    """Replies what it does not say."""

    def handle_call(self, request: str, sender: Sender, /) -> str:  # error
        return request


class OtherAsyncReply(GenServer[int, str, int]):
    """The same, awaited."""

    async def handle_call(self, request: str, sender: Sender, /) -> str:  # error
        return request


class OtherRequest(GenServer[int, str, int]):
    """Takes other requests than it says."""

    def handle_call(self, request: int, sender: Sender, /) -> int:  # error
        return request


class NoSender(GenServer[int, str, int]):
    """Forgets who asks."""

    def handle_call(self, request: str, /) -> int:  # error
        return 1


class ReplyOfOtherType(GenServer[int, str, int]):
    """Wraps a reply of another type."""

    async def handle_call(self, request: str, sender: Sender, /) -> int | Reply[str]:  # error
        return 1


class LastWordsOfOtherType(GenServer[int, str, int]):
    """Stops with a reply of another type."""

    def handle_call(self, request: str, sender: Sender, /) -> Stop[str]:  # error
        return Stop("normal", reply="bye")


class Replying(GenServer[int, str, int]):
    """Replies to a cast."""

    def handle_cast(self, request: str, /) -> int:  # error
        return 1


class StateMisused(GenServer[int]):
    """Uses its state as what it is not."""

    def handle_cast(self, request: str, /) -> None:
        self.state.append(request)  # error
        self.state = request  # error


async def main() -> None:
    """Use them wrongly."""
    pid = await Store.start_link("ab", name=7)  # error
    await Store.start_link(size=3)  # error
    await Store.call(pid, 7)  # error
    await Store.call(7, "a")  # error
    answer: str = await Store.call(pid, "a")  # error
    text: str = Store.call(pid, "a")  # error
    await Store.multi_call([pid], 7)  # error
    Timeout("soon")  # error
    Continue(1, 2)  # error
    child(Store, restart="sometimes")  # error
    child(Store, strategy="one_for_one")  # error
    print(answer, text)
