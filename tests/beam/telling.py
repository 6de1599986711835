"""Tells at the end of a run what was compared with Erlang and what was left out, also when workers share the tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.beam.campaign import Tally
from tests.beam.scenario import Placement

TALLIES: pytest.StashKey[dict[Placement, Tally]] = pytest.StashKey()
TOLD: pytest.StashKey[list[str]] = pytest.StashKey()
_OUTPUT = "traces of real Erlang"


def _lines(config: pytest.Config) -> list[str]:
    return [line for tally in config.stash.get(TALLIES, {}).values() for line in tally.lines()]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker has to tell to the run it works for."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = _lines(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker has told."""
    node.config.stash.setdefault(TOLD, []).extend(getattr(node, "workeroutput", {}).get(_OUTPUT, []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tallies."""
    lines = _lines(config) + config.stash.get(TOLD, [])
    if lines:
        terminalreporter.section(_OUTPUT)
        terminalreporter.write_line("\n".join(lines))
