"""SM-03, SM-04: state timeouts, event timeouts and named ones."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.statem.events import (
    Action,
    EventTimeout,
    Keep,
    NamedTimeout,
    Next,
    NextEvent,
    Postpone,
    Repeat,
    StateTimeout,
)
from tests.behaviours.machines import Machine, contents, heard, suspended, told
from tests.behaviours.servers import next_message, no_message, on_a_node

SOON = 0.005
"""Seconds of a timeout that is to run out in the test."""
LONG = 3600.0
"""Seconds of one that must not."""


def sets(*actions: Action) -> tuple[str, dict[str, Keep]]:
    """Return an event that sets timeouts."""
    return "set", {"a": Keep(actions)}


# -- SM-03: state_timeout -----------------------------------------------------


@on_a_node
async def test_sm03_a_state_timeout_comes_with_its_content() -> None:
    pid = await Machine.start([process.self(), StateTimeout(SOON, "of init")])
    assert await next_message() == ("a", "state_timeout", "of init")
    await Machine.cast(pid, sets(StateTimeout(SOON, "again")))
    assert [await next_message() for _ in range(2)] == [("a", "cast", "set"), ("a", "state_timeout", "again")]
    assert await heard(pid) == []


@on_a_node
async def test_sm03_a_change_cancels_the_state_timeout_even_when_it_has_run_out() -> None:
    pid = await Machine.start([process.self()])
    tellings = await told(pid, sets(StateTimeout(SOON, "late")), ("rung", {"a": Next("b")}), "x")
    assert tellings == [("a", "cast", "set"), ("a", "cast", "rung"), ("b", "cast", "x")]


@pytest.mark.parametrize("step", [None, Keep(), Repeat(), Next("a")])
@on_a_node
async def test_sm03_without_a_change_the_state_timeout_stays(step: Any) -> None:
    pid = await Machine.start([process.self()])
    tellings = await told(pid, sets(StateTimeout(SOON, "t")), ("rung", {"a": step}), ("x", {"a": step}), until=4)
    assert contents(tellings) == ["set", "rung", "x", "t"]


@on_a_node
async def test_sm03_a_change_may_set_the_state_timeout_of_the_new_state() -> None:
    pid = await Machine.start([process.self()])
    go = ("go", {"a": Next("b", [StateTimeout(SOON, "new")])})
    await told(pid, sets(StateTimeout(LONG, "old")))
    await Machine.cast(pid, go)
    assert [await next_message() for _ in range(2)] == [("a", "cast", "go"), ("b", "state_timeout", "new")]


@on_a_node
async def test_sm03_zero_comes_before_queued_events() -> None:
    pid = await Machine.start([process.self()])
    assert contents(await told(pid, sets(StateTimeout(0, "zero")), "queued")) == ["set", "zero", "queued"]


@on_a_node
async def test_sm03_zero_comes_after_the_machines_own_events() -> None:
    pid = await Machine.start([process.self()])
    go = Next("b", [StateTimeout(0, "zero"), NextEvent("internal", "inserted")])
    tellings = await told(pid, ("p", {"a": Keep([Postpone()])}), ("go", {"a": go}), "queued")
    assert contents(tellings) == ["p", "go", "inserted", "p", "zero", "queued"]


@on_a_node
async def test_sm03_a_change_cancels_a_zero_timeout_that_has_not_come_yet() -> None:
    pid = await Machine.start([process.self()])
    inserted = NextEvent("internal", ("i", {"a": Next("b")}))
    assert contents(await told(pid, sets(StateTimeout(0, "zero"), inserted), "queued")) == ["set", "i", "queued"]


@on_a_node
async def test_sm03_several_zero_timeouts_come_in_the_order_they_were_set() -> None:
    pid = await Machine.start([process.self()])
    event = sets(NamedTimeout("n", 0, 1), StateTimeout(0, 2), NamedTimeout("m", 0, 3), NamedTimeout("n", 0, 4))
    assert contents(await told(pid, event, "queued")) == ["set", 2, 3, 4, "queued"]


@pytest.mark.parametrize("seconds", [None, inf])
@on_a_node
async def test_sm03_none_and_inf_cancel(seconds: float | None) -> None:
    pid = await Machine.start([process.self()])
    cancel = Keep([StateTimeout(seconds), EventTimeout(seconds), NamedTimeout("n", seconds)])
    events = [sets(StateTimeout(SOON, "late"), NamedTimeout("n", SOON, "late")), ("rung", {"a": cancel}), "x"]
    assert contents(await told(pid, *events)) == ["set", "rung", "x"]
    zeros = sets(StateTimeout(0, "zero"), StateTimeout(seconds), NamedTimeout("n", 0, "zero"), *cancel.actions)
    assert contents(await told(pid, zeros, "x")) == ["set", "x"]


@on_a_node
async def test_sm03_a_timeout_replaces_its_like_even_when_it_has_run_out() -> None:
    pid = await Machine.start([process.self()])
    again = ("rung", {"a": Keep([StateTimeout(SOON, "new")])})
    assert contents(await told(pid, sets(StateTimeout(SOON, "old")), again, until=3)) == ["set", "rung", "new"]


@on_a_node
async def test_sm03_a_timeout_event_can_be_postponed() -> None:
    pid = await Machine.start([process.self()])
    timeout = StateTimeout(0, ("t", {"a": Keep([Postpone()])}))
    assert await told(pid, sets(timeout), ("go", {"a": Next("b")})) == [
        ("a", "cast", "set"),
        ("a", "state_timeout", "t"),
        ("a", "cast", "go"),
        ("b", "state_timeout", "t"),
    ]


# -- SM-04: event timeout, named timeouts --------------------------------------


@on_a_node
async def test_sm04_an_event_timeout_comes_when_nothing_else_does() -> None:
    pid = await Machine.start([process.self(), EventTimeout(SOON, "idle")])
    assert await next_message() == ("a", "event_timeout", "idle")
    await Machine.cast(pid, sets(EventTimeout(0, "at once")))
    assert [await next_message() for _ in range(2)] == [("a", "cast", "set"), ("a", "event_timeout", "at once")]
    assert await heard(pid) == []


@on_a_node
async def test_sm04_any_event_cancels_the_event_timeout() -> None:
    pid = await Machine.start([process.self()])
    assert contents(await told(pid, sets(EventTimeout(LONG, "idle")), "x")) == ["set", "x"]
    assert await pending(pid) == []


@on_a_node
async def test_sm04_an_event_cancels_an_event_timeout_that_has_run_out_behind_it() -> None:
    pid = await Machine.start([process.self()])
    behind = False
    while not behind:
        await suspended(pid, sets(EventTimeout(0.02, "idle")))
        await Machine.cast(pid, "x")
        while len(queued := await pending(pid)) < 2:
            await process.sleep(0.001)  # sleep: looks again whether the timer has run out
        # The timer may have been faster than the cast; then its event comes, and this goes round again.
        behind = queued[0] == ("$gen_cast", "x")
        await system.resume(pid)
        assert contents(await heard(pid)) == (["x"] if behind else ["idle", "x"])


async def pending(pid: str) -> list[Any]:
    """Return what is in the mailbox of a machine."""
    queued: Any = await process.process_info(pid, "messages")
    return list(queued)


@pytest.mark.parametrize(
    "other", [NextEvent("internal", "other"), StateTimeout(0, "other"), NamedTimeout("n", 0, "other")]
)
@on_a_node
async def test_sm04_the_machines_own_events_cancel_it_too(other: Action) -> None:
    pid = await Machine.start([process.self()])
    assert contents(await told(pid, sets(other, EventTimeout(0, "idle")), "x")) == ["set", "other", "x"]


@on_a_node
async def test_sm04_an_event_timeout_of_zero_comes_before_queued_events() -> None:
    pid = await Machine.start([process.self()])
    assert contents(await told(pid, sets(EventTimeout(0, "idle")), "queued")) == ["set", "idle", "queued"]


@on_a_node
async def test_sm04_a_postponed_event_cancels_the_event_timeout_and_so_does_its_return() -> None:
    pid = await Machine.start([process.self()])
    postponed = ("p", {"a": Keep([Postpone()])})
    go = ("go", {"a": Next("b", [EventTimeout(0, "idle")])})
    assert contents(await told(pid, sets(EventTimeout(0.02, "idle")), postponed, go)) == ["set", "p", "go", "p"]


@on_a_node
async def test_sm04_system_messages_are_no_events() -> None:
    pid = await Machine.start([process.self()])
    await Machine.cast(pid, sets(EventTimeout(SOON, "idle")))
    assert await next_message() == ("a", "cast", "set")
    assert await system.get_state(pid) == ("a", process.self())
    assert await next_message() == ("a", "event_timeout", "idle")


@on_a_node
async def test_sm04_named_timeouts_survive_changes() -> None:
    pid = await Machine.start([process.self(), NamedTimeout("n", SOON, "t"), NamedTimeout(("m", 1), 0, "zero")])
    assert await next_message() == ("a", ("timed out", ("m", 1)), "zero")
    await Machine.cast(pid, ("rung", {"a": Next("b", [NamedTimeout("z", 0, "z")])}))
    tellings = await heard(pid, until=3)
    assert sorted(tellings, key=repr) == [
        ("a", "cast", "rung"),
        ("b", ("timed out", "n"), "t"),
        ("b", ("timed out", "z"), "z"),
    ]


@on_a_node
async def test_sm04_arming_a_name_again_replaces_its_timeout_and_no_other() -> None:
    pid = await Machine.start([process.self()])
    again = ("rung", {"a": Keep([NamedTimeout("n", SOON, "new"), NamedTimeout("other", LONG)])})
    tellings = await told(pid, sets(NamedTimeout("n", SOON, "old")), again, until=3)
    assert contents(tellings) == ["set", "rung", "new"]


@on_a_node
async def test_sm04_a_timer_of_the_users_own_is_a_message_like_any_other() -> None:
    pid = await Machine.start([process.self(), NamedTimeout("n", LONG)])
    ref = process.start_timer(0, pid, "mine")
    assert await next_message() == ("a", "info", ("timeout", ref, "mine"))


@on_a_node
async def test_sm04_timeouts_that_run_out_while_suspended_come_after_resume() -> None:
    pid = await Machine.start([process.self()])
    await suspended(pid, sets(NamedTimeout("n", 0.02, "t")))
    while await process.process_info(pid, "message_queue_len") == 0:
        await process.sleep(0.001)  # sleep: looks again whether the timer has run out
    assert await no_message()
    await system.resume(pid)
    assert await next_message() == ("a", ("timed out", "n"), "t")


@pytest.mark.parametrize("timeout", [StateTimeout, EventTimeout, lambda seconds: NamedTimeout("n", seconds)])
def test_sm04_seconds_are_checked_where_they_are_written(timeout: Any) -> None:
    for wrong in ("1", True, [1]):
        with pytest.raises(TypeError, match="number of seconds, or None to cancel"):
            timeout(wrong)
    for never in (-1, nan):
        with pytest.raises(ValueError, match="at least 0 seconds, or None to cancel"):
            timeout(never)


def test_sm04_a_name_must_be_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        NamedTimeout([], 1)
