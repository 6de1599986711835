"""AG-01: agents."""

from __future__ import annotations

import asyncio
import operator
from typing import Any

import pytest

import otpnode
from otpnode import Agent, CallExit, CallTimeoutError, Supervisor, UnserializableError, child, process, system
from tests.behaviours.servers import SOON, ending_of, next_message, no_message, on_a_node

FAR = 1
"""A shard that is another one where there are two."""


def popped(state: list[int]) -> tuple[int, list[int]]:
    """Take the first out of a list."""
    return state[0], state[1:]


def broken(state: object) -> object:
    """Fail."""
    raise ValueError("broken on purpose")


async def add_later(state: int, more: int) -> int:
    """Add, as a coroutine function."""
    await asyncio.sleep(0)
    return state + more


async def never(state: object) -> object:
    """Hold the agent."""
    await asyncio.Event().wait()
    return state


@on_a_node
async def test_ag01_functions_read_and_change_the_state() -> None:
    agent = await Agent.start_link([list, (1, 2)], on=FAR)
    assert await Agent.get(agent, operator.itemgetter(0)) == 1
    await Agent.update(agent, operator.add, [[3]])
    assert await Agent.get(agent, len) == 3
    assert await Agent.get_and_update(agent, popped) == 1
    await Agent.cast(agent, operator.add, [[4]])
    assert await Agent.get(agent, list) == [2, 3, 4]
    assert await system.get_state(agent) == [2, 3, 4]
    await Agent.stop(agent)
    assert await ending_of(agent) == "noproc"
    assert await no_message()


@on_a_node
async def test_ag01_coroutine_functions_work_too() -> None:
    agent = await Agent.start_link([int, "5"], on=FAR, name="counter")
    await Agent.update("counter", add_later, [2])
    assert await Agent.get("counter", add_later, [3]) == 10
    assert await Agent.get(agent, int) == 7
    await Agent.stop("counter")


@on_a_node
async def test_ag01_a_state_of_none_or_of_a_control_object_is_a_state() -> None:
    agent = await Agent.start([operator.methodcaller("get", "no"), {}], on=FAR)
    assert await Agent.get(agent, operator.is_, [None]) is True
    await Agent.stop(agent)
    stopping = await Agent.start([otpnode.Stop, "not meant"])
    assert await Agent.get(stopping, operator.attrgetter("reason")) == "not meant"
    await Agent.stop(stopping)


@pytest.mark.parametrize("verb", [Agent.get, Agent.update, Agent.get_and_update])
@on_a_node
async def test_ag01_an_exception_ends_the_agent_and_is_the_callers_reason(verb: Any) -> None:
    agent = await Agent.start([int], on=FAR)
    with pytest.raises(CallExit) as caught:
        await verb(agent, broken)
    assert isinstance(caught.value.reason, ValueError)
    assert isinstance(caught.value.__cause__, ValueError)
    assert await ending_of(agent) == "noproc"
    with pytest.raises(CallExit) as caught:
        await verb(agent, int)
    assert caught.value.reason == "noproc"


@on_a_node
async def test_ag01_a_failing_cast_ends_the_agent_and_nobody_else() -> None:
    agent = await Agent.start([int], on=FAR)
    ref = await process.monitor(agent)
    await Agent.cast(agent, broken)
    down: Any = await process.receive(SOON, ref=ref)
    assert str(down[4]) == "broken on purpose"
    await Agent.cast(agent, broken)
    assert await no_message()


@on_a_node
async def test_ag01_get_and_update_wants_a_pair() -> None:
    agent = await Agent.start([int], on=FAR)
    with pytest.raises(CallExit) as caught:
        await Agent.get_and_update(agent, int)
    assert caught.value.reason == ("bad_return_value", 0)


@on_a_node
async def test_ag01_a_call_that_times_out_leaves_the_agent_running() -> None:
    agent = await Agent.start([int], on=FAR)
    with pytest.raises(CallTimeoutError):
        await Agent.get(agent, never, timeout=0.02)
    assert process.is_alive(agent)
    await process.exit(agent, "kill")


@on_a_node(only=("loop", "pipe"), why="on one loop everything can be given to an agent")
async def test_ag01_what_another_shard_cannot_import_is_refused_with_the_remedy() -> None:
    agent = await Agent.start([int], on=FAR)
    for give in (
        Agent.get(agent, lambda state: state),
        Agent.update(agent, lambda state: state),
        Agent.cast(agent, lambda state: state),
    ):
        with pytest.raises(UnserializableError, match=r"<lambda> was not sent .* at the top of a module, or .*local"):
            await give
    assert await Agent.get(agent, int) == 0
    await Agent.stop(agent)


@on_a_node
async def test_an_agent_lives_beside_its_starter_and_takes_anything_there() -> None:
    seen: list[object] = []
    agent = await Agent.start([dict])
    assert process.shard_of(agent) == process.shard_of(process.self() or "")
    await Agent.update(agent, lambda state: seen.append(state) or state)
    assert seen == [{}]
    with pytest.raises(TypeError, match="takes a function"):
        await Agent.get(agent, "len")  # type: ignore[arg-type]
    await Agent.stop(agent)


async def supervise(boss: str) -> None:
    """Have an agent supervised."""
    await Supervisor.start_link([child(Agent, [int, 3], name="supervised")])
    await process.send(boss, "up")
    await process.receive()


@on_a_node
async def test_ag01_a_supervisor_restarts_it_with_its_first_state() -> None:
    top = await process.spawn(supervise, [process.self()])
    assert await next_message() == "up"
    await Agent.update("supervised", operator.add, [4])
    with pytest.raises(CallExit):
        await Agent.get("supervised", broken)
    while process.whereis("supervised") is None:
        await process.sleep(0.01)
    assert await Agent.get("supervised", int) == 3
    await process.exit(top, "kill")
    while process.whereis("supervised") is not None:
        await process.sleep(0.01)
