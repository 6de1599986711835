"""Every rule of the catalogue that has a program, on every topology."""

from __future__ import annotations

import pytest

from tests.semantics.program import Program, all_programs
from tests.semantics.topologies import Topology


@pytest.mark.parametrize("program", [pytest.param(each, id=each.name) for each in all_programs()])
def test_rule(topology: Topology, program: Program) -> None:
    if program.rule.only and topology.name not in program.rule.only:
        pytest.skip(program.rule.why)
    if program.rule.pending and topology.name != "one":
        pytest.xfail(program.rule.pending)
    topology.run(program)
