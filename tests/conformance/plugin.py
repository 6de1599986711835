"""A pytest plugin that writes down which rule was shown where, from the outcomes of the run.

``--conformance FILE`` writes one JSON list of ``[rule, topology, test, outcome]``, and leaves out of the
run whatever shows no rule. Workers that share a run write a file each, ``FILEgw0`` and so on, of what they have run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from tests.conformance.claims import Claim, claim_of
from tests.semantics.program import Program


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file's name."""
    parser.addoption("--conformance", metavar="FILE", help="run what shows a rule; write the outcomes to FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and collect if that is asked for."""
    config.addinivalue_line("markers", "rule(*ids, on=''): the rules of the catalogue that the test shows, and where")
    target = config.getoption("--conformance")
    if target:
        worker = getattr(config, "workerinput", {}).get("workerid", "")
        config.pluginmanager.register(Collector(Path(f"{target}{worker}")), "conformance-collector")


def claims_of(item: pytest.Item) -> tuple[Claim, str]:
    """Return what a test shows, and its name for the page."""
    callspec = getattr(item, "callspec", None)
    parameters = cast("dict[str, object]", callspec.params if callspec is not None else {})
    program = parameters.get("program")
    if isinstance(program, Program):
        return Claim(program.rule.rules, str(parameters["topology"])), program.name
    nodeid = item.nodeid.partition("[")[0]
    marks = list(item.iter_markers("rule"))
    marked = tuple(str(rule) for mark in marks for rule in mark.args)
    on = next((str(mark.kwargs["on"]) for mark in marks if "on" in mark.kwargs), str(parameters.get("topology", "")))
    return claim_of(nodeid, marked, on), nodeid.removeprefix("tests/")


class Collector:
    """Keeps the outcomes of one run."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._claims: dict[str, tuple[Claim, str]] = {}
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep what shows a rule."""
        found = {item.nodeid: claims_of(item) for item in items}
        self._claims = {nodeid: claim for nodeid, claim in found.items() if claim[0].rules}
        left_out = [item for item in items if item.nodeid not in self._claims]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.nodeid in self._claims]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the worst of the test's phases."""
        before = self._outcomes.get(report.nodeid, "")
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = "failed" if "failed" in (before, report.outcome) else report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write."""
        rows = [
            [rule, claim.topology, name, self._outcomes[nodeid]]
            for nodeid, (claim, name) in self._claims.items()
            if nodeid in self._outcomes
            for rule in claim.rules
        ]
        self._target.write_text(json.dumps(rows), encoding="utf-8")
