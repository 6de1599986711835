"""The table of mutants stays true to the source; ``python -m tests.mutants`` runs it."""

from __future__ import annotations

from tests.conformance.rules import titles
from tests.mutants import table_exits, table_mailboxes, table_shards
from tests.support import ROOT

TABLE = [*table_exits.TABLE, *table_mailboxes.TABLE, *table_shards.TABLE]


def test_every_mutant_can_be_made() -> None:
    wrong = []
    for mutant in TABLE:
        source = (ROOT / "otpnode" / mutant.file).read_text(encoding="utf-8")
        if source.count(mutant.old) != 1:
            wrong.append(f"{mutant}: its text stands there {source.count(mutant.old)} times")
        else:
            compile(source.replace(mutant.old, mutant.new), mutant.file, "exec")
    assert not wrong


def test_there_are_many_and_each_names_its_rule_and_its_tests() -> None:
    assert len(TABLE) >= 60
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in TABLE}) == len(TABLE)
    for mutant in TABLE:
        assert mutant.rule in titles()
        assert (ROOT / mutant.tests[0]).is_file()
