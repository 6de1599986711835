"""The verbs in the form that is offered (compiled, where that was built) and in Python do the same, edge for edge.

The other tests run the form that is offered; here both run in the same process, so that a difference is seen.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple, cast

import anyio
import pytest

from otpnode import process
from otpnode.process import Pid, ProcessExit
from otpnode.process.compiled import FAST
from otpnode.process.current import caller
from otpnode.process.interrupted import SET_ASYNC_EXC, Interrupted
from otpnode.process.mailbox import IDLE, PARKED
from otpnode.process.proc import Proc
from otpnode.transport.travel import refusal
from tests.support import perform, proc_of, until

me = process.self
SOON = 10.0
Coro = Coroutine[object, None, Any]


class Form(NamedTuple):
    """The four verbs that have a compiled form."""

    send: Callable[..., Coro]
    receive: Callable[..., Coro]
    request: Callable[..., Coro]
    send_nowait: Callable[..., bool]


OFFERED = Form(process.send, process.receive, process.request, process.send_nowait)
FORMS = {"offered": OFFERED, "python": Form(*(getattr(verb, "definition", verb) for verb in OFFERED))}
MISFITS: list[tuple[str, tuple[object, ...], dict[str, object]]] = [
    *(("send", args, {}) for args in ((), (1,), (1, 2, 3))),
    *(("send", (1,), {"target": 2}), ("send", (1, 2), {"ref": 3}), ("send", (), {"message": 1})),
    *(("receive", (1, 2, 3), {}), ("receive", (1,), {"timeout": 2}), ("receive", (), {"wait": 2})),
    *(("receive", (1, 2, 3), {"ref": "r"}), ("request", (), {}), ("request", (1,), {"fields": 3})),
    *(("request", (1, 2, 3), {"tag": 4}), ("request", (), {name: 1 for name in "abcdefghij"})),
    *(("send_nowait", (1,), {}), ("send_nowait", (1, 2), {"message": 3})),
]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    """Name each form."""
    return FORMS[str(request.param)]


def mine() -> Proc:
    return cast(Proc, caller())


async def silent() -> None:
    """Take requests and answer none."""
    while True:
        await process.receive()


def answer(request: Any) -> None:
    _, (_, ref), what = request
    process.send_nowait(ref, (ref, what))


async def echo() -> None:
    """Answer each request with what it asks, and keep nothing of it."""
    while True:
        answer(await process.receive())


# -- as functions ---------------------------------------------------------------


@pytest.mark.parametrize(("verb", "args", "kwargs"), MISFITS)
def test_a_call_that_does_not_fit_is_told_so_in_pythons_words(
    verb: str, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    said = []
    for form in FORMS.values():
        with pytest.raises(TypeError) as caught:
            getattr(form, verb)(*args, **kwargs)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("verb", Form._fields)
def test_a_verb_is_known_by_the_same_name_signature_and_words(verb: str) -> None:
    offered, definition = (getattr(form, verb) for form in FORMS.values())
    assert (offered.__module__, offered.__qualname__) == (definition.__module__, definition.__qualname__)
    assert offered.__doc__ == definition.__doc__
    assert inspect.signature(offered) == inspect.signature(definition)
    assert inspect.iscoroutinefunction(offered) is inspect.iscoroutinefunction(definition)
    assert asyncio.iscoroutinefunction(offered) is asyncio.iscoroutinefunction(definition)
    assert pickle.loads(pickle.dumps(offered)) is offered
    assert definition.__module__.encode() in pickle.dumps(offered)


def test_the_compiled_forms_are_offered_where_they_were_built() -> None:
    assert (FORMS["offered"] == FORMS["python"]) is (FAST is None)


# -- as coroutines, before anything happens ---------------------------------------


def test_what_a_verb_returns_is_a_coroutine_to_whoever_asks(form: Form) -> None:
    for coro in (form.send("p", 1), form.receive(1), form.request("p", "tag", timeout=1)):
        assert inspect.iscoroutine(coro)
        assert asyncio.iscoroutine(coro)
        assert inspect.isawaitable(coro)
        assert isinstance(coro, Coroutine)
        assert not coro.cr_running  # type: ignore[attr-defined]
        assert refusal(type(coro)) == "is running code of one OS process"
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(coro)
        coro.close()
        coro.close()


@pytest.mark.parametrize("verb", ["send", "receive", "request"])
def test_one_that_is_dropped_before_it_began_says_so(form: Form, verb: str) -> None:
    args = () if verb == "receive" else ("p", 1)
    for _ in range(70):
        with pytest.warns(RuntimeWarning, match=f"^coroutine '{verb}' was never awaited$"):
            getattr(form, verb)(*args)


def test_one_that_is_closed_or_thrown_into_before_it_began_does_nothing(form: Form) -> None:
    async def body() -> None:
        for ends in (Coroutine.close, lambda coro: coro.throw(KeyError("k"))):
            coro = form.send(me(), "never")
            with suppress(KeyError):
                ends(coro)
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                await coro
        assert mine().mailbox.messages() == []

    perform("asyncio", body)


# -- as coroutines, under way -----------------------------------------------------


def test_none_is_awaited_twice(form: Form) -> None:
    async def body() -> None:
        coro = form.send(me(), 1)
        await coro
        for again in (lambda: coro.send(None), lambda: coro.throw(KeyError)):
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                again()
        assert mine().mailbox.messages() == [1]
        assert await form.receive() == 1
        waits = form.receive()
        assert waits.send(None) is mine().bay

        async def another() -> None:
            await waits

        with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
            await another()
        assert mine().mailbox.gate == PARKED
        waits.close()
        assert mine().mailbox.gate == IDLE

    perform("asyncio", body)


def test_none_is_stepped_while_it_is_on_its_step(form: Form) -> None:
    class Twisted(str):
        def __hash__(self) -> int:
            for again in (lambda: coro.send(None), lambda: coro.throw(KeyError), lambda: coro.close()):
                with pytest.raises(ValueError, match="coroutine already executing"):
                    again()
            return super().__hash__()

    async def body() -> None:
        nonlocal coro
        coro = form.send(Twisted(me()), 1)
        await coro
        assert await form.receive() == 1

    coro: Coro
    perform("asyncio", body)


def test_what_is_no_exception_is_not_thrown(form: Form) -> None:
    async def body() -> None:
        waits = form.receive()
        waits.send(None)
        with pytest.raises(TypeError, match="exceptions must be"):
            waits.throw(1)  # type: ignore[call-overload]
        assert mine().mailbox.gate == PARKED
        with pytest.raises(KeyError, match="k"):
            waits.throw(KeyError("k"))
        assert mine().mailbox.gate == IDLE

    perform("asyncio", body)


@pytest.mark.parametrize("args", [(), (5,)], ids=["in place", "by the whole rule"])
def test_a_receive_that_is_dropped_leaves_its_wait(form: Form, args: tuple[float, ...]) -> None:
    async def body() -> None:
        box = mine().mailbox
        waits = form.receive(*args)
        assert waits.send(None) is mine().bay
        assert box.parked
        del waits
        assert not box.receiving
        cycle = [form.receive(*args)]
        cycle[0].send(None)
        cycle.append(cycle)  # type: ignore[arg-type]
        del cycle
        gc.collect()
        assert not box.receiving
        assert len(mine().shard.deadlines) == 0
        await form.send(me(), "after")
        assert await form.receive() == "after"

    perform("asyncio", body)


@pytest.mark.parametrize("timeout", [None, 5])
def test_a_request_that_is_dropped_leaves_its_wait(form: Form, timeout: float | None) -> None:
    async def body() -> None:
        server = await process.spawn(silent)
        for end in (lambda coro: None, Coroutine.close, lambda coro: coro.throw(KeyError)):
            waits = form.request(server, "ask", timeout=timeout)
            assert waits.send(None) is mine().bay
            assert await process.process_info(server, "monitored_by") == [me()]
            with suppress(KeyError):
                end(waits)
            del waits
            assert await process.process_info(server, "monitored_by") == []
            assert mine().shard.aliases == {}
            assert mine().mailbox.gate == IDLE
            assert len(mine().shard.deadlines) == 0

    perform("asyncio", body)


def test_one_that_is_over_holds_nothing(form: Form) -> None:
    class Thing:
        done: object = None

    async def body() -> None:
        server = await process.spawn(echo)
        for make in (lambda it: form.send(me(), it), lambda it: form.request(server, "ask", it, timeout=SOON)):
            thing = Thing()
            gone = weakref.ref(thing)
            thing.done = asyncio.create_task(make(thing))
            await thing.done
            mine().mailbox.queue.clear()
            del thing
            await asyncio.sleep(0)
            gc.collect()
            assert gone() is None

    perform("asyncio", body)


# -- what they do -------------------------------------------------------------------


@pytest.mark.parametrize("value", [(1, 2), (), StopIteration(3), KeyError("k"), None])
def test_any_message_is_returned_as_it_is(form: Form, value: object) -> None:
    async def body() -> None:
        await form.send(me(), value)
        assert await form.receive() is value
        await form.send(me(), value)
        with pytest.raises(StopIteration) as stop:
            form.receive().send(None)
        assert stop.value.value is value
        process.send_after(0.001, me(), value)
        assert await form.receive() is value

    perform("asyncio", body)


def test_children_of_every_kind_may_use_them(form: Form, loop: str) -> None:
    async def body() -> None:
        server = await process.spawn(echo)
        await asyncio.create_task(form.send(me(), 1))
        assert await asyncio.wait_for(form.receive(), SOON) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(form.receive(), 0.001)
        asked = (form.request(server, "ask", number, timeout=SOON) for number in range(5))
        assert [answer for _, answer in await asyncio.gather(*asked)] == list(range(5))
        async with asyncio.TaskGroup() as group:
            child = group.create_task(form.receive())
            group.create_task(form.send(me(), 2))
        assert child.result() == 2
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(form.send, me(), 3)
            assert await form.receive() == 3
        assert await asyncio.wait_for(form.request(server, "ask", 4), SOON)

    perform(loop, body)


def test_one_acts_for_the_process_that_awaits_it(form: Form) -> None:
    async def awaits(coro: Coro) -> None:
        await process.send(parent, await coro)

    async def body() -> None:
        nonlocal parent
        parent = me()
        child = await process.spawn(awaits, [form.receive()])
        await form.send(child, "for the child")
        assert await form.receive() == "for the child"

    parent: Pid
    perform("asyncio", body)


def test_a_limit_beyond_every_length_is_none(form: Form) -> None:
    async def body() -> None:
        server = await process.spawn(echo, mailbox_limit=2**80)
        nobodys = process.make_ref()
        assert (await form.request(server, "ask", 1))[1] == 1
        await form.send(server, ("ask", (me(), nobodys), 2))
        assert (await form.request(server, "ask", 3, timeout=SOON))[1] == 3

    perform("asyncio", body)


@pytest.mark.parametrize("verb", ["receive", "request"])
@pytest.mark.parametrize("reason", ["kill", "shutdown"])
def test_one_that_is_killed_while_it_waits_leaves_nothing(form: Form, verb: str, reason: str) -> None:
    async def body() -> None:
        server = await process.spawn(silent)
        args = [server, "ask"] if verb == "request" else []
        pid, ref = await process.spawn_monitor(getattr(form, verb), args)
        proc = proc_of(mine().shard, pid)
        await until(lambda: proc.mailbox.parked)
        await process.exit(pid, reason)
        assert await form.receive(SOON) == ("DOWN", ref, "process", pid, "killed" if reason == "kill" else reason)
        assert await process.process_info(server, "monitored_by") == []
        assert mine().shard.aliases == {}

    perform("asyncio", body)


def test_ac08_one_that_is_cut_off_is_told_so(form: Form) -> None:
    async def outlives() -> None:
        await asyncio.shield(asyncio.ensure_future(shielded()))

    async def shielded() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        for make in (form.receive, lambda: form.send(parent, "?"), lambda: form.request(parent, "ask")):
            with pytest.raises(ProcessExit, match="boom"):
                await make()
        with pytest.raises(ProcessExit, match="boom"):
            form.send_nowait(parent, "?")
        over.set_result(None)

    async def body() -> None:
        nonlocal parent, over
        parent = me()
        over = asyncio.get_running_loop().create_future()
        pid, ref = await process.spawn_monitor(outlives)
        await until(lambda: proc_of(mine().shard, pid)._fut_waiter is not None)
        await process.exit(pid, "boom")
        assert await form.receive(SOON) == ("DOWN", ref, "process", pid, "boom")
        await asyncio.wait_for(over, SOON)
        assert mine().mailbox.messages() == []

    parent: Pid
    over: asyncio.Future[None]
    perform("asyncio", body)


def test_fs03_an_exception_that_comes_too_late_ends_the_process_it_was_meant_for(form: Form) -> None:
    async def victim(*, after_a_future: bool) -> None:
        if after_a_future:
            await asyncio.sleep(0.001)  # sleep: the step after a timer is meant
        wait = form.receive()
        # Taken from a map by no call, after which the interpreter would look for it: the next look is too late.
        raising = map(SET_ASYNC_EXC, [ctypes.c_ulong(mine().shard.thread)], [ctypes.py_object(Interrupted)])
        (_,) = raising
        await wait

    async def body() -> None:
        for after_a_future in (False, True):
            pid, ref = await process.spawn_monitor(victim, kwargs={"after_a_future": after_a_future})
            assert await form.receive(SOON) == ("DOWN", ref, "process", pid, "killed")

    perform("asyncio", body)
