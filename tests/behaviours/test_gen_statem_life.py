"""A state machine is a behaviour like the others: its start, its end, system messages, call cycles, reports."""

from __future__ import annotations

from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.common.control import Stop
from otpnode.behaviours.statem.events import Keep, NamedTimeout, Next, Postpone, StateTimeout
from otpnode.behaviours.statem.gen_statem import GenStatem
from otpnode.behaviours.supervision.specs import child
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.machines import Begins, Ending, Entering, Gate, Incomparable, Machine, Only, suspended, told
from tests.behaviours.servers import (
    ending_of,
    exit_and_wait,
    next_message,
    no_message,
    on_a_node,
    run,
    start_and_report,
)

# -- starting -----------------------------------------------------------------


@on_a_node
async def test_gs01_a_machine_starts_under_a_name_and_answers() -> None:
    pid = await Machine.start_link([process.self()], {"state": 7}, name="machine")
    assert GenStatem.whereis("machine") == pid
    assert await Machine.call("machine", "ping") == "pong"
    assert await next_message() == (7, "call", "ping")
    assert await process.process_info(pid, "label") == "Machine"
    with pytest.raises(otpnode.AlreadyStartedError):
        await Machine.start_link([process.self()], name="machine")
    await GenStatem.stop("machine")
    assert GenStatem.whereis("machine") is None


@pytest.mark.parametrize(
    ("how", "arg", "reason"),
    [
        ("stop", "no way", "no way"),
        ("ignore", None, "ignore"),
        ("return", None, ("bad_return_value", None)),
        ("return", "a", ("bad_return_value", "a")),
        ("return", ("a",), ("bad_return_value", ("a",))),
        ("return", ["a", 1], ("bad_return_value", ["a", 1])),
        ("return", ("a", 1, 2), ("bad_return_value", ("a", 1, 2))),
        ("return", ("a", 1, Postpone()), ("bad_return_value", ("a", 1, Postpone()))),
        ("return", Stop("x", reply=1), ("bad_return_value", Stop("x", reply=1))),
    ],
    ids=repr,
)
@on_a_node
async def test_gs02_a_machine_that_does_not_begin_is_a_start_error(how: str, arg: object, reason: object) -> None:
    with pytest.raises(otpnode.StartError) as caught:
        await Begins.start([how, arg])
    assert caught.value.reason == reason
    assert await no_message()


@on_a_node
async def test_gs02_an_exception_in_init_is_the_reason() -> None:
    with pytest.raises(otpnode.StartError) as caught:
        await Begins.start(["raise", "v"])
    assert isinstance(caught.value.reason, ValueError)
    with pytest.raises(otpnode.StartError) as caught:
        await GenStatem.start()
    assert "GenStatem has no init" in str(caught.value.reason)


def test_gs01_a_machine_has_no_constructor_and_its_state_cannot_be_assigned() -> None:
    with pytest.raises(TypeError, match="define init"):
        type("Wrong", (GenStatem,), {"__init__": lambda self: None})
    with pytest.raises(AttributeError):
        Machine().state = "b"  # type: ignore[misc]


# -- ending -------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
@on_a_node
async def test_gs09_the_exit_of_the_parent_terminates_a_trapping_machine(reason: str) -> None:
    me = process.self()
    parent = await process.spawn(start_and_report, [me, Ending, [me]])
    started: Any = await next_message()
    pid = started[1]
    if reason == "normal":
        await process.send(parent, "return")
    else:
        await process.exit(parent, reason)
    assert await next_message() == ("terminate", reason, "a")
    assert await ending_of(pid) in (reason, "noproc")


@on_a_node
async def test_gs09_an_end_of_its_own_making_terminates_the_machine_and_a_kill_does_not() -> None:
    me = process.self()
    pid = await Ending.start([me])
    await Ending.cast(pid, ("x", {"a": Next("b")}))
    await Ending.cast(pid, ("y", {"b": Stop("over")}))
    assert [await next_message() for _ in range(3)][2] == ("terminate", "over", "b")
    pid = await Ending.start([me])
    await Ending.cast(pid, ("x", {"a": ValueError("v")}))
    assert (await next_message(), (await next_message())[0]) == (("a", "cast", "x"), "terminate")  # type: ignore[index]
    pid = await Ending.start([me])
    assert await exit_and_wait(pid, "kill") == "killed"
    assert await no_message()


@on_a_node
async def test_gs09_stop_terminates_the_machine() -> None:
    pid = await Ending.start([process.self()])
    await GenStatem.stop(pid, "because")
    assert await next_message() == ("terminate", "because", "a")


@on_a_node
async def test_gs12_states_that_cannot_be_compared_end_the_machine() -> None:
    pid = await Machine.start([process.self()])
    await Machine.cast(pid, ("x", {"a": Next(Incomparable())}))
    assert await next_message() == ("a", "cast", "x")
    with pytest.raises(otpnode.CallExit):
        await Machine.call(pid, "ping")


@on_a_node
async def test_gs01_a_machine_is_a_child_like_any_other() -> None:
    me = process.self()
    sup = await Supervisor.start_link([child(Machine, [me], name="machine")])
    first = process.whereis("machine")
    assert await exit_and_wait(first or "", "boom") == "boom"
    while (second := process.whereis("machine")) in (None, first):
        await process.sleep(0.001)  # sleep: looks again whether the supervisor has restarted it
    assert await Machine.call(second or "", "ping") == "pong"
    await Supervisor.stop(sup)


# -- system messages ----------------------------------------------------------


def to_b(pair: Any) -> object:
    return ("b", pair[1])


def wrong(pair: object) -> object:
    return "b"


@on_a_node
async def test_gs15_state_and_data_can_be_looked_at_and_replaced() -> None:
    me = process.self()
    pid = await Entering.start([me, NamedTimeout("n", 3600.0)])
    assert await next_message() == ("a", "enter", "a")
    assert await system.get_state(pid) == ("a", me)
    assert await system.replace_state(pid, to_b) == ("b", me)
    with pytest.raises(otpnode.CallExit) as caught:
        await system.replace_state(pid, wrong)
    assert "must return (state, data), not 'b'" in str(caught.value.reason)
    assert await system.get_state(pid) == ("b", me)
    # No transition: nothing was entered.
    assert await told(pid, "x") == [("b", "cast", "x")]
    status = await system.get_status(pid)
    assert (status.pid, status.phase, status.state) == (pid, "running", ("b", me))
    assert status.behaviour.endswith("machines.Entering")
    assert (await system.get_status(await Only.start())).state == "***"


@on_a_node
async def test_gs15_a_replaced_state_is_no_change_for_postponed_events_and_state_timeouts() -> None:
    pid = await Machine.start([process.self()])
    await told(pid, ("p", {"a": Keep([Postpone()])}))
    await suspended(pid, ("set", {"a": Keep([StateTimeout(0.02, "t")])}))
    await system.replace_state(pid, to_b)
    await system.resume(pid)
    assert await next_message() == ("b", "state_timeout", "t")
    assert await told(pid, ("go", {"b": Next("c")})) == [("b", "cast", "go"), ("c", "cast", "p")]


@on_a_node
async def test_gs15_a_suspended_machine_serves_only_system_messages() -> None:
    pid = await Ending.start([process.self()])
    await system.suspend(pid)
    await Ending.cast(pid, "queued")
    with pytest.raises(otpnode.CallTimeoutError):
        await Ending.call(pid, "late", timeout=0.02)
    assert (await system.get_status(pid)).phase == "suspended"
    assert await no_message()
    await system.resume(pid)
    assert [await next_message() for _ in range(2)] == [("a", "cast", "queued"), ("a", "call", "late")]
    await system.suspend(pid)
    await GenStatem.stop(pid)
    assert await next_message() == ("terminate", "normal", "a")


# -- calls that would wait for themselves --------------------------------------


@on_a_node
async def test_gs03_a_machine_that_is_called_back_by_its_callee_raises_a_cycle() -> None:
    first, second = await Gate.start(["open"]), await Gate.start(["open"])
    with pytest.raises(otpnode.CallExit) as caught:
        await Gate.call(first, [second, first])
    assert cycle_behind(caught.value) == [first, second]


@on_a_node
async def test_gs03_a_postponed_call_remembers_who_waits() -> None:
    me = process.self()
    first, second = await Gate.start(["open"]), await Gate.start(["shut", me])
    await process.spawn(ask, [me, first, [second, first]])
    assert await next_message() == "postponed"
    await Gate.cast(second, "open")
    error = await next_message()
    assert isinstance(error, otpnode.CallExit)
    assert cycle_behind(error) == [first, second]


@on_a_node
async def test_gs03_a_call_that_is_handled_again_as_an_inserted_event_remembers_who_waits() -> None:
    first, second, third = [await Gate.start(["open"]) for _ in range(3)]
    with pytest.raises(otpnode.CallExit) as caught:
        await Gate.call(first, [second, third, "again", first])
    assert cycle_behind(caught.value) == [first, second, third]


def cycle_behind(error: otpnode.CallExit) -> object:
    """Return the pids of the cycle for which the last callee died, and with it all that waited for it."""
    reason: Any = error
    while not isinstance(reason, otpnode.CallCycleError):
        reason = reason.reason
    return reason.reason[1]  # type: ignore[index]


async def ask(parent: str, server: str, request: object) -> None:
    """Call, and tell `parent` the failure."""
    try:
        await GenStatem.call(server, request)
    except otpnode.CallExit as error:
        await process.send(parent, error)


# -- crash reports ------------------------------------------------------------


def test_a_crash_is_reported_once_with_the_event_and_the_state(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        pid = await Machine.start([process.self()], label="engine")
        await Machine.cast(pid, ("x", {"a": ValueError("on purpose")}))
        await ending_of(pid)
        pid = await Only.start()
        await process.send(pid, "what")
        await ending_of(pid)

    run(program)
    first, second = (record for record in caplog.records if record.name == "otpnode.crash")
    assert "on purpose" in first.otp["traceback"]  # type: ignore[attr-defined]
    assert first.otp["last_message"].startswith("('cast', ('x',")  # type: ignore[attr-defined]
    assert first.otp["state"].startswith("('a', 'pid_")  # type: ignore[attr-defined]
    assert first.otp["label"] == "engine"  # type: ignore[attr-defined]
    assert second.otp["state"] == "'***'"  # type: ignore[attr-defined]
    assert second.otp["last_message"] == "('info', 'what')"  # type: ignore[attr-defined]


@pytest.mark.parametrize("reason", ["normal", "shutdown", ("shutdown", "x")])
def test_an_orderly_end_is_not_reported(reason: object, caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        pid = await Machine.start([process.self()])
        await Machine.cast(pid, ("x", {"a": Stop(reason)}))
        await ending_of(pid)

    run(program)
    assert not [record for record in caplog.records if record.name == "otpnode.crash"]
