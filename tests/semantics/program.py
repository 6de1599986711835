"""What a semantic program is: a coroutine function that shows one rule, whatever the topology.

A program runs as a process on shard 0 and starts its peers with `peers.spawn_there`,
which puts them on the other shard where there is one. It must be importable by name,
and so must every function it spawns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

Body = Callable[[], Awaitable[None]]

MARK = "semantic"
FOLDER = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Rule:
    """Which rules a program shows, and what excuses it from the other shard."""

    rules: tuple[str, ...]
    alone: str
    pending: str
    only: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Program:
    """One program, by where it is found."""

    module: str
    name: str
    rule: Rule


def semantic(
    *rules: str, alone: str = "", pending: str = "", only: tuple[str, ...] = (), why: str = ""
) -> Callable[[Body], Body]:
    """Declare a program.

    Args:
        rules: the ids it shows.
        alone: why it needs no peer on another shard, where that is so.
        pending: what is missing between shards for it, where it holds on one only.
        only: the topologies it is for, when not for all.
        why: what keeps it from the others.
    """
    assert bool(only) == bool(why), "a program that cannot run everywhere must say why"

    def mark(body: Body) -> Body:
        setattr(body, MARK, Rule(rules, alone, pending, only, why))
        return body

    return mark


def programs_of(module: str) -> list[Program]:
    """List the programs of a module, in the order they stand there."""
    found = vars(import_module(module)).items()
    return [Program(module, name, getattr(value, MARK)) for name, value in found if hasattr(value, MARK)]


def all_programs() -> list[Program]:
    """List every program there is."""
    modules = [f"tests.semantics.programs.{path.stem}" for path in sorted(FOLDER.glob("*.py"))]
    return [program for module in modules for program in programs_of(module)]


def body_of(module: str, name: str) -> tuple[Body, Rule]:
    """Find a program's function."""
    body = cast(Body, getattr(import_module(module), name))
    return body, cast(Rule, getattr(body, MARK))
