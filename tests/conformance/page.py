"""Write ``docs/conformance.md`` from the results of a run: ``python -m tests.conformance.page``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.claims import PARTS
from tests.conformance.rules import EXCEPTIONS, excuse, titles, wanted
from tests.semantics.topologies import TOPOLOGIES
from tests.support import ROOT

PAGE = ROOT / "docs" / "conformance.md"
LIMIT_SECONDS = 1800
WORKERS = "4"

HEAD = """\
# Which test shows which rule

Made by `python -m tests.conformance.page` from the outcomes of a run, not from names. The rules are those of
sections 1 to 20 of the catalogue of semantics, by their ids; a semantic program runs on one event loop, on two shards
joined by links in memory, and on two OS processes.

`ok 3` means that three tests of the rule passed there; `FAILED` that one did not; `·` that the rule means nothing
there, with the reason in the last column. Tests of parts (a codec, a table, a pure function) run in no topology.

"""

Row = tuple[str, str, str, str]
"""Rule, topology, test, outcome."""


def run(arguments: Iterable[str]) -> list[Row]:
    """Run the tests that show rules; return the outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "outcomes.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            WORKERS,
            "--dist",
            "loadfile",
            "--conformance",
            str(target),
            *arguments,
        ]
        subprocess.run(command, cwd=ROOT, timeout=LIMIT_SECONDS, check=False)
        written = [json.loads(each.read_text(encoding="utf-8")) for each in sorted(target.parent.iterdir())]
        return [(str(a), str(b), str(c), str(d)) for rows in written for a, b, c, d in rows]


def cell(rows: list[Row], rule: str, topology: str) -> str:
    """Spell how `rule` fares in `topology`."""
    outcomes = [outcome for _, where, _, outcome in rows if where == topology and outcome != "skipped"]
    if "failed" in outcomes:
        return "**FAILED**"
    passed = outcomes.count("passed")
    if passed:
        return f"ok {passed}"
    return "**missing**" if topology in wanted(rule) else "·"


def tests(rows: list[Row]) -> str:
    """List the tests of one rule."""
    names = dict.fromkeys(f"`{name}`" for _, _, name, outcome in rows if outcome != "skipped")
    return "<br>".join(names)


def line(rule: str, title: str, rows: list[Row]) -> str:
    """Spell one rule's line of the table."""
    cells = [cell(rows, rule, topology) for topology in TOPOLOGIES]
    parts = sum(1 for _, where, _, outcome in rows if where == PARTS and outcome == "passed")
    why = excuse(rule)
    shown = "<br>".join(text for text in (tests(rows), f"*{why}*" if why else "") if text)
    return f"| {rule} | {title.replace('|', '/')} | {' | '.join(cells)} | {parts or ''} | {shown} |"


def page(rows: list[Row]) -> str:
    """Spell the page."""
    known = titles()
    by_rule = {rule: [row for row in rows if row[0] == rule] for rule in known}
    lines = [line(rule, title, by_rule[rule]) for rule, title in known.items()]
    green = sum("**" not in text for text in lines) - sum(not wanted(rule) for rule in known)
    summary = (
        f"{len(known)} rules: {green} shown wherever they mean something, {len(EXCEPTIONS)} reasoned exceptions.\n\n"
    )
    table = [
        "| Rule | Title | One loop | Two shards in memory | OS processes | Parts | Tests |",
        "|---|---|---|---|---|---|---|",
    ]
    return HEAD + summary + "\n".join([*table, *lines]) + "\n"


def main() -> int:
    """Run, write, and fail when a rule is not shown."""
    text = page(run(sys.argv[1:]))
    PAGE.write_text(text, encoding="utf-8")
    bad = [each for each in text.splitlines() if each.startswith("| ") and "**" in each]
    print(f"{PAGE.relative_to(ROOT)}: written", *bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
