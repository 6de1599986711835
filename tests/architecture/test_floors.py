"""The floor plan holds: who may import whom, in one table."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import pytest

from tests.architecture.tree import Import, Module, cycles, imports_of, modules


@dataclass(frozen=True)
class Room:
    """A part of the package and what it may import, besides itself.

    `members` are modules, or packages with all they hold. Rooms are looked up from
    the top of the table; what no room claims belongs to the roof.
    """

    members: tuple[str, ...]
    may_import: tuple[str, ...]


ROOMS: dict[str, Room] = {
    "facts": Room(
        members=(
            "otpnode.pid",
            "otpnode.ref",
            "otpnode.reasons",
            "otpnode.errors",
            "otpnode.clock",
            "otpnode.collector",
            "otpnode.reporting",
            "otpnode.showing",
        ),
        may_import=(),
    ),
    "words": Room(
        members=("otpnode.signals", "otpnode.config", "otpnode.loops", "otpnode.target"),
        may_import=("facts",),
    ),
    "process face": Room(members=("otpnode.process.__init__",), may_import=("facts", "words", "process")),
    "process": Room(members=("otpnode.process",), may_import=("facts", "words")),
    "transport": Room(members=("otpnode.transport",), may_import=("facts", "words")),
    # Only on the public verbs: if a behaviour needs a private hook, users will too.
    "behaviours": Room(members=("otpnode.behaviours",), may_import=("facts", "words", "process face")),
    "scheduler": Room(members=("otpnode.scheduler",), may_import=("facts", "words", "process", "transport")),
    # For the tests of users and our own; nothing of the package itself may need it.
    "testing": Room(
        members=("otpnode.testing",),
        may_import=("facts", "words", "process face", "process", "transport", "scheduler", "roof"),
    ),
    "roof": Room(
        members=("otpnode",),
        may_import=(
            "facts",
            "words",
            "process face",
            "process",
            "transport",
            "behaviours",
            "scheduler",
        ),
    ),
}

FAMILIES: dict[str, tuple[str, ...]] = {
    "common": (),
    "statem": ("common",),
    "supervision": ("common",),
    "tasks": ("common",),
    # An Agent runs functions as a task does, and tells their failures as it does.
    "server": ("common", "tasks"),
    "naming": ("common", "server", "supervision"),
    "application": ("common", "server", "supervision"),
}
"""The folders of `otpnode.behaviours`, and what each may import of the others."""

PROCESS_STEPS: tuple[tuple[str, ...], ...] = (
    ("mailbox", "relations", "registry", "timers"),
    ("proc", "runqueue"),
    ("exits",),
    ("table", "routing", "shard"),
    ("api",),
)
"""Inside `otpnode.process` a module imports of these only from its own step and those before it."""

PUBLIC_FACES = {"otpnode", "otpnode.process", "otpnode.testing"}
"""The three `__init__` files with code; their imports under TYPE_CHECKING, for lazy names, do not count."""

BACK_REFERENCES = {"otpnode.process.proc", "otpnode.process.shard"}
"""A part may name, for the type checker alone and inside this room, the process or the world that owns it."""


def room_of(name: str) -> str:
    """Return the room of a module."""
    exact = f"{name}.__init__" if modules()[name].is_package else name
    for room, plan in ROOMS.items():
        if any(exact == member or name == member or name.startswith(f"{member}.") for member in plan.members):
            return room
    raise AssertionError(f"{name} is in no room")


def counted(module: Module) -> list[Import]:
    """List the imports the floor plan speaks of."""
    return [entry for entry in imports_of(module) if not (entry.type_only and module.name in PUBLIC_FACES)]


def step_of(name: str) -> int | None:
    """Return the step of a module of `otpnode.process`, None for one that has none."""
    short = name.removeprefix("otpnode.process.")
    return next((number for number, step in enumerate(PROCESS_STEPS) if short in step), None)


def family_of(name: str) -> str:
    """Return the folder of a module of `otpnode.behaviours`, '' for any other."""
    return name.removeprefix("otpnode.behaviours.").partition(".")[0] if name.startswith("otpnode.behaviours.") else ""


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_from_the_rooms_below_it(name: str) -> None:
    module = modules()[name]
    room = room_of(name)
    allowed = {room, *ROOMS[room].may_import}
    wrong = [
        f"{module.where}:{entry.line} imports {entry.target} ({room_of(entry.target)})"
        for entry in counted(module)
        if entry.target in modules() and room_of(entry.target) not in allowed
    ]
    assert not wrong, f"{room} may import {sorted(allowed)}:\n" + "\n".join(wrong)


def test_process_modules_import_only_earlier_steps() -> None:
    wrong = []
    for name, module in modules().items():
        own = step_of(name) if name.startswith("otpnode.process.") else None
        for entry in imports_of(module) if own is not None else ():
            step = step_of(entry.target) if entry.target.startswith("otpnode.process.") else None
            if step is None or (entry.type_only and entry.target in BACK_REFERENCES):
                continue
            if own is not None and step > own:
                wrong.append(f"{module.where}:{entry.line} imports {entry.target}, which stands above it")
    assert not wrong, "\n".join(wrong)


def test_a_family_of_behaviours_imports_only_what_it_may() -> None:
    wrong = []
    for name, module in modules().items():
        family = family_of(name)
        for entry in imports_of(module) if family else ():
            other = family_of(entry.target)
            if other and other != family and other not in FAMILIES[family]:
                wrong.append(f"{module.where}:{entry.line} imports {entry.target} ({other})")
    assert not wrong, "\n".join(wrong)


def test_every_file_of_the_behaviours_belongs_to_a_family() -> None:
    families = {family_of(name) for name in modules() if name.startswith("otpnode.behaviours.")}
    assert families == set(FAMILIES)


def test_no_module_is_part_of_an_import_cycle() -> None:
    edges = {
        name: {
            entry.target
            for entry in counted(module)
            if not (entry.type_only and entry.target in BACK_REFERENCES and room_of(name) == "process")
        }
        for name, module in modules().items()
    }
    assert cycles(edges) == []


def test_folders_are_door_plates() -> None:
    wrong = []
    for name, module in modules().items():
        if module.is_package and name not in PUBLIC_FACES:
            body = module.tree.body
            if ast.get_docstring(module.tree) is None or len(body) != 1:
                wrong.append(f"{module.where} must hold its docstring and nothing else")
    assert not wrong, "\n".join(wrong)


def test_every_room_of_the_table_exists() -> None:
    claimed = [member for plan in ROOMS.values() for member in plan.members]
    missing = [member for member in claimed if member.removesuffix(".__init__") not in modules()]
    assert not missing, f"in the table but not in the tree: {missing}"


def test_a_cycle_is_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert cycles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
