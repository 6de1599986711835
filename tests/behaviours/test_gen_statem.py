"""SM-01, SM-02, SM-05, SM-06: postponed and inserted events, entering states, answers, events nobody handles."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.common.control import Reply, Stop
from otpnode.behaviours.statem.events import (
    Called,
    EventTimeout,
    Keep,
    Next,
    NextEvent,
    Postpone,
    Repeat,
    ReplyTo,
    StateTimeout,
    TimedOut,
)
from otpnode.behaviours.statem.gen_statem import GenStatem
from tests.behaviours.machines import Endless, Entering, Gate, Machine, Methods, Mode, Only, contents, heard, told
from tests.behaviours.servers import SOON, ending_of, exit_and_wait, next_message, no_message, on_a_node

LATER = Keep([Postpone()])
TO_B = Next("b")

# -- SM-01: postpone ----------------------------------------------------------


@on_a_node
async def test_sm01_postponed_events_come_back_after_a_change_only() -> None:
    pid = await Machine.start([process.self()])
    assert contents(await told(pid, ("p", {"a": LATER}), "x", ("same", {"a": Next("a")}))) == ["p", "x", "same"]
    assert await told(pid, ("go", {"a": TO_B})) == [("a", "cast", "go"), ("b", "cast", "p")]


@on_a_node
async def test_sm01_postponed_events_come_back_oldest_first_and_before_newer_ones() -> None:
    pid = await Machine.start([process.self()])
    events = [("1", {"a": LATER}), ("2", {"a": LATER}), ("go", {"a": TO_B}), "newer"]
    assert contents(await told(pid, *events)) == ["1", "2", "go", "1", "2", "newer"]


@on_a_node
async def test_sm01_an_event_that_changes_the_state_may_postpone_itself() -> None:
    pid = await Machine.start([process.self()])
    events = [("older", {"a": LATER}), ("self", {"a": Next("b", [Postpone()])}), "newer"]
    tellings = [("a", "older"), ("a", "self"), ("b", "older"), ("b", "self"), ("b", "newer")]
    assert [(state, label) for state, _, label in await told(pid, *events)] == tellings


@on_a_node
async def test_sm01_an_event_may_be_postponed_again() -> None:
    pid = await Machine.start([process.self()])
    events = [("p", {"a": LATER, "b": LATER}), ("go", {"a": TO_B}), ("on", {"b": Next("c")})]
    assert [(state, label) for state, _, label in await told(pid, *events)] == [
        ("a", "p"),
        ("a", "go"),
        ("b", "p"),
        ("b", "on"),
        ("c", "p"),
    ]


@on_a_node
async def test_sm01_a_change_while_retrying_starts_again_with_the_oldest() -> None:
    pid = await Machine.start([process.self()])
    events = [("1", {"a": LATER, "b": LATER}), ("2", {"a": LATER, "b": Next("c")}), ("3", {"a": LATER})]
    assert [(state, label) for state, _, label in await told(pid, *events, ("go", {"a": TO_B}))][4:] == [
        ("b", "1"),
        ("b", "2"),
        ("c", "1"),
        ("c", "3"),
    ]


@on_a_node
async def test_sm01_repeating_the_state_is_no_change() -> None:
    pid = await Entering.start([process.self()])
    tellings = await told(pid, ("p", {"a": LATER}), ("again", {"a": Repeat()}))
    assert contents(tellings) == ["a", "p", "again", "a"]


@on_a_node
async def test_sm01_a_caller_waits_as_long_as_its_call_is_postponed() -> None:
    pid = await Gate.start()
    calls = [asyncio.create_task(Gate.call(pid, [])) for _ in range(3)]
    with pytest.raises(otpnode.CallTimeoutError):
        await Gate.call(pid, [], timeout=0.02)
    assert not any(call.done() for call in calls)
    await Gate.cast(pid, "open")
    assert await asyncio.gather(*calls) == ["through"] * 3
    # The call that had timed out was handled too, and its answer went nowhere.
    assert await Gate.call(pid, []) == "through"
    assert await no_message()


@on_a_node
async def test_sm01_the_callers_of_postponed_calls_hear_of_the_end() -> None:
    pid = await Gate.start()
    call = asyncio.create_task(Gate.call(pid, []))
    with pytest.raises(otpnode.CallTimeoutError):
        await Gate.call(pid, [], timeout=0.02)
    await Gate.stop(pid)
    with pytest.raises(otpnode.CallExit) as caught:
        await call
    assert caught.value.reason == "normal"


# -- SM-02: next_event --------------------------------------------------------


@on_a_node
async def test_sm02_inserted_events_come_before_queued_ones_and_in_order() -> None:
    pid = await Machine.start([process.self()])
    insert = Keep([NextEvent("internal", "1"), NextEvent("cast", "2"), NextEvent("info", "3")])
    assert await told(pid, ("insert", {"a": insert}), "queued") == [
        ("a", "cast", "insert"),
        ("a", "internal", "1"),
        ("a", "cast", "2"),
        ("a", "info", "3"),
        ("a", "cast", "queued"),
    ]


@on_a_node
async def test_sm02_events_inserted_by_an_inserted_one_come_first() -> None:
    pid = await Machine.start([process.self()])
    inner = ("1", {"a": Keep([NextEvent("internal", "inner")])})
    outer = Keep([NextEvent("internal", inner), NextEvent("internal", "2")])
    assert contents(await told(pid, ("outer", {"a": outer}))) == ["outer", "1", "inner", "2"]


@on_a_node
async def test_sm02_inserted_events_come_before_postponed_ones_that_come_back() -> None:
    pid = await Machine.start([process.self()])
    go = Next("b", [NextEvent("internal", "inserted")])
    assert contents(await told(pid, ("p", {"a": LATER}), ("go", {"a": go}), "q")) == ["p", "go", "inserted", "p", "q"]


@on_a_node
async def test_sm02_an_inserted_event_may_be_postponed() -> None:
    pid = await Machine.start([process.self()])
    inserted = NextEvent("internal", ("i", {"a": LATER}))
    assert contents(await told(pid, ("go", {"a": Keep([inserted])}), ("b", {"a": TO_B}))) == ["go", "i", "b", "i"]


@on_a_node
async def test_sm02_init_may_insert_events() -> None:
    pid = await Machine.start([process.self(), NextEvent("internal", "1"), NextEvent(TimedOut("x"), "2")])
    assert await heard(pid) == [("a", "internal", "1"), ("a", ("timed out", "x"), "2")]


@on_a_node
async def test_sm02_a_machine_that_goes_on_and_on_by_itself_lets_others_run() -> None:
    pid = await Endless.start(on="local")
    for _ in range(3):
        await process.sleep(0)
    assert await exit_and_wait(pid, "enough") == "enough"


@pytest.mark.parametrize("kind", ["enter", "call", "timeout", None, 1, {}])
def test_sm02_only_kinds_of_events_can_be_inserted(kind: Any) -> None:
    with pytest.raises(ValueError, match="NextEvent takes one of"):
        NextEvent(kind)


# -- SM-05: state_enter -------------------------------------------------------


@on_a_node
async def test_sm05_a_state_is_entered_on_start_on_change_and_on_repeat_and_not_on_keep() -> None:
    pid = await Entering.start([process.self()])
    assert await told(pid, "x", ("k", {"a": Keep()}), ("s", {"a": Next("a")}), ("r", {"a": Repeat()})) == [
        ("a", "enter", "a"),
        ("a", "cast", "x"),
        ("a", "cast", "k"),
        ("a", "cast", "s"),
        ("a", "cast", "r"),
        ("a", "enter", "a"),
    ]
    assert await told(pid, ("go", {"a": TO_B}), "y") == [
        ("a", "cast", "go"),
        ("b", "enter", "a"),
        ("b", "cast", "y"),
    ]


@on_a_node
async def test_sm05_a_state_is_entered_before_postponed_and_inserted_events_are_handled() -> None:
    pid = await Entering.start([process.self()])
    go = Next("b", [NextEvent("internal", "i")])
    tellings = await told(pid, ("p", {"a": LATER}), ("go", {"a": go}))
    assert tellings[1:] == [
        ("a", "cast", "p"),
        ("a", "cast", "go"),
        ("b", "enter", "a"),
        ("b", "internal", "i"),
        ("b", "cast", "p"),
    ]


@on_a_node
async def test_sm05_entering_may_set_timeouts_and_reply() -> None:
    pid = await Entering.start([process.self()])
    state = ("timed", Keep([StateTimeout(0, "zero")]))
    tellings = await told(pid, ("go", {"a": Next(state)}))
    assert tellings[-2:] == [(state, "enter", "a"), (state, "state_timeout", "zero")]


@on_a_node
async def test_sm05_entering_sets_its_timeouts_after_those_of_the_event() -> None:
    pid = await Entering.start([process.self()])
    state = ("timed", Keep([StateTimeout(0, "of enter")]))
    tellings = await told(pid, ("go", {"a": Next(state, [StateTimeout(0, "of the event")])}))
    assert contents(tellings)[-2:] == ["a", "of enter"]


@pytest.mark.parametrize(
    "bad",
    [
        Next("elsewhere"),
        Keep([Postpone()]),
        Keep([NextEvent("internal")]),
        Next("elsewhere", [StateTimeout(0)]),
        Repeat([Postpone()]),
        "b",
    ],
)
@on_a_node
async def test_sm05_entering_may_neither_change_the_state_nor_postpone_nor_insert(bad: object) -> None:
    pid = await Entering.start([process.self()])
    await Entering.cast(pid, ("go", {"a": Next(("bad", bad))}))
    assert await ending_of(pid) in (("bad_return_value", bad), "noproc")


@on_a_node
async def test_sm05_a_machine_that_does_not_ask_is_not_told() -> None:
    pid = await Machine.start([process.self()])
    assert contents(await told(pid, ("r", {"a": Repeat()}), ("go", {"a": TO_B}))) == ["r", "go"]


@on_a_node
async def test_sm05_entering_may_stop_the_machine() -> None:
    pid = await Entering.start([process.self()])
    ref = await process.monitor(pid)
    await Entering.cast(pid, ("go", {"a": Next(("last", Stop("over")))}))
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "over"


# -- SM-06: replies, timeouts of calls, events nobody handles -----------------


@on_a_node
async def test_sm06_a_machine_may_reply_and_stop() -> None:
    pid = await Machine.start([process.self()])
    assert await Machine.call(pid, ("ping", {"a": Stop("done")})) == "pong"
    assert await ending_of(pid) in ("done", "noproc")


@on_a_node
async def test_sm06_a_stop_without_a_reply_is_the_callers_reason() -> None:
    pid = await Machine.start([process.self()])
    with pytest.raises(otpnode.CallExit) as caught:
        await Machine.call(pid, ("x", {"a": Stop("done")}))
    assert caught.value.reason == "done"


@on_a_node
async def test_sm06_a_call_that_times_out_leaves_nothing_and_the_machine_goes_on() -> None:
    pid = await Machine.start([process.self()])
    with pytest.raises(otpnode.CallTimeoutError):
        await Machine.call(pid, "silence", timeout=0.02)
    assert await next_message() == ("a", "call", "silence")
    assert await Machine.call(pid, "ping") == "pong"
    assert await next_message() == ("a", "call", "ping")
    assert await no_message()


@on_a_node
async def test_sm06_replies_are_sent_before_the_new_state_is_entered() -> None:
    pid = await Replies.start([process.self()])
    assert await Replies.call(pid, "open") == "opened"
    assert await next_message() == "entered"


class Replies(GenStatem[str, str]):
    """Answers on the way to a state whose entering tells `watcher`."""

    enter = True

    def init(self, watcher: str) -> tuple[str, str]:
        return "closed", watcher

    def state_closed(self, kind: object, content: object) -> Next[str] | None:
        match kind:
            case Called(sender):
                return Next("open", [ReplyTo(sender, "opened")])
        return None

    async def state_open(self, kind: object, content: object) -> None:
        await process.send(self.data, "entered")


@pytest.mark.parametrize(("how", "kind"), [("call", "Called"), ("info", "'info'")])
@on_a_node
async def test_sm06_an_event_nobody_handles_ends_the_machine_and_is_named(how: str, kind: str) -> None:
    pid = await Only.start()
    await Only.cast(pid, "handled")
    ref = await process.monitor(pid)
    if how == "call":
        with pytest.raises(otpnode.CallExit):
            await Only.call(pid, "what")
    else:
        await process.send(pid, "what")
    down: Any = await process.receive(SOON, ref=ref)
    text = str(down[4])
    assert "NotImplementedError" in repr(down[4])
    assert "Only does not handle" in text
    assert "'what' in state 'on'" in text
    assert kind in text


@on_a_node
async def test_sm06_a_state_with_a_method_is_handled_there_and_any_other_in_handle_event() -> None:
    for state, where in (("open", "open"), (Mode.OPEN, "open"), ("closed", "any"), (1, "any"), (("open",), "any")):
        pid = await Methods.start([state])
        await Methods.cast(pid, "x")
        assert await system.get_state(pid) == (state, [(where, "x")])


BAD: list[object] = [
    1,
    "b",
    [],
    Reply(1),
    Stop("x", reply=1),
    Keep(7),  # type: ignore[arg-type]
    Keep([7]),  # type: ignore[list-item]
    Next("b", EventTimeout(1)),  # type: ignore[arg-type]
    Keep([Postpone]),  # type: ignore[list-item]
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
@on_a_node
async def test_sm06_a_bad_return_ends_the_machine(bad: object) -> None:
    pid = await Machine.start([process.self()])
    with pytest.raises(otpnode.CallExit) as caught:
        await Machine.call(pid, ("x", {"a": bad}))
    assert caught.value.reason == ("bad_return_value", bad)
