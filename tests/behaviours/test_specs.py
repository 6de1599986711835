"""What child specs take and refuse, where children are placed, and how restarts are counted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.supervision.children import Child
from otpnode.behaviours.supervision.intensity import Intensity
from otpnode.behaviours.supervision.specs import ChildSpec, SupervisorSpec, child
from otpnode.behaviours.supervision.supervisor import Supervisor
from tests.behaviours.children import Nested, Worker, function_child
from tests.behaviours.servers import Plain, no_message, on_a_node


def plain_function() -> None:
    """Is no coroutine function."""


def test_defaults_come_from_what_is_started() -> None:
    spec = child(Worker, ["a"])
    assert (spec.id, spec.type, spec.shutdown, spec.on, spec.restart) == (
        "Worker",
        "worker",
        5.0,
        "spread",
        "permanent",
    )
    spec = child(Nested)
    assert (spec.id, spec.type, spec.shutdown, spec.on) == ("Nested", "supervisor", None, "local")
    spec = child(function_child, name="f", on=1)
    assert (spec.id, spec.type, spec.shutdown, spec.on) == ("f", "worker", 5.0, 1)
    assert child(Worker, name="n", id=3).id == 3
    assert child(partial(function_child, "w"), ["t"], id="p").id == "p"


@pytest.mark.parametrize(
    "fields",
    [
        {"restart": "sometimes"},
        {"type": "boss"},
        {"shutdown": -1},
        {"shutdown": "later"},
        {"significant": True},
    ],
)
def test_unknown_values_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        child(Worker, **fields)
    with pytest.raises(ValueError):
        ChildSpec("w", Worker, **fields)


def test_a_list_for_a_child_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"takes its children as its arguments: child\(Supervisor, \[child\(A\)"):
        SupervisorSpec([[child(Worker)]])  # type: ignore[list-item]


def test_a_bound_start_link_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match=r"pass the class: child\(Worker, args\)"):
        child(Worker.start_link)
    for wrong in (plain_function, dict, 7):
        with pytest.raises(TypeError, match="coroutine function"):
            child(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        child(Worker, id=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        child(Worker, "ab")


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "all_for_one"},
        {"max_restarts": -1},
        {"max_seconds": 0},
        {"auto_shutdown": "always"},
    ],
)
@on_a_node
async def test_sv10_a_bad_spec_starts_nothing(options: dict[str, Any]) -> None:
    before = process.processes()
    with pytest.raises(ValueError):
        await Supervisor.start_link([child(Worker, [process.self(), "a"])], **options)
    with pytest.raises(ValueError, match="more than once"):
        await Supervisor.start_link([child(Plain), child(Plain)])
    with pytest.raises(TypeError, match="child"):
        await Supervisor.start_link([Plain])
    assert process.processes() == before
    assert await no_message()


def test_a_subclass_with_an_init_method_of_python_is_refused() -> None:
    with pytest.raises(TypeError, match="define init"):

        class Wrong(Supervisor):
            def __init__(self) -> None:
                pass


def test_a_supervisor_spec_is_checked_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="more than once"):
        SupervisorSpec([child(Plain), child(Plain)])


def test_sv04_intensity_counts_within_a_sliding_window() -> None:
    intensity = Intensity(2, 5.0)
    assert [intensity.bears(now) for now in (0.0, 1.0, 5.0)] == [True, True, False]
    assert [intensity.bears(now) for now in (10.5, 10.5, 15.5)] == [True, True, False]
    assert intensity.bears(100.0)


class Raising:
    """Its start ends as it is told, by an exception that is none of `Exception`."""

    error: ClassVar[BaseException]

    @classmethod
    async def start_link(cls, args: list[Any], kwargs: dict[str, Any], *, name: str | None, on: Any) -> str:
        raise cls.error


@pytest.mark.parametrize(
    ("error", "reason"), [(process.ProcessExit("oops"), "oops"), (asyncio.CancelledError(), "cancelled")]
)
def test_sv08_a_start_that_raises_an_exit_costs_the_supervisor_nothing(error: BaseException, reason: str) -> None:
    async def program() -> None:
        Raising.error = error
        sup = await Supervisor.start()
        with pytest.raises(otpnode.StartError) as caught:
            await Supervisor.start_child(sup, child(Raising))
        assert caught.value.reason == reason
        assert await Supervisor.which_children(sup) == []

    otpnode.run(program)


class Picky:
    """Starts only where it is told to be possible, as if the other shards were down."""

    down: ClassVar[tuple[object, ...]] = ()
    asked: ClassVar[list[object]] = []

    @classmethod
    async def start_link(cls, args: list[Any], kwargs: dict[str, Any], *, name: str | None, on: Any) -> str:
        cls.asked.append(on)
        if on in cls.down:
            raise otpnode.ShardDownError("down")
        return await process.spawn_link(function_child, args, on=on)


@pytest.fixture
def picky() -> type[Picky]:
    Picky.asked = []
    Picky.down = ()
    return Picky


def test_sv10_a_child_whose_shard_is_down_starts_on_a_live_one(picky: type[Picky]) -> None:
    async def program() -> None:
        picky.down = (1,)
        sup = await Supervisor.start([child(picky, [process.self(), "p"], on=1)])
        assert (await Supervisor.count_children(sup))["active"] == 1
        picky.down = (1, "spread")
        await Supervisor.terminate_child(sup, "Picky")
        await Supervisor.restart_child(sup, "Picky")
        assert (await Supervisor.count_children(sup))["active"] == 1

    otpnode.run(program)
    assert picky.asked == [1, "spread", 1, "spread", "local"]


def test_sv10_a_child_that_no_shard_takes_is_tried_again_ever_later(picky: type[Picky]) -> None:
    async def program() -> None:
        picky.down = (1, "spread", "local")
        one = Child(child(picky, [process.self(), "p"], on=1))
        delays = []
        for _ in range(8):
            with pytest.raises(otpnode.StartError) as caught:
                await one.start()
            assert isinstance(caught.value.reason, otpnode.ShardDownError)
            delays.append(one.delay())
        assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
        picky.down = ()
        await one.start()
        assert one.delay() == 0.0

    otpnode.run(program)


def test_sv10_a_wish_for_a_dead_neighbour_is_no_obstacle(picky: type[Picky]) -> None:
    async def program() -> None:
        neighbour = await Plain.start()
        sup = await Supervisor.start([child(picky, [process.self(), "p"], on=neighbour)])
        await Plain.stop(neighbour)
        await Supervisor.terminate_child(sup, "Picky")
        await Supervisor.restart_child(sup, "Picky")
        assert picky.asked == [neighbour, "spread"]

    otpnode.run(program)
