"""SV-08, SV-09: what a supervisor can be asked for, and who may stop it."""

from __future__ import annotations

from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.common import system
from otpnode.behaviours.common.control import Init, Stop, Timeout
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.specs import child
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.children import (
    Worker,
    function_child,
    started,
    stopped,
    supervisor_of,
    worker,
)
from tests.behaviours.servers import SOON, ending_of, next_message, no_message, on_a_node, run

# -- SV-08: requests ----------------------------------------------------------


@on_a_node
async def test_sv08_children_are_added_stopped_started_again_and_deleted() -> None:
    me = process.self()
    sup = await Supervisor.start(name="dynamic")
    pid = await Supervisor.start_child("dynamic", worker(me, "a"))
    assert await started("a") == {"a": pid}
    await Supervisor.terminate_child(sup, "a")
    await stopped("a")
    assert [info.pid for info in await Supervisor.which_children(sup)] == [None]
    again = await Supervisor.restart_child(sup, "a")
    assert await started("a") == {"a": again}
    assert again != pid
    await Supervisor.terminate_child(sup, "a")
    await stopped("a")
    await Supervisor.delete_child(sup, "a")
    assert await Supervisor.which_children(sup) == []
    await Supervisor.start_child(sup, worker(me, "t", restart="temporary"))
    await started("t")
    await Supervisor.terminate_child(sup, "t")
    await stopped("t")
    assert await Supervisor.which_children(sup) == []


@on_a_node
async def test_sv08_requests_that_are_refused() -> None:
    me = process.self()
    sup = await Supervisor.start([worker(me, "a")])
    pids = await started("a")

    async def refused(attempt: Any) -> tuple[str, object]:
        with pytest.raises(otpnode.ChildError) as caught:
            await attempt
        return caught.value.reason, caught.value.pid

    assert await refused(Supervisor.start_child(sup, worker(me, "a"))) == ("already_started", pids["a"])
    assert await refused(Supervisor.restart_child(sup, "a")) == ("running", pids["a"])
    assert await refused(Supervisor.delete_child(sup, "a")) == ("running", pids["a"])
    assert await refused(Supervisor.terminate_child(sup, "b")) == ("not_found", None)
    assert await refused(Supervisor.restart_child(sup, ["b"])) == ("not_found", None)  # type: ignore[arg-type]
    await Supervisor.terminate_child(sup, "a")
    assert await refused(Supervisor.start_child(sup, worker(me, "a"))) == ("already_present", None)
    with pytest.raises(TypeError, match="child"):
        await Supervisor.start_child(sup, Worker)  # type: ignore[arg-type]
    with pytest.raises(otpnode.StartError):
        await Supervisor.start_child(sup, child(Worker, ["too", "many", "args"], id="c"))
    assert (await GenServer.call(sup, "nonsense"))[0] == "failed"
    assert process.is_alive(sup)


@on_a_node
async def test_sv08_a_child_whose_name_is_taken_does_not_start() -> None:
    me = process.self()
    sup = await Supervisor.start([child(function_child, [me, "a"], name="a")])
    pids = await started("a")
    for start in (function_child, Worker):
        with pytest.raises(otpnode.StartError) as caught:
            await Supervisor.start_child(sup, child(start, [me, "a"], id="second", name="a"))
        assert caught.value.reason == ("already_started", pids["a"])


@on_a_node
async def test_sv08_requests_to_a_dead_supervisor_are_noproc() -> None:
    sup = await Supervisor.start()
    await Supervisor.stop(sup)
    for attempt in (Supervisor.which_children(sup), Supervisor.stop(sup), Supervisor.terminate_child(sup, "a")):
        with pytest.raises(otpnode.CallExit) as caught:
            await attempt
        assert caught.value.reason == "noproc"


# -- SV-09: who may stop it ---------------------------------------------------


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
@on_a_node
async def test_sv09_the_exit_of_the_parent_stops_the_tree(reason: str) -> None:
    me = process.self()
    parent = await process.spawn(supervisor_of, [me, [worker(me, "a"), worker(me, "b")], {}])
    await started("a", "b")
    _, sup = await next_message()  # type: ignore[misc]
    ref = await process.monitor(sup)
    await process.send(parent, reason)
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == reason
    await stopped("b", "a")


def test_sv09_exit_signals_of_strangers_are_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        sup = await Supervisor.start([worker(process.self(), "a")])
        await started("a")
        await process.exit(sup, "boom")
        await process.send(sup, "noise")
        assert len(await Supervisor.which_children(sup)) == 1
        assert await no_message()

    run(program)
    assert "no child of it: 'boom'" in caplog.text
    assert "unexpected message: 'noise'" in caplog.text


def test_sv01_the_stop_of_the_node_stops_a_tree_in_order() -> None:
    seen: list[object] = []

    class Leaf(GenServer[str]):
        trap_exits = True

        def init(self, tag: str) -> str:
            return tag

        def terminate(self, reason: object, /) -> None:
            seen.append((self.state, reason))

    async def program() -> None:
        leaves = [child(Leaf, [tag], id=tag) for tag in "abc"]
        await Supervisor.start([child(Supervisor, leaves[:2], id="inner"), leaves[2]])

    run(program)
    assert seen == [("c", "shutdown"), ("b", "shutdown"), ("a", "shutdown")]


class Ending(GenServer):
    """Ends by itself."""

    def init(self) -> Init[None]:
        return Init(None, Timeout(0))

    def handle_info(self, message: object, /) -> Stop:
        return Stop("normal")


def test_a_tree_can_be_the_program() -> None:
    async def program() -> object:
        leaf = child(Ending, restart="transient", significant=True)
        return await Supervisor.start([leaf], auto_shutdown="any_significant")

    assert otpnode.run(program) is not None


# -- GS-15 for supervisors ----------------------------------------------------


@on_a_node
async def test_gs15_a_suspended_supervisor_restarts_when_it_is_resumed() -> None:
    sup = await Supervisor.start([worker(process.self(), "a")])
    pids = await started("a")
    await system.suspend(sup)
    await Worker.cast(pids["a"], "boom")
    await ending_of(pids["a"])
    status = await system.get_status(sup)
    assert status.phase == "suspended"
    assert await no_message()
    await system.resume(sup)
    await started("a")
    assert [info.id for info in await system.get_state(sup)] == ["a"]  # type: ignore[attr-defined]
    with pytest.raises(otpnode.CallExit):
        await system.replace_state(sup, str)
