"""What may not travel is refused by name, and the text says where it is (SD-07, C9)."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import queue
import socket
import threading
import types
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from otpnode.errors import UnserializableError
from otpnode.transport.payload import PayloadError, dumps, dumps_call, loads, loads_call
from tests.transport import shapes

LOCAL = 'send plain data instead, or spawn with on="local"'


def generator() -> Iterator[int]:
    yield 1


async def agenerator() -> AsyncIterator[int]:
    yield 1


REFUSED: dict[str, Callable[[], object]] = {
    "asyncio.locks.Lock": asyncio.Lock,
    "asyncio.locks.Event": asyncio.Event,
    "asyncio.locks.Condition": asyncio.Condition,
    "asyncio.locks.Semaphore": lambda: asyncio.Semaphore(1),
    "asyncio.locks.BoundedSemaphore": lambda: asyncio.BoundedSemaphore(1),
    "asyncio.queues.Queue": asyncio.Queue,
    "asyncio.queues.PriorityQueue": asyncio.PriorityQueue,
    "_asyncio.Future": lambda: asyncio.get_running_loop().create_future(),
    "asyncio.streams.StreamReader": asyncio.StreamReader,
    "_UnixSelectorEventLoop": asyncio.get_running_loop,
    "socket.socket": socket.socket,
    "_io.TextIOWrapper": lambda: open("/dev/null"),  # noqa: SIM115
    "_io.FileIO": lambda: open("/dev/null", "rb", buffering=0),  # noqa: SIM115
    "_thread.lock": threading.Lock,
    "_thread.RLock": threading.RLock,
    "threading.Condition": threading.Condition,
    "threading.Event": threading.Event,
    "queue.Queue": queue.Queue,
    "generator": generator,
    "async_generator": agenerator,
    "memoryview": lambda: memoryview(b"x"),
    "Context": contextvars.copy_context,
    "ContextVar": lambda: contextvars.ContextVar("v"),
    "Token": lambda: contextvars.ContextVar[int]("v").set(1),
    "mappingproxy": lambda: types.MappingProxyType({}),
    "module": lambda: types,
    "lambda": lambda: lambda: None,
    "Undumpable": shapes.Undumpable,
}


class TestRefusal:
    @pytest.mark.parametrize("name", REFUSED)
    def test_is_refused_by_name_with_its_place(self, name: str) -> None:
        async def main() -> None:
            culprit = REFUSED[name]()
            try:
                for message, place in (
                    (culprit, "message "),
                    ((1, {"it": culprit}), "message[1]['it'] "),
                    (shapes.Order(1, [0, culprit]), "message.lines[1] "),
                ):
                    with pytest.raises(UnserializableError) as told:
                        dumps(message)
                    text = str(told.value)
                    assert text.startswith(f"cannot send a message to another shard: {place}")
                    assert name in text
                    assert text.endswith(LOCAL)
                    assert "\n" not in text
            finally:
                getattr(culprit, "close", lambda: None)() if name[:4] in ("sock", "_io.") else None

        asyncio.run(main())

    def test_task_and_coroutine(self) -> None:
        async def main() -> None:
            coro = shapes.worker()
            task = asyncio.create_task(shapes.worker())
            for culprit in (coro, task):
                with pytest.raises(UnserializableError, match=r"message\[0\] is an? (coroutine|_asyncio\.Task)"):
                    dumps((culprit,))
            coro.close()
            await task

        asyncio.run(main())

    def test_the_whole_text(self) -> None:
        with pytest.raises(UnserializableError) as told:
            dumps((1, {"lock": asyncio.Lock()}))
        assert str(told.value) == (
            "cannot send a message to another shard: message[1]['lock'] is an asyncio.locks.Lock, "
            'which belongs to one OS process; send plain data instead, or spawn with on="local"'
        )

    def test_root_word(self) -> None:
        with pytest.raises(UnserializableError, match=r"^cannot send an exit reason to another shard: reason\[0\] is"):
            dumps((asyncio.Lock(),), what="reason")

    @pytest.mark.parametrize(
        ("message", "place"),
        [
            ({asyncio.Lock(): 1}, "message{key 0}"),
            (frozenset({asyncio.Lock()}), "message{element}"),
            (shapes.Slotted([asyncio.Lock()]), "message.held[0]"),
            (shapes.Struct((), asyncio.Lock()), "message.any"),
            (shapes.Plain(asyncio.Lock()), "message.held"),
            (ValueError(asyncio.Lock()), "message.args[0]"),
            (functools.partial(shapes.function, asyncio.Lock()), "message.args[0]"),
            (shapes.Plain([asyncio.Lock()]).method, "message.__self__.held[0]"),
            (deque([0, asyncio.Lock()]), "message[1]"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_path(self, message: object, place: str) -> None:
        with pytest.raises(UnserializableError) as told:
            dumps(message)
        assert f": {place} is an asyncio.locks.Lock," in str(told.value)

    def test_path_through_a_cycle_is_the_shortest(self) -> None:
        cycle: list[object] = []
        cycle += [cycle, [[asyncio.Lock()]], {"a": cycle}]
        with pytest.raises(UnserializableError, match=r"message\[1\]\[0\]\[0\] is"):
            dumps(cycle)

    def test_too_big_to_search_still_names_the_type(self) -> None:
        with pytest.raises(UnserializableError, match=r"something inside message is an asyncio.locks.Lock"):
            dumps([[[n] for n in range(200_000)], [[asyncio.Lock()]]])

    def test_subclass_is_refused_with_its_base(self) -> None:
        kind = types.new_class("MyLock", (asyncio.Lock,))
        with pytest.raises(UnserializableError, match="MyLock"):
            dumps(kind())

    def test_instance_of_a_local_class(self) -> None:
        class Here:
            pass

        with pytest.raises(UnserializableError, match=r"message\[0\] .*<locals>\.Here"):
            dumps([Here()])

    def test_a_container_that_cannot_be_searched(self) -> None:
        with pytest.raises(UnserializableError, match=r"something inside message is an asyncio\.locks\.Lock"):
            dumps(shapes.Closed(asyncio.Lock()))

    def test_nested_too_deeply(self) -> None:
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(UnserializableError, match="message is nested too deeply"):
            dumps(deep)
        while deep:
            (inner,) = deep
            assert isinstance(inner, list)
            deep = inner

    def test_the_next_message_travels(self) -> None:
        with pytest.raises(UnserializableError):
            dumps([1, asyncio.Lock()])
        assert loads(dumps([1])) == [1]

    def test_the_cause_is_kept(self) -> None:
        with pytest.raises(UnserializableError) as told:
            dumps(shapes.Undumpable())
        assert isinstance(told.value.__cause__, ValueError)


class TestCalls:
    def test_round_trip(self) -> None:
        data = dumps_call(shapes.function, ((1, 2),), {"b": {3}}, {"var": 2**70})
        assert loads_call(data) == (shapes.function, ((1, 2),), {"b": {3}}, {"var": 2**70})

    @pytest.mark.parametrize(
        "func",
        [
            shapes.function,
            shapes.worker,
            shapes.Plain,
            shapes.Plain.make,
            shapes.Plain.static,
            functools.partial(shapes.function, 1),
            len,
            dict.fromkeys,
            asyncio.open_connection,
        ],
        ids=shapes.named,
    )
    def test_importable_functions_travel(self, func: Callable[..., object]) -> None:
        back, args, kwargs, _ = loads_call(dumps_call(func, (1,), {"a": [2]}, {}))
        assert (args, kwargs) == ((1,), {"a": [2]})
        assert back == func or isinstance(func, functools.partial)

    def test_what_stays_and_why(self) -> None:
        def inner() -> None: ...

        impostor = types.FunctionType(shapes.function.__code__, {}, "function")
        impostor.__module__ = shapes.__name__
        bound = shapes.Plain(1).method
        for func, why in (
            (inner, "defined inside a function"),
            (lambda: None, "lambda"),
            (bound, "a method bound to a tests.transport.shapes.Plain"),
            (functools.partial(bound), "a method bound to"),
            ([].append, "a method bound to a list"),
            (impostor, "does not name this very object"),
            (shapes.Plain(1), "not a function importable by name"),
            (3, "not a function"),
        ):
            with pytest.raises(
                UnserializableError, match=r"^cannot spawn .* on another shard: .*on=\"local\"$"
            ) as told:
                dumps_call(func, (), {}, {})
            assert why in str(told.value)
            assert "\n" not in str(told.value)

    def test_arguments_are_named(self) -> None:
        lock = asyncio.Lock()
        with pytest.raises(
            UnserializableError, match=r": args\[1\]\[0\] is an asyncio.locks.Lock, which belongs to one OS process;"
        ):
            dumps_call(shapes.function, (1, [lock]), {}, {})
        with pytest.raises(UnserializableError, match=r"kwargs\['b'\] is"):
            dumps_call(shapes.function, (), {"b": lock}, {})
        with pytest.raises(UnserializableError, match=r"func.args\[0\] is"):
            dumps_call(functools.partial(shapes.function, lock), (), {}, {})
        with pytest.raises(UnserializableError, match=r"carried\['var'\] is"):
            dumps_call(shapes.function, (), {}, {"var": lock})

    def test_not_a_call(self) -> None:
        values: tuple[object, ...] = (1, (1, (), {}, {}), (len, [], {}, {}), (len, ()))
        for value in values:
            with pytest.raises(PayloadError):
                loads_call(dumps(value))
