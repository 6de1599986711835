"""Via: names by way of a registry, for starts, calls and restarts."""

from __future__ import annotations

import pytest

import otpnode
from otpnode import Registry, Supervisor, Via, child, process
from otpnode.process import Pid
from tests.behaviours.hands import elsewhere
from tests.behaviours.servers import Plain, Scripted, exit_and_wait, next_message, no_message, on_a_node
from tests.support import until


def me() -> Pid:
    """Return the caller's pid."""
    pid = process.self()
    assert pid is not None
    return pid


@on_a_node
async def test_pg02_a_via_name_works_in_start_call_cast_and_system_messages() -> None:
    await Registry.start_link(name="r")
    counter = Via("r", ("counter", 1))
    pid = await Plain.start_link([1], name=counter)
    assert await Plain.call(counter, "next") == 2
    await Plain.cast(counter, 10)
    assert await Plain.call(counter, "next") == 11
    assert await otpnode.system.get_state(counter) == 11
    assert await Plain.multi_call([counter, Via("r", "nobody")], "next") == (
        {counter: 12},
        {Via("r", "nobody"): "noproc"},
    )
    await Plain.abcast([counter, Via("r", "nobody")], 3)
    await Plain.stop(counter)
    assert not process.is_alive(pid)
    with pytest.raises(otpnode.CallExit) as caught:
        await Plain.call(counter, "next")
    assert caught.value.reason == "noproc"
    assert await counter.whereis() is None
    await until(lambda: Registry.count("r") == 0)


@pytest.mark.parametrize("link", [True, False])
@on_a_node
async def test_pg02_a_taken_via_name_is_already_started_and_init_does_not_run(link: bool) -> None:
    await Registry.start_link(name="r")
    process.process_flag("trap_exits", True)
    start = Scripted.start_link if link else Scripted.start
    first = await start([me()], name=Via("r", "key"))
    with pytest.raises(otpnode.AlreadyStartedError) as caught:
        await start([me(), "wait"], name=Via("r", "key"))
    assert caught.value.pid == first
    assert await no_message()
    assert await Scripted.call(Via("r", "key"), "alive") == "alive"


@on_a_node
async def test_pg02_a_name_taken_does_not_end_a_starter_that_traps_nothing() -> None:
    await Registry.start_link(name="r")
    await Plain.start(name=Via("r", "key"))
    with pytest.raises(otpnode.AlreadyStartedError):
        await Plain.start_link(name=Via("r", "key"))


@on_a_node
async def test_pg02_the_name_of_a_failed_start_is_free() -> None:
    await Registry.start_link(name="r")
    for _ in range(10):
        with pytest.raises(otpnode.StartError):
            await Scripted.start([None, "raise", "on purpose"], name=Via("r", "key"))
        pid = await Plain.start(name=Via("r", "key"))
        await exit_and_wait(pid, "kill")


@on_a_node
async def test_pg02_one_of_many_simultaneous_starts_gets_the_name() -> None:
    await Registry.start_link(name="r")
    for _ in range(8):
        await process.spawn(start_and_tell, [me()], on=elsewhere())
        await process.spawn(start_and_tell, [me()], on=0)
    answers = [await next_message() for _ in range(16)]
    assert len(set(answers)) == 1
    assert answers[0] == await Via("r", "key").whereis()


async def start_and_tell(parent: str) -> None:
    """Start a server under a name; tell who has it."""
    try:
        pid: object = await Plain.start(name=Via("r", "key"))
    except otpnode.AlreadyStartedError as error:
        pid = error.pid
    await process.send(parent, pid)


@on_a_node
async def test_pg02_a_via_name_needs_its_registry_and_unique_keys() -> None:
    with pytest.raises(otpnode.StartError) as caught:
        await Plain.start(name=Via("r", "key"))
    assert isinstance(caught.value.reason, process.ProcessNotFoundError)
    with pytest.raises(otpnode.CallExit):
        await Plain.call(Via("r", "key"), "next")
    await Registry.start_link(name="r", keys="duplicate")
    with pytest.raises(otpnode.StartError) as caught:
        await Plain.start(name=Via("r", "key"))
    assert isinstance(caught.value.reason, ValueError)
    await Registry.register("r", "key")
    with pytest.raises(ValueError, match="duplicate"):
        await Plain.call(Via("r", "key"), "next")


@on_a_node
async def test_pg02_a_via_missing_in_the_replica_is_asked_for_at_the_registry() -> None:
    await Registry.start_link(name="r")
    for number in range(30):
        pid = await Plain.start([number], name=Via("r", number), on=elsewhere())
        assert await Via("r", number).whereis() == pid


@on_a_node
async def test_pg02_the_time_of_a_call_is_also_for_the_question_who_has_the_name() -> None:
    await Registry.start_link(name="r")
    await otpnode.system.suspend("r")
    with pytest.raises(otpnode.CallTimeoutError, match="not resolved"):
        await Plain.call(Via("r", "key"), "next", 0.05)
    await otpnode.system.resume("r")
    with pytest.raises(otpnode.CallExit) as caught:
        await Plain.call(Via("r", "key"), "next")
    assert caught.value.reason == "noproc"
    assert await no_message()


@on_a_node
async def test_pg02_a_supervised_server_keeps_its_via_name_over_restarts() -> None:
    await Registry.start_link(name="r")
    await Supervisor.start_link([child(Plain, [1], name=Via("r", "key"), on=elsewhere())], max_restarts=10)
    for _ in range(5):
        pid = await Via("r", "key").whereis()
        assert pid is not None
        await exit_and_wait(pid, "kill")

        async def back(old: str = pid) -> bool:
            return await Via("r", "key").whereis() not in (None, old)

        await until(back, "the restart")
