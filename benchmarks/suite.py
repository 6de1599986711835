"""All questions, one after the other: tables and plots into ``benchmarks/results/``.

    python benchmarks/suite.py [--quick]     everything, or the questions that take seconds, once
    python benchmarks/suite.py --guard       ratios against the committed ones; fails on a loss of more than 20 %

The quick run writes nothing. The guard asks for ratios only, and so runs no case that is in none: rates belong to a
machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import across
import calls
import local
import task_map
from harness import HERE, Answer, Question, ask, machine, peers, show

SCRIPTS = {"local": local, "across": across, "calls": calls, "task_map": task_map}
SLOW = {("local", "idle"), ("local", "pause"), ("across", "bytes"), ("across", "boot"), ("task_map", "coarse")}
RESULTS = HERE / "results"
Asked = tuple[str, str, Question]
LOSS = 0.20


def everything() -> Iterator[Asked]:
    """List script, key and question."""
    for name, script in SCRIPTS.items():
        for key, question in script.QUESTIONS.items():
            yield name, key, question


def quick() -> Iterator[Asked]:
    """List what takes seconds."""
    for name, key, question in everything():
        if (name, key) not in SLOW:
            cases = {case_name: case for case_name, case in question.cases.items() if not case.slow}
            yield name, key, replace(question, cases=cases)


def guarded() -> Iterator[Asked]:
    """List what ratios are made of."""
    for name, key, question in everything():
        if question.ratios:
            held = {case_name for *both, _ in question.ratios for case_name in both}
            cases = {case_name: case for case_name, case in question.cases.items() if case_name in held}
            yield name, key, replace(question, cases=cases)


def measure(questions: Iterable[Asked], rounds: int | None = None) -> dict[str, Answer]:
    """Ask, printing each table as it is there."""
    answers = {}
    for name, key, question in questions:
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
    cases = [case for *_, question in everything() for case in question.cases.values()]
    names = sorted({case.peer for case in cases if case.peer and not callable(case.run)})
    record = {"machine": machine() | peers(names), "answers": {key: vars(answer) for key, answer in answers.items()}}
    (RESULTS / "figures.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    about = ", ".join(f"{key} {value}" for key, value in record["machine"].items())  # type: ignore[attr-defined]
    lines = ["# Tables", "", f"Measured with {about}.", "", *budgets(answers), ""]
    for name, key, question in everything():
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
    measured = measure(guarded())
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
    answers = measure(quick(), 1) if options.quick else measure(everything(), options.rounds)
    print("\n".join(budgets(answers)))
    if not options.quick:
        write(answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
