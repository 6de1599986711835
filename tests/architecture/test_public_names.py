"""The public faces: every name is there, explained, and of the version the papers say."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from types import ModuleType
from typing import get_args

import pytest

import otpnode
from otpnode import errors, process, testing
from tests.architecture.tree import ROOT, modules

FACES = [pytest.param(face, id=face.__name__) for face in (otpnode, process, testing)]

ERRORS = sorted(
    name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
)

COROUTINES = {
    "spawn", "spawn_link", "spawn_monitor", "send", "receive", "link", "unlink", "monitor", "demonitor", "register",
    "unregister", "exit", "process_info", "request", "cancel_timer", "read_timer", "subscribe_shards", "sleep",
}  # fmt: skip
PLAIN = {
    "self", "whereis", "is_alive", "registered", "processes", "send_nowait", "alias", "unalias", "send_after",
    "start_timer", "exit_after", "process_flag", "set_label", "put", "get", "erase", "make_ref", "shard_of",
    "schedulers", "node_name", "call_threadsafe",
}  # fmt: skip


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "otpnode" / "py.typed").is_file()


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_there_and_has_a_docstring(face: ModuleType) -> None:
    silent = []
    for name in face.__all__:
        value = getattr(face, name)
        is_value = get_args(value) or not (callable(value) or inspect.ismodule(value))
        explained = "a value" if is_value else inspect.getdoc(value)
        if not explained:
            silent.append(name)
    assert not silent, f"no docstring: {silent}"


@pytest.mark.parametrize("face", FACES)
def test_a_public_name_is_listed_once(face: ModuleType) -> None:
    assert sorted(face.__all__) == sorted(set(face.__all__))


@pytest.mark.parametrize("face", FACES)
def test_tab_completion_shows_every_public_name(face: ModuleType) -> None:
    assert set(face.__all__) <= set(dir(face))


@pytest.mark.parametrize("name", ERRORS)
def test_errors_can_be_imported_from_both_faces(name: str) -> None:
    for face in (otpnode, process):
        assert getattr(face, name) is getattr(errors, name)
        assert name in face.__all__


@pytest.mark.parametrize("name", sorted(COROUTINES))
def test_verbs_that_may_wait_are_coroutine_functions(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(process, name))
    assert name in process.__all__


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_verbs_that_never_wait_are_plain_functions(name: str) -> None:
    verb = getattr(process, name)
    assert callable(verb)
    assert not inspect.iscoroutinefunction(verb)
    assert name in process.__all__


def test_every_error_says_which_neighbour_it_is_not() -> None:
    body = modules()["otpnode.errors"].tree.body
    silent = [node.name for node in body if isinstance(node, ast.ClassDef) and not ast.get_docstring(node)]
    assert not silent


def test_the_version_is_written_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "otpnode/__init__.py"


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1] == otpnode.__version__
