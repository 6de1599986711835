"""SV-01 … SV-07, SV-10: what a supervisor does by itself."""

from __future__ import annotations

from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.supervision.specs import child
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.children import (
    Count,
    Failing,
    Ignored,
    Nested,
    NoPlan,
    Stubborn,
    Worker,
    function_child,
    started,
    stopped,
    unlinking,
    until,
    worker,
)
from tests.behaviours.servers import SOON, ending_of, next_message, no_message, on_a_node

# -- SV-01, SV-02: order and strategies ---------------------------------------


@on_a_node
async def test_sv01_children_start_in_order_and_stop_in_reverse() -> None:
    me = process.self()
    sup = await Supervisor.start([worker(me, tag) for tag in "abc"], name="top")
    await started("a", "b", "c")
    assert process.whereis("top") == sup
    await Supervisor.stop("top")
    await stopped("c", "b", "a")
    assert await no_message()


@pytest.mark.parametrize(
    ("strategy", "ended", "again"),
    [("one_for_one", "", "b"), ("one_for_all", "ca", "abc"), ("rest_for_one", "c", "bc")],
)
@on_a_node
async def test_sv02_the_strategy_says_who_goes_with_a_crashed_child(strategy: Any, ended: str, again: str) -> None:
    sup = await Supervisor.start([worker(process.self(), tag) for tag in "abc"], strategy=strategy)
    first = await started("a", "b", "c")
    await Worker.cast(first["b"], "boom")
    await stopped(*ended)
    second = {**first, **await started(*again)}
    assert all((first[tag] != second[tag]) == (tag in again) for tag in "abc")
    infos = await Supervisor.which_children(sup)
    assert [(info.id, info.pid, info.restarts) for info in infos] == [
        (tag, second[tag], int(tag in again)) for tag in "cba"
    ]
    assert await no_message()


@on_a_node
async def test_sv02_one_for_all_drops_its_temporary_children() -> None:
    me = process.self()
    sup = await Supervisor.start(
        [worker(me, "a"), worker(me, "t", restart="temporary")], strategy="one_for_all", max_restarts=1
    )
    pids = await started("a", "t")
    await Worker.cast(pids["a"], "boom")
    await stopped("t")
    await started("a")
    assert [info.id for info in await Supervisor.which_children(sup)] == ["a"]


@on_a_node
async def test_sv03_named_children_keep_their_names_over_restarts() -> None:
    me = process.self()
    await Supervisor.start([child(Worker, [me, "n"], name="n"), child(function_child, [me, "f"], name="f")])
    await started("n", "f")
    for _ in range(3):
        await Worker.cast("n", "boom")
        pids = await started("n")
        assert process.whereis("n") == pids["n"]


# -- SV-03: who is restarted --------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "reason", "again"),
    [
        ("permanent", "normal", True),
        ("permanent", "shutdown", True),
        ("permanent", "boom", True),
        ("transient", "normal", False),
        ("transient", "shutdown", False),
        ("transient", ("shutdown", 1), False),
        ("transient", "boom", True),
        ("transient", "killed", True),
        ("temporary", "normal", False),
        ("temporary", "boom", False),
    ],
)
@pytest.mark.parametrize("kind", ["class", "function"])
@on_a_node
async def test_sv03_who_is_restarted(restart: Any, reason: object, again: bool, kind: str) -> None:
    me = process.self()
    start: Any = Worker if kind == "class" else function_child
    sup = await Supervisor.start([child(start, [me, "w"], id="w", restart=restart)])
    pids = await started("w")
    if kind == "class":
        await Worker.cast(pids["w"], reason)
        if reason == "shutdown":
            await stopped("w")
    else:
        await process.send(pids["w"], reason)
    if again:
        assert (await started("w"))["w"] != pids["w"]
        (info,) = await Supervisor.which_children(sup)
        assert info.restarts == 1
        return
    await ending_of(pids["w"])

    async def noticed() -> bool:
        return (await Supervisor.count_children(sup))["active"] == 0

    await until(noticed)
    listed = [info.pid for info in await Supervisor.which_children(sup)]
    assert listed == ([None] if restart == "transient" else [])


# -- SV-04: intensity ---------------------------------------------------------


@on_a_node
async def test_sv04_too_many_restarts_stop_all_children_and_the_supervisor() -> None:
    me = process.self()
    sup = await Supervisor.start([worker(me, "a"), worker(me, "b")], max_restarts=2)
    pids = await started("a", "b")
    for _ in range(2):
        await Worker.cast(pids["b"], "boom")
        pids |= await started("b")
    await Worker.cast(pids["b"], "boom")
    await stopped("a")
    assert await ending_of(sup) in ("shutdown", "noproc")


@on_a_node
async def test_sv04_intensity_zero_bears_no_crash() -> None:
    sup = await Supervisor.start([worker(process.self(), "a")], max_restarts=0)
    pids = await started("a")
    ref = await process.monitor(sup)
    await Worker.cast(pids["a"], "boom")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"


@on_a_node
async def test_sv04_failing_restarts_are_retried_and_count() -> None:
    counter = await Count.start([1])
    sup = await Supervisor.start([child(Failing, [counter], name="failing")], max_restarts=3)
    ref = await process.monitor(sup)
    await Failing.cast("failing", "boom")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"
    assert await Count.call(counter, "asked") == 1 + 3


@on_a_node
async def test_sv04_restarts_outside_the_window_do_not_add_up() -> None:
    sup = await Supervisor.start([worker(process.self(), "a")], max_restarts=1, max_seconds=0.001)
    for _ in range(5):
        pids = await started("a")
        await process.sleep(0.002)
        await Worker.cast(pids["a"], "boom")
    await started("a")
    assert process.is_alive(sup)


# -- SV-05, SV-06: children that do not start ---------------------------------


@on_a_node
async def test_sv05_a_child_that_fails_to_start_undoes_the_start() -> None:
    me = process.self()
    process.process_flag("trap_exits", True)
    counter = await Count.start([0])
    with pytest.raises(otpnode.StartError) as caught:
        await Supervisor.start_link([worker(me, "a"), worker(me, "b"), child(Failing, [counter]), worker(me, "never")])
    reason = ("shutdown", ("failed_to_start_child", "Failing", "init failed"))
    assert caught.value.reason == reason
    await started("a", "b")
    await stopped("b", "a")
    message: Any = await next_message()
    assert (message[0], message[2]) == ("EXIT", reason)
    assert await no_message()


@on_a_node
async def test_sv06_a_child_that_ignores_is_kept_without_a_pid() -> None:
    sup = await Supervisor.start([child(Ignored), child(Ignored, id="t", restart="temporary")])
    assert [(info.id, info.pid) for info in await Supervisor.which_children(sup)] == [("Ignored", None)]
    assert await Supervisor.start_child(sup, child(Ignored, id="later")) is None
    assert await Supervisor.restart_child(sup, "Ignored") is None
    assert (await Supervisor.count_children(sup))["specs"] == 2


@on_a_node
async def test_sv05_a_supervisor_without_a_plan_does_not_start() -> None:
    with pytest.raises(otpnode.StartError) as caught:
        await NoPlan.start()
    assert caught.value.reason == ("bad_return_value", "nonsense")


@on_a_node
async def test_sv05_a_failing_child_leaves_no_exit_of_a_stranger_behind() -> None:
    counter = await Count.start([0])
    sup = await Supervisor.start()
    for _ in range(3):
        with pytest.raises(otpnode.StartError) as caught:
            await Supervisor.start_child(sup, child(Failing, [counter]))
        assert caught.value.reason == "init failed"
    assert await process.process_info(sup, "messages") == []
    assert await Supervisor.which_children(sup) == []


# -- SV-07: stopping ----------------------------------------------------------


@pytest.mark.parametrize("shutdown", [0.02, "brutal_kill"])
@on_a_node
async def test_sv07_a_stubborn_child_is_killed(shutdown: Any) -> None:
    sup = await Supervisor.start([child(Stubborn, [process.self(), "s"], shutdown=shutdown)])
    pids = await started("s")
    ref = await process.monitor(pids["s"])
    await Supervisor.stop(sup)
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "killed"


@on_a_node
async def test_sv07_a_child_that_unlinked_itself_is_still_stopped() -> None:
    sup = await Supervisor.start([child(unlinking, [process.self(), "u"])])
    pids = await started("u")
    ref = await process.monitor(pids["u"])
    await Supervisor.stop(sup)
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"


@on_a_node
async def test_sv01_trees_stop_from_the_leaves() -> None:
    me = process.self()
    sup = await Supervisor.start([worker(me, "a"), child(Nested, [me, "x", "y"]), worker(me, "b")])
    await started("a", "x", "y", "b")
    assert await Supervisor.count_children(sup) == {"specs": 3, "active": 3, "supervisors": 1, "workers": 2}
    await Supervisor.stop(sup)
    await stopped("b", "y", "x", "a")


# -- SV-10 --------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "survives_first"), [("any_significant", False), ("all_significant", True)])
@on_a_node
async def test_sv10_the_end_of_significant_children_ends_the_supervisor(mode: Any, survives_first: bool) -> None:
    me = process.self()
    sup = await Supervisor.start(
        [
            worker(me, "plain"),
            worker(me, "s1", restart="transient", significant=True),
            worker(me, "s2", restart="temporary", significant=True),
        ],
        auto_shutdown=mode,
    )
    pids = await started("plain", "s1", "s2")
    ref = await process.monitor(sup)
    await Worker.cast(pids["s1"], "normal")
    if survives_first:
        await Worker.cast(pids["s2"], "boom")
        await stopped("plain")
    else:
        await stopped("s2", "plain")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"


@on_a_node
async def test_sv10_terminate_child_is_no_end_of_a_significant_child() -> None:
    me = process.self()
    sup = await Supervisor.start(
        [worker(me, "s", restart="transient", significant=True)], auto_shutdown="any_significant"
    )
    await started("s")
    await Supervisor.terminate_child(sup, "s")
    await stopped("s")
    assert [info.pid for info in await Supervisor.which_children(sup)] == [None]
