"""AP-01 … AP-03: trees that depend on each other, and what their ends mean to the node."""

from __future__ import annotations

from typing import Any

import pytest

import otpnode
from otpnode import Application, process
from otpnode.behaviours.application.controller import CONTROLLER
from otpnode.pid import Pid
from tests.behaviours.applications import (
    Base,
    Db,
    Failing,
    Lingering,
    One,
    OnLingering,
    Short,
    Slow,
    Two,
    Unlinked,
    Untravelled,
    Web,
)
from tests.behaviours.children import until
from tests.behaviours.servers import SOON, exit_and_wait, next_message, no_message, on_a_node, run


async def events(*wanted: object) -> None:
    """Await messages in this order; those of workers are shortened to what happened to whom."""
    for one in wanted:
        message: Any = await next_message()
        assert (message[:2] if message[0] in ("started", "stopped") else message) == one


def born(name: str, *args: object) -> tuple[object, ...]:
    """List what a start tells."""
    return ("init", name, *args), ("started", name)


def gone(name: str, reason: object = "shutdown") -> tuple[object, ...]:
    """List what an orderly end tells."""
    return ("stopped", name), ("terminate", name, reason)


async def watch() -> None:
    """Be the process that is told."""
    await process.register("watcher")


async def down() -> None:
    """End the controller, so that nothing is left of a test."""
    await exit_and_wait(CONTROLLER, "kill")


# -- AP-01 --------------------------------------------------------------------


@on_a_node
async def test_ap01_dependencies_start_first_and_stop_is_reverse() -> None:
    await watch()
    pid = await Web.start([1], ensure=True)
    await events(*born("Base"), *born("Db"), *born("Web", 1))
    assert process.is_alive(pid)
    assert [application for application, _ in await Application.running()] == [Base, Db, Web]
    assert process.shard_of(pid) == 0
    ref = await process.monitor(CONTROLLER)
    await otpnode.GenServer.stop(CONTROLLER)  # What the stop of the node does to it.
    await events(*gone("Web"), *gone("Db"), *gone("Base"))
    await process.receive(SOON, ref=ref)
    assert await Application.running() == []
    assert await no_message()


@on_a_node
async def test_ap01_terminate_runs_when_the_tree_is_down() -> None:
    await watch()
    pid = await Base.start()
    await events(*born("Base"))
    await Base.stop()
    await events(*gone("Base"))
    assert not process.is_alive(pid)
    with pytest.raises(otpnode.CallExit) as caught:
        await Base.stop()
    assert caught.value.reason == "noproc"
    again = await Base.start()
    await events(*born("Base"))
    assert again != pid
    await Base.stop()
    await down()


@on_a_node
async def test_ap01_a_missing_dependency_is_not_started() -> None:
    await watch()
    with pytest.raises(otpnode.StartError) as caught:
        await Db.start()
    assert caught.value.reason == ("not_started", Base)
    assert await no_message()
    await down()


@pytest.mark.parametrize(
    ("how", "reason"), [("stop", "no wish"), ("nonsense", ("bad_return_value", 7)), ("raise", None)]
)
@on_a_node
async def test_ap01_a_failed_start_is_reported_and_leaves_nothing(how: str, reason: object) -> None:
    await watch()
    with pytest.raises(otpnode.StartError) as caught:
        await Failing.start([how], ensure=True)
    if reason is None:
        assert isinstance(caught.value.reason, ValueError)
    else:
        assert caught.value.reason == reason
    await events(*born("Base"), ("started", "half"), ("stopped", "half"), *gone("Base"))
    assert process.whereis("half") is None
    assert process.whereis("half tree") is None
    assert await Application.running() == []
    await down()


@on_a_node
async def test_ap01_dependencies_in_a_circle_are_refused() -> None:
    One.dependencies = [Two]
    try:
        with pytest.raises(ValueError, match="One -> Two -> One"):
            await One.start(ensure=True)
    finally:
        One.dependencies = []
    with pytest.raises(ValueError, match="restart is one of"):
        await One.start(restart="always")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="define init"):
        type("Wrong", (Application,), {"__init__": lambda self: None})


# -- AP-02 --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "reason"), [("temporary", "boom"), ("temporary", "normal"), ("transient", "normal")]
)
@on_a_node
async def test_ap02_the_end_of_such_an_application_is_no_matter_to_the_node(restart: Any, reason: str) -> None:
    await watch()
    pid = await Base.start(restart=restart)
    await events(*born("Base"))
    await otpnode.GenServer.stop(pid, reason)
    await events(*gone("Base", reason))

    async def forgotten() -> bool:
        return await Application.running() == []

    await until(forgotten)
    assert process.is_alive(CONTROLLER)
    await down()


@on_a_node
async def test_ap02_a_stop_that_was_asked_for_is_no_end_of_the_node() -> None:
    await watch()
    await Base.start(restart="permanent")
    await Base.stop()
    await events(*born("Base"), *gone("Base"))
    assert await Application.running() == []
    await down()


@on_a_node
async def test_ap02_the_loss_of_the_controller_takes_the_trees_along() -> None:
    await watch()
    pid = await Base.start()
    await events(*born("Base"))
    await process.exit(CONTROLLER, "kill")
    await events(*gone("Base"))
    assert not process.is_alive(pid)

    async def again() -> bool:
        return process.whereis(CONTROLLER) is None

    await until(again)
    await Base.start()
    await events(*born("Base"))
    await down()
    await events(*gone("Base"))


# -- AP-03 --------------------------------------------------------------------


@on_a_node
async def test_ap03_a_second_start_is_already_started() -> None:
    await watch()
    pid = await Base.start()
    await events(*born("Base"))
    with pytest.raises(otpnode.AlreadyStartedError) as caught:
        await Base.start()
    assert caught.value.pid == pid
    await Db.start(ensure=True)
    await events(*born("Db"))
    await Db.stop()
    await events(*gone("Db"))
    assert process.is_alive(pid)
    await Base.stop()
    await down()


async def start_and_tell(watcher: Pid) -> None:
    """Start `Slow` and tell how that went."""
    try:
        await process.send(watcher, ("first", await Slow.start()))
    except otpnode.AlreadyStartedError as error:
        await process.send(watcher, ("second", error.pid))


@on_a_node
async def test_ap03_of_starts_at_the_same_time_one_starts_it() -> None:
    await watch()
    me = process.self()
    for _ in range(2):
        await process.spawn(start_and_tell, [me])
    in_init: Any = await next_message()

    async def both_wait() -> bool:
        state: Any = await otpnode.system.get_state(CONTROLLER)
        return len(next(iter(state.values())).starters) == 2

    if process.schedulers() == 1:
        await until(both_wait)
    await Base.start()  # The controller has its hands free meanwhile.
    await events(*born("Base"))
    await process.send(in_init[1], "go on")
    await events(("init", "Slow"), ("started", "Slow"))
    answers: dict[Any, Any] = dict([await next_message(), await next_message()])  # type: ignore[list-item]
    assert set(answers) == {"first", "second"}
    assert answers["first"] == answers["second"]
    await Slow.stop()
    await down()


async def call_and_tell(watcher: Pid, verb: str) -> None:
    """Start or stop `Lingering` and say so."""
    await process.send(watcher, (verb, await getattr(Lingering, verb)()))


async def waits_for_the_end(asked: int) -> bool:
    """Say whether so many requests wait until `Lingering` is down."""
    state: Any = await otpnode.system.get_state(CONTROLLER)
    return len(state[Lingering].later) == asked


@on_a_node(only=["one"], why="the state of the controller is looked at, which does not travel")
async def test_ap03_what_is_asked_for_during_a_stop_waits_for_it() -> None:
    await watch()
    me = process.self()
    first = await Lingering.start()
    await events(*born("Lingering"))
    await process.spawn(call_and_tell, [me, "stop"])
    await events(("stopped", "Lingering"))
    master: Any = await next_message()
    for asked, verb in enumerate(["start", "stop"], 1):
        await process.spawn(call_and_tell, [me, verb])
        await until(lambda asked=asked: waits_for_the_end(asked))  # type: ignore[misc]
    await process.send(master[1], "go on")
    await events(("terminate", "Lingering", "shutdown"), ("stop", None), *born("Lingering"))
    again: Any = await next_message()
    assert (again[0], again[1] == first) == ("start", False)
    await events(("stopped", "Lingering"))
    master = await next_message()
    await process.send(master[1], "go on")
    await events(("terminate", "Lingering", "shutdown"), ("stop", None))
    assert await Application.running() == []
    await down()


@on_a_node
async def test_ap01_a_dependency_that_is_being_stopped_does_not_run() -> None:
    await watch()
    await Lingering.start()
    await events(*born("Lingering"))
    await process.spawn(call_and_tell, [process.self(), "stop"])
    await events(("stopped", "Lingering"))
    master: Any = await next_message()
    with pytest.raises(otpnode.StartError) as caught:
        await OnLingering.start()
    assert caught.value.reason == ("not_started", Lingering)
    await process.send(master[1], "go on")
    await events(("terminate", "Lingering", "shutdown"), ("stop", None))
    await down()


@pytest.mark.parametrize("args", ["abc", 5])
@on_a_node
async def test_ap01_arguments_are_a_list(args: Any) -> None:
    with pytest.raises(TypeError, match="args must be a list"):
        await Base.start(args)


async def start_untravelled(watcher: Pid) -> None:
    """Start it from here, wherever that is."""
    try:
        await Untravelled.start()
    except otpnode.StartError as error:
        await process.send(watcher, type(error.reason).__name__)


@on_a_node
async def test_ap01_a_failure_that_cannot_travel_costs_the_controller_nothing() -> None:
    await watch()
    await Base.start()
    await events(*born("Base"))
    shards = process.schedulers()
    await process.spawn(start_untravelled, [process.self()], on=shards - 1)
    assert await next_message() in ({"ValueError"} if shards == 1 else {"ValueError", "UnserializableError"})
    assert [application for application, _ in await Application.running()] == [Base]
    await Base.stop()
    await down()


@on_a_node
async def test_ap01_nonsense_costs_the_controller_nothing() -> None:
    await watch()
    await Base.start()
    await events(*born("Base"))
    answer: Any = await otpnode.GenServer.call(CONTROLLER, "nonsense")
    assert answer[0] == "failed"
    await otpnode.GenServer.cast(CONTROLLER, "nonsense")
    await process.send(CONTROLLER, "nonsense")
    assert [application for application, _ in await Application.running()] == [Base]
    await Base.stop()
    await down()


def test_ap01_dependencies_are_applications() -> None:
    for wrong in (Base, [int], "Base", [Base()]):
        with pytest.raises(TypeError, match="list of Application classes"):
            type("Wrong", (Application,), {"dependencies": wrong})


async def a_program() -> Pid:
    """Be main, and as long as an application."""
    await watch()
    pid = await Web.main()
    await process.spawn(stop_it)
    return pid


async def stop_it() -> None:
    """Stop the application that is the program."""
    await Web.stop()


def test_ap01_an_application_can_be_the_program() -> None:
    run(a_program)


@on_a_node
async def test_ap01_a_tree_that_is_not_linked_is_refused_and_ended() -> None:
    with pytest.raises(otpnode.StartError, match="start_link") as caught:
        await Unlinked.start()
    assert isinstance(caught.value.reason, ValueError)

    async def gone() -> bool:
        return process.whereis("unlinked") is None

    await until(gone)
    await down()


@on_a_node
async def test_ap01_a_tree_that_ends_at_once_ends_with_its_own_reason() -> None:
    await watch()
    await Short.start()
    await events(("terminate", "over"))
    await down()
