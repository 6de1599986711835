"""Every rule of §1–§20 has a test in every topology that it means something in, or a reason why not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.claims import CLAIMS, PARTS, Claim, claim_of
from tests.conformance.rules import EXCEPTIONS, NEED_OS_PROCESSES, NEED_SHARDS, NEED_THE_OUTSIDE, titles, wanted
from tests.semantics.program import all_programs
from tests.semantics.topologies import TOPOLOGIES
from tests.support import ROOT

HANDFUL = 5


Function = ast.FunctionDef | ast.AsyncFunctionDef


def marks_of(function: Function) -> tuple[tuple[str, ...], str]:
    """Read ``@pytest.mark.rule("LK-05", on="pipe")`` from the source."""
    rules: list[str] = []
    on = ""
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule":
            rules += [str(ast.literal_eval(rule)) for rule in mark.args]
            on = next((str(ast.literal_eval(word.value)) for word in mark.keywords if word.arg == "on"), on)
    return tuple(rules), on


def runs_of(function: Function) -> tuple[str, ...]:
    """Read the topologies of ``@on_a_node`` and ``@on_a_node(only=("loop",), why="…")``; none for other tests."""
    for mark in function.decorator_list:
        if ast.unparse(mark) == "on_a_node":
            return TOPOLOGIES
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "on_a_node":
            return next(tuple(ast.literal_eval(word.value)) for word in mark.keywords if word.arg == "only")
    return ()


def functions_in(path: Path) -> Iterator[tuple[str, Function]]:
    """Walk over the tests of one file, by their ids."""
    name = path.relative_to(ROOT).as_posix()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, Function) and node.name.startswith("test_"):
            yield f"{name}::{node.name}", node
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for inner in node.body:
                if isinstance(inner, Function) and inner.name.startswith("test_"):
                    yield f"{name}::{node.name}::{inner.name}", inner


def claims_in(nodeid: str, function: Function) -> list[Claim]:
    """Return what a test claims, once for each of its runs."""
    marked, on = marks_of(function)
    return [claim_of(nodeid, marked, on or run) for run in runs_of(function) or ("",)]


def every_test() -> dict[str, list[Claim]]:
    """Return what each test claims, from the source."""
    return {
        nodeid: claims_in(nodeid, function)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for nodeid, function in functions_in(path)
    }


def shown() -> dict[str, set[str]]:
    """Return where each rule is claimed to be shown."""
    found: dict[str, set[str]] = {}
    for program in all_programs():
        if not program.rule.pending:
            for rule in program.rule.rules:
                found.setdefault(rule, set()).update(program.rule.only or TOPOLOGIES)
    for claims in every_test().values():
        for claim in claims:
            for rule in claim.rules:
                found.setdefault(rule, set()).add(claim.topology)
    return found


def test_the_list_has_every_rule_once() -> None:
    ids = list(titles())
    assert len(ids) == len(set(ids)) == 191
    assert all(re.fullmatch(r"[A-Z]{2}-\d\d", rule) for rule in ids)
    assert all(titles().values())


def test_every_rule_is_shown_in_every_topology_it_means_something_in() -> None:
    there = shown()
    missing = {rule: set(wanted(rule)) - there.get(rule, set()) for rule in titles()}
    assert not {rule: sorted(where) for rule, where in missing.items() if where}


def test_exceptions_are_few_and_needed() -> None:
    there = shown()
    assert len(EXCEPTIONS) <= HANDFUL
    for rule, why in EXCEPTIONS.items():
        assert why, rule
        assert rule not in there, f"{rule} is shown: it needs no exception"
    tables = [*NEED_SHARDS, *NEED_OS_PROCESSES, *NEED_THE_OUTSIDE, *EXCEPTIONS]
    assert len(tables) == len(set(tables)), "a rule is in one list at the most"
    assert set(tables) <= set(titles())


def test_claims_are_of_tests_that_exist_and_of_rules_that_exist() -> None:
    tests = every_test()
    assert not set(CLAIMS) - set(tests), "claims of tests that are not there"
    rules = set(titles())
    for nodeid, claims in tests.items():
        assert all(claim.topology in (*TOPOLOGIES, PARTS) for claim in claims), nodeid
        assert all(rule in rules for rule in CLAIMS.get(nodeid, ())), nodeid
    for program in all_programs():
        assert set(program.rule.rules) <= rules, program.name
