"""How a question is measured: every case in a fresh interpreter, taking turns, the median counts.

A benchmark is a script with one or more `Question`s. Each has cases: functions of the
script, or scripts of a peer under ``peers/``, which run in an environment of their own
(``make bench-peers``). A case is a program that prints one number, so that nothing of
one case is left when the next one starts; the cases of a question take turns, so that
a slow minute of the machine meets all of them. A peer that is not installed is a gap
in the table and no failure.

Rates change with the machine, ratios hardly: the last column is what to read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from otpnode.process.compiled import FAST

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = Path(os.environ.get("OTPNODE_BENCH_PEERS", ROOT / ".venv-peers")) / "bin" / "python"
TIMEOUT = 300.0


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Attributes:
        run: a function that returns the figure, or a script of a peer and its arguments.
        note: what a reader must know: options that are not the defaults.
        peer: what must be there, or the case is a gap: a module, in the environment of the peers for a script and
            in this one for a function; ``escript`` for a script of Erlang.
        pure: run otpnode without its compiled paths.
        slow: left out of the quick run.
    """

    run: Callable[[], float] | Sequence[str]
    note: str = ""
    peer: str | None = None
    pure: bool = False
    slow: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked, of whom.

    Attributes:
        title: the heading of the table.
        unit: of the figures; more is better unless `less` is set.
        cases: name → case.
        ratios: (case, yardstick, budget): what the figures are held against; a budget of 0 is none.
        less: the figure is a cost.
        rounds: how many each case runs.
    """

    title: str
    unit: str
    cases: Mapping[str, Case]
    ratios: Sequence[tuple[str, str, float]] = ()
    less: bool = False
    rounds: int = 5


@dataclass
class Answer:
    """The figures of one question."""

    question: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    ratios: list[dict[str, Any]] = field(default_factory=list)

    def median(self, case: str) -> float | None:
        """Return the median of a case, None for a gap."""
        figures = self.figures.get(case)
        return statistics.median(figures) if figures else None


def machine() -> dict[str, object]:
    """Say where this was measured."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip() or "unknown",
        "cpu": _cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        **{name: _version(name) for name in ("uvloop", "msgspec", "numpy")},
        "otpnode": "pure Python" if FAST is None else "compiled",
    }


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def peers(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of those that are installed, by name."""
    look = (
        "import importlib.metadata as m, json, sys; installed = {d.name.lower(): d.version for d in m.distributions()};"
        "print(json.dumps({name: installed[name] for name in sys.argv[1:] if name in installed}))"
    )
    found = {}
    if PEERS.exists():
        found = json.loads(subprocess.run([str(PEERS), "-c", look, *names], capture_output=True, check=True).stdout)
    if "escript" in names and shutil.which("erl"):
        look = "io:put_chars(erlang:system_info(otp_release)), halt()."
        erl = subprocess.run(["erl", "-noshell", "-eval", look], capture_output=True, text=True, check=True)
        found["Erlang/OTP"] = erl.stdout
    return found


def ask(script: str, key: str, question: Question, rounds: int | None = None) -> Answer:
    """Run every case of a question, taking turns."""
    answer = Answer(question.title, question.unit)
    for turn in range(rounds or question.rounds):
        for name, case in question.cases.items():
            if name in answer.gaps:
                continue
            figure = _run(script, key, name, case)
            if isinstance(figure, float):
                answer.figures.setdefault(name, []).append(figure)
            else:
                answer.gaps[name] = figure
        print(f"  round {turn + 1} of {question.title!r}", file=sys.stderr)
    for case_name, yardstick, budget in question.ratios:
        ours, theirs = answer.median(case_name), answer.median(yardstick)
        if ours and theirs:
            ratio = theirs / ours if question.less else ours / theirs
            answer.ratios.append({"case": case_name, "against": yardstick, "ratio": ratio, "budget": budget})
    return answer


def _run(script: str, key: str, name: str, case: Case) -> float | str:
    """Run one case once; returns the figure, or why there is none."""
    missing = _missing(case)
    if missing:
        return missing
    if callable(case.run):
        command = [sys.executable, str(Path(script).resolve()), "--question", key, "--case", name]
    else:
        interpreter = "escript" if case.peer == "escript" else str(PEERS)
        command = [interpreter, str(HERE / "peers" / case.run[0]), *case.run[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"OTPNODE_PURE": "1"} if case.pure else {})}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"took more than {TIMEOUT:.0f} s"
    if done.returncode:
        if callable(case.run):
            raise RuntimeError(f"case {name!r} failed:\n{done.stderr}")
        return f"failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:120]}"
    return float(done.stdout.split()[-1])


def _missing(case: Case) -> str:
    """Say what a case cannot run without, if anything."""
    if case.peer is None:
        return ""
    if case.peer == "escript":
        return "" if shutil.which("escript") else "no escript (Debian package erlang-base)"
    if callable(case.run):
        return "" if find_spec(case.peer) else f"{case.peer} is not installed (pip install 'otpnode[bench]')"
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({case.peer!r}) is None)"
    if PEERS.exists() and subprocess.run([str(PEERS), "-c", look], check=False).returncode == 0:
        return ""
    return f"{case.peer} is not installed (make bench-peers)"


def show(question: Question, answer: Answer) -> str:
    """Return the table of one question, in Markdown."""
    lines = [f"### {question.title}", "", f"| case | {question.unit} | spread | |", "|---|---:|---|---|"]
    for name, case in question.cases.items():
        median = answer.median(name)
        if median is None:
            lines.append(f"| {name} | – | | {answer.gaps.get(name, '')} |")
            continue
        figures = answer.figures[name]
        spread = f"{_number(min(figures))} … {_number(max(figures))}, {len(figures)} rounds"
        lines.append(f"| {name} | {_number(median)} | {spread} | {case.note} |")
    for ratio in answer.ratios:
        budget = f", budget {ratio['budget']}" if ratio["budget"] else ""
        met = " (**missed**)" if ratio["ratio"] < ratio["budget"] else ""
        lines += ["", f"{ratio['case']} : {ratio['against']} = {ratio['ratio']:.2f}{budget}{met}"]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main(script: str, questions: Mapping[str, Question]) -> int:
    """Be the command line of a benchmark script."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of every case")
    parser.add_argument("--only", choices=questions, help="one question")
    parser.add_argument("--json", metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--strict", action="store_true", help="fail when a budget is missed")
    parser.add_argument("--question", choices=questions, help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        run = questions[options.question].cases[options.case].run
        assert callable(run)
        print(run())
        return 0
    answers = {}
    for key, question in questions.items():
        if options.only in (None, key):
            answers[key] = ask(script, key, question, options.rounds)
            print(show(question, answers[key]), end="\n\n", flush=True)
    if options.json:
        record = {"machine": machine(), "answers": {key: vars(answer) for key, answer in answers.items()}}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    missed = [r for answer in answers.values() for r in answer.ratios if r["ratio"] < r["budget"]]
    return 1 if options.strict and missed else 0
