"""DS-01, DS-02: children that are started when asked for, and found by their pids."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otpnode
from otpnode import DynamicSpec, DynamicSupervisor, GenServer, Supervisor, child, process
from otpnode.behaviours.common import system
from tests.behaviours.children import (
    Count,
    Failing,
    Ignored,
    Stubborn,
    Worker,
    function_child,
    started,
    stopped,
    unlinking,
    until,
    worker,
)
from tests.behaviours.servers import SOON, ending_of, no_message, on_a_node

# -- DS-01: what can be asked for ---------------------------------------------


async def refused(attempt: Any) -> tuple[str, object]:
    """Return with what a request is refused."""
    with pytest.raises(otpnode.ChildError) as caught:
        await attempt
    return caught.value.reason, caught.value.pid


@on_a_node
async def test_ds01_children_are_started_and_found_by_pid() -> None:
    me = process.self()
    sup = await DynamicSupervisor.start(name="many")
    one = await DynamicSupervisor.start_child("many", worker(me, "same"))
    two = await DynamicSupervisor.start_child("many", worker(me, "same"))
    await started("same", "same")
    assert one != two
    assert [(info.id, info.pid) for info in await DynamicSupervisor.which_children(sup)] == [
        ("same", two),
        ("same", one),
    ]
    assert await DynamicSupervisor.count_children(sup) == {"specs": 2, "active": 2, "supervisors": 0, "workers": 2}
    assert one is not None
    await DynamicSupervisor.terminate_child(sup, one)
    await stopped("same")
    assert not process.is_alive(one)
    assert await refused(DynamicSupervisor.terminate_child(sup, one)) == ("not_found", None)
    assert [info.pid for info in await DynamicSupervisor.which_children(sup)] == [two]
    assert await no_message()


@on_a_node
async def test_ds01_more_than_max_children_are_refused() -> None:
    me = process.self()
    sup = await DynamicSupervisor.start(max_children=2)
    pids = [await DynamicSupervisor.start_child(sup, worker(me, tag)) for tag in "ab"]
    await started("a", "b")
    assert await refused(DynamicSupervisor.start_child(sup, worker(me, "c"))) == ("max_children", None)
    await DynamicSupervisor.terminate_child(sup, pids[0])  # type: ignore[arg-type]
    await stopped("a")
    await DynamicSupervisor.start_child(sup, worker(me, "d"))
    await started("d")


@on_a_node
async def test_ds01_a_restart_gives_a_new_pid_and_keeps_the_count() -> None:
    sup = await DynamicSupervisor.start()
    old = await DynamicSupervisor.start_child(sup, worker(process.self(), "w"))
    await started("w")
    await Worker.cast(old or "", "boom")
    new = (await started("w"))["w"]
    assert new != old
    (info,) = await DynamicSupervisor.which_children(sup)
    assert (info.pid, info.restarts) == (new, 1)
    assert await refused(DynamicSupervisor.terminate_child(sup, old)) == ("not_found", None)  # type: ignore[arg-type]


@on_a_node
async def test_ds01_the_fourth_crash_in_five_seconds_is_too_many() -> None:
    me = process.self()
    sup = await DynamicSupervisor.start()
    ref = await process.monitor(sup)
    for tag in "ab":
        await DynamicSupervisor.start_child(sup, worker(me, tag))
    pids = await started("a", "b")
    for _ in range(3):
        await Worker.cast(pids["a"], "boom")
        pids |= await started("a")
    await Worker.cast(pids["a"], "boom")
    await stopped("b")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"


@pytest.mark.parametrize(
    ("restart", "reason", "again"),
    [
        ("permanent", "normal", True),
        ("transient", "normal", False),
        ("transient", ("shutdown", 1), False),
        ("transient", "boom", True),
        ("temporary", "boom", False),
    ],
)
@on_a_node
async def test_sv03_who_is_restarted_and_who_is_forgotten(restart: Any, reason: object, again: bool) -> None:
    me = process.self()
    sup = await DynamicSupervisor.start()
    pid = await DynamicSupervisor.start_child(sup, child(function_child, [me, "f"], restart=restart))
    await started("f")
    await process.send(pid or "", reason)
    if again:
        await started("f")
        return
    await ending_of(pid or "")

    async def noticed() -> bool:
        return (await DynamicSupervisor.count_children(sup))["active"] == 0

    await until(noticed)
    assert await DynamicSupervisor.which_children(sup) == []


@on_a_node
async def test_sv06_a_child_that_ignores_is_not_kept() -> None:
    sup = await DynamicSupervisor.start()
    assert await DynamicSupervisor.start_child(sup, child(Ignored)) is None
    assert await DynamicSupervisor.which_children(sup) == []


@on_a_node
async def test_sv08_a_child_that_does_not_start_is_not_kept() -> None:
    counter = await Count.start([0])
    sup = await DynamicSupervisor.start(max_children=1)
    for _ in range(2):
        with pytest.raises(otpnode.StartError) as caught:
            await DynamicSupervisor.start_child(sup, child(Failing, [counter]))
        assert caught.value.reason == "init failed"
    assert await DynamicSupervisor.which_children(sup) == []
    assert await process.process_info(sup, "messages") == []


@on_a_node
async def test_sv04_a_failing_restart_is_retried_and_counts() -> None:
    counter = await Count.start([1])
    sup = await DynamicSupervisor.start(max_restarts=3)
    ref = await process.monitor(sup)
    pid = await DynamicSupervisor.start_child(sup, child(Failing, [counter]))
    await Failing.cast(pid or "", "boom")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"
    assert await Count.call(counter, "asked") == 1 + 3


class Gate(GenServer[bool, Any, bool]):
    """Says whether one may start."""

    def init(self) -> bool:
        return True

    def handle_call(self, request: object, sender: object, /) -> bool:
        if request != "ask":
            self.state = bool(request)
        return self.state


class Hesitant(GenServer[None]):
    """Starts while the gate it asks is open."""

    async def init(self, gate: str) -> Any:
        return None if await Gate.call(gate, "ask") else otpnode.Stop("closed")

    def handle_cast(self, request: object, /) -> otpnode.Stop:
        return otpnode.Stop(request)


@on_a_node
async def test_ds01_a_child_that_waits_for_its_restart_is_found_by_its_last_pid() -> None:
    gate = await Gate.start()
    sup = await DynamicSupervisor.start(max_restarts=1_000_000)
    pid = await DynamicSupervisor.start_child(sup, child(Hesitant, [gate]))
    other = await DynamicSupervisor.start_child(sup, child(Hesitant, [gate], id=pid))
    await Gate.call(gate, False)
    await Hesitant.cast(pid or "", "boom")

    async def is_waiting() -> bool:
        return "restarting" in [info.pid for info in await DynamicSupervisor.which_children(sup)]

    await until(is_waiting)
    assert (await DynamicSupervisor.count_children(sup))["specs"] == 2
    await DynamicSupervisor.terminate_child(sup, pid)  # type: ignore[arg-type]
    assert [info.pid for info in await DynamicSupervisor.which_children(sup)] == [other]


class Bounds(DynamicSupervisor):
    """A supervisor with an init of its own."""

    def init(self, most: int) -> DynamicSpec:
        return DynamicSpec(max_children=most)


class Nonsense(DynamicSupervisor):
    """Its init returns nonsense."""

    def init(self) -> Any:
        return "nonsense"


@on_a_node
async def test_sv10_bounds_come_from_init_and_bad_ones_start_nothing() -> None:
    sup = await Bounds.start([1])
    await DynamicSupervisor.start_child(sup, worker(process.self(), "a"))
    assert (await refused(DynamicSupervisor.start_child(sup, worker(process.self(), "b"))))[0] == "max_children"
    with pytest.raises(otpnode.StartError) as caught:
        await Nonsense.start()
    assert caught.value.reason == ("bad_return_value", "nonsense")
    for wrong in ({"max_children": -1}, {"max_children": True}, {"max_restarts": 1.5}, {"max_seconds": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            await DynamicSupervisor.start(None, wrong)
    with pytest.raises(TypeError, match="child"):
        await DynamicSupervisor.start_child(sup, Worker)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="trapping"):
        await DynamicSupervisor.start(trap_exits=False)


@on_a_node
async def test_sv09_it_is_a_child_like_others_and_serves_system_messages() -> None:
    me = process.self()
    top = await Supervisor.start([child(DynamicSupervisor, kwargs={"max_children": 3}, name="pool")])
    assert (await Supervisor.count_children(top))["supervisors"] == 1
    await DynamicSupervisor.start_child("pool", worker(me, "a"))
    await started("a")
    await process.exit("pool", "boom")
    assert (await system.get_status("pool")).behaviour.endswith("DynamicSupervisor")
    await Supervisor.stop(top)
    await stopped("a")


# -- DS-02: the end -----------------------------------------------------------


async def held(watcher: str, tag: str, barrier: str) -> None:
    """Trap exits; when told to stop, end only after all of one's kind have been told."""
    await process.send(watcher, ("started", tag, process.self()))
    await process.receive(match=lambda message: isinstance(message, tuple) and message[0] == "EXIT")
    await process.send(barrier, ("told", process.self()))
    await process.receive(match=lambda message: message == "go")


class Held:
    """A class whose process is `held`."""

    body: Any = staticmethod(held)

    @classmethod
    async def start_link(cls, args: list[Any], kwargs: dict[str, Any], *, name: str | None, on: Any) -> str:
        return await process.spawn_link(cls.body, args, kwargs, name, on=on, trap_exits=True)


async def barrier(count: int) -> None:
    """Let them go when all have come."""
    waiting: list[str] = []
    while len(waiting) < count:
        message: Any = await process.receive()
        waiting.append(message[1])
    for pid in waiting:
        await process.send(pid, "go")


@on_a_node
async def test_ds02_children_are_stopped_all_at_once() -> None:
    me = process.self()
    sup = await DynamicSupervisor.start()
    gate = await process.spawn(barrier, [3])
    for tag in "abc":
        await DynamicSupervisor.start_child(sup, child(Held, [me, tag, gate], shutdown=None))
        await started(tag)
    await DynamicSupervisor.stop(sup)  # One after the other they would wait for ever.
    assert await no_message()


@pytest.mark.parametrize("shutdown", [0.02, "brutal_kill"])
@on_a_node
async def test_sv07_each_child_has_its_own_deadline(shutdown: Any) -> None:
    me = process.self()
    sup = await DynamicSupervisor.start()
    refs = []
    for spec in (
        worker(me, "orderly"),
        child(Stubborn, [me, "s"], id="s", shutdown=shutdown),
        child(unlinking, [me, "u"], id="u"),
    ):
        await DynamicSupervisor.start_child(sup, spec)
        pids = await started(str(spec.id))
        if spec.id != "orderly":
            refs.append(await process.monitor(pids[str(spec.id)]))
    await DynamicSupervisor.stop(sup)
    reasons = [(await process.receive(SOON, ref=ref))[4] for ref in refs]  # type: ignore[index]
    assert reasons == ["killed", "shutdown"]
    await stopped("orderly")


async def sulk(watcher: str, tag: str) -> None:
    """Answer the order to stop by a loop that never awaits."""
    await process.send(watcher, ("started", tag, process.self()))
    await process.receive()
    while True:
        pass


class Sulking(Held):
    """A class whose process is `sulk`."""

    body = staticmethod(sulk)


@on_a_node
async def test_sv07_a_child_that_computes_for_ever_is_killed_beside_its_supervisor() -> None:
    sup = await DynamicSupervisor.start()
    for tag in "ab":
        spec = child(Sulking, [process.self(), tag], id=tag, shutdown=0.1, on="local")
        pid = await DynamicSupervisor.start_child(sup, spec)
        await started(tag)
    ref = await process.monitor(pid or "")
    await DynamicSupervisor.stop(sup)
    assert (await process.receive(SOON, ref=ref))[4] == "killed"  # type: ignore[index]


async def idle() -> None:
    """Wait for the end."""
    await asyncio.Event().wait()


@on_a_node(only=["one", "pipe"], why="ten thousand processes on two shards in one loop show nothing more")
async def test_ds02_ten_thousand_children_are_no_problem() -> None:
    sup = await DynamicSupervisor.start(max_restarts=2000)
    pids = [await DynamicSupervisor.start_child(sup, child(idle)) for _ in range(10_000)]
    for pid in pids[::10]:
        await process.exit(pid or "", "kill")

    async def are_all_back() -> bool:
        infos = await DynamicSupervisor.which_children(sup)
        return sum(info.restarts for info in infos) == 1000 and all(process.is_alive(str(info.pid)) for info in infos)

    await until(are_all_back)
    assert await DynamicSupervisor.count_children(sup) == {
        "specs": 10_000,
        "active": 10_000,
        "supervisors": 0,
        "workers": 10_000,
    }
    now = [str(info.pid) for info in await DynamicSupervisor.which_children(sup)]
    await GenServer.stop(sup)
    assert not any(process.is_alive(pid) for pid in now)
