"""All questions, one after the other: tables and plots into ``benchmarks/results/``.

    python benchmarks/suite.py [--quick]     everything, or the questions that take seconds, once
    python benchmarks/suite.py --guard       ratios against the committed ones; fails on a loss of more than 20 %

The quick run writes nothing. The guard asks for ratios only: rates belong to a machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import across
import calls
import local
import task_map
from harness import HERE, Answer, Question, ask, machine, show

SCRIPTS = {"local": local, "across": across, "calls": calls, "task_map": task_map}
SLOW = {("local", "idle"), ("local", "pause"), ("across", "bytes"), ("across", "boot"), ("task_map", "coarse")}
RESULTS = HERE / "results"
LOSS = 0.20


def questions(quick: bool) -> Iterator[tuple[str, str, Question]]:
    """List script, key and question."""
    for name, script in SCRIPTS.items():
        for key, question in script.QUESTIONS.items():
            if not quick or (name, key) not in SLOW:
                yield name, key, question


def measure(quick: bool, rounds: int | None, *, with_ratios: bool = False) -> dict[str, Answer]:
    """Ask everything, printing each table as it is there."""
    answers = {}
    for name, key, question in questions(quick):
        if with_ratios and not question.ratios:
            continue
        answers[f"{name}.{key}"] = answer = ask(str(HERE / f"{name}.py"), key, question, rounds)
        print(show(question, answer), end="\n\n", flush=True)
    return answers


def ratios_of(answers: dict[str, Any]) -> dict[str, float]:
    """Return every ratio by its name."""
    return {
        f"{key}: {ratio['case']} / {ratio['against']}": ratio["ratio"]
        for key, answer in answers.items()
        for ratio in answer["ratios"]
    }


def write(answers: dict[str, Answer]) -> None:
    """Write figures, tables and the table of budgets."""
    RESULTS.mkdir(exist_ok=True)
    record = {"machine": machine(), "answers": {key: vars(answer) for key, answer in answers.items()}}
    (RESULTS / "figures.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    about = ", ".join(f"{key} {value}" for key, value in record["machine"].items())  # type: ignore[attr-defined]
    lines = ["# Tables", "", f"Measured with {about}.", "", *budgets(answers), ""]
    for name, key, question in questions(quick=False):
        if f"{name}.{key}" in answers:
            lines += [show(question, answers[f"{name}.{key}"]), ""]
    (RESULTS / "tables.md").write_text("\n".join(lines), encoding="utf-8")


def budgets(answers: dict[str, Answer]) -> list[str]:
    """Return the table of ratios that have a bound."""
    lines = ["| question | ratio | at least | |", "|---|---:|---:|---|"]
    for answer in answers.values():
        for ratio in answer.ratios:
            if ratio["budget"]:
                met = "" if ratio["ratio"] >= ratio["budget"] else "missed"
                what = f"{answer.question}: {ratio['case']} / {ratio['against']}"
                lines.append(f"| {what} | {ratio['ratio']:.2f} | {ratio['budget']:.2f} | {met} |")
    return lines


def guard() -> int:
    """Compare with the committed ratios."""
    committed = ratios_of(json.loads((RESULTS / "figures.json").read_text("utf-8"))["answers"])
    measured = measure(quick=False, rounds=None, with_ratios=True)
    now = ratios_of({key: vars(answer) for key, answer in measured.items()})
    bound = {name: ratio * (1 - LOSS) for name, ratio in committed.items()}
    lost = {name: (committed[name], ratio) for name, ratio in now.items() if ratio < bound.get(name, 0.0)}
    for name, (before, after) in lost.items():
        print(f"LOST {name}: {before:.2f} before, {after:.2f} now")
    gone = sorted(set(committed) - set(now))
    if gone:
        print("not measured here, because the peer is missing:", *gone, sep="\n  ")
    print(f"{len(now) - len(lost)} of {len(now)} ratios kept")
    return 1 if lost else 0


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--guard", action="store_true")
    parser.add_argument("--rounds", type=int, help="rounds of every case")
    options = parser.parse_args()
    if options.guard:
        return guard()
    answers = measure(options.quick, 1 if options.quick else options.rounds)
    print("\n".join(budgets(answers)))
    if not options.quick:
        write(answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
