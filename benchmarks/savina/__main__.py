"""What do the actor benchmarks of the literature cost on one loop, one shard, all shards, and in Erlang?

Seconds, the median of some rounds; each round in a fresh OS process, after a tiny run as a
warm-up. A wrong answer is a failure. Everything runs with default options. One loop is
`otpnode.run`, one shard is ``otpnode start --schedulers 1``, with a supervisor beside it; the
Erlang has a scheduler for each CPU, and is a gap in the table where there is no ``escript``.

    python -m benchmarks.savina [--quick] [--rounds 3] [--only NAME …] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import otpnode
from benchmarks.harness import Answer, Case, Question, ask, machine
from benchmarks.savina.node import measure
from benchmarks.savina.program import FULL, TINY, Program
from benchmarks.savina.suite import PROGRAMS

HERE = Path(__file__).resolve().parent
SHARDS = len(os.sched_getaffinity(0))
LOOP, SHARD, ALL, ERLANG = "1 loop", "1 shard", f"{SHARDS} shards", "Erlang"


def on_one_loop(name: str, scale: str) -> float:
    """Measure on one loop of this OS process."""
    return float(otpnode.run(measure, name, scale))


def on_all_shards(name: str, scale: str) -> float:
    """Measure with a shard for each CPU."""
    return float(otpnode.run(measure, name, scale, schedulers=SHARDS))


def on_one_shard(name: str, scale: str) -> float:
    """Measure on one shard with a supervisor."""
    start = [sys.executable, "-m", "otpnode", "start", "--schedulers", "1"]
    return float(output([*start, "benchmarks.savina.node:main", "--", name, scale]).split()[-1])


def in_erlang(name: str, scale: str) -> float:
    """Measure the same program in Erlang, and check its answer too."""
    program = PROGRAMS[name]
    parameters = [json.dumps(list(program.parameters(which).values())) for which in (TINY, scale)]
    command = ["escript", str(HERE / "erlang" / "savina.escript"), program.erlang, *parameters]
    seconds, _, answer = output(command).partition(" ")
    program.check(json.loads(answer), scale)
    return float(seconds)


def output(command: list[str]) -> str:
    """Run a command to its good end; return what it printed."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def question(program: Program, scale: str) -> Question:
    """Return what is asked about a program."""
    where = {LOOP: on_one_loop, SHARD: on_one_shard, ALL: on_all_shards}
    if program.erlang and shutil.which("escript"):
        where[ERLANG] = in_erlang
    cases = {case: Case(partial(run, program.name, scale), program.note) for case, run in where.items()}
    ratios = [(ALL, LOOP, 0.0), (LOOP, ERLANG, 0.0)]
    return Question(program.name, "s", cases, ratios, less=True, rounds=3)


def row(program: Program, scale: str, answer: Answer) -> str:
    """Return the line of a program; the spread is the largest of its cases, as (max − min) / median."""
    medians = {case: answer.median(case) for case in (LOOP, SHARD, ALL, ERLANG)}
    cells = [f"{median:.3f}" if median is not None else "–" for median in medians.values()]
    found = {(ratio["case"], ratio["against"]): f"{ratio['ratio']:.2f}" for ratio in answer.ratios}
    cells += [found.get(pair, "–") for pair in ((ALL, LOOP), (LOOP, ERLANG))]
    spread = max((max(seen) - min(seen)) / (medians[case] or 1) for case, seen in answer.figures.items())
    parameters = ", ".join(f"{key}={value:,}" for key, value in program.parameters(scale).items())
    note = f"; {program.note}" if program.note else ""
    return f"| {program.name} | {' | '.join(cells)} | {spread:.0%} | {parameters}{note} |"


def main() -> int:
    """Be the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="rounds of every case (3; with --quick 1)")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, metavar="NAME", help="these programs")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything run? The figures say nothing")
    parser.add_argument("--json", metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--question", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        scale, _, name = options.question.partition(":")
        print(question(PROGRAMS[name], scale).cases[options.case].run())
        return 0
    scale, rounds = (TINY, options.rounds or 1) if options.quick else (FULL, options.rounds)
    columns = [LOOP, SHARD, ALL, ERLANG, f"{LOOP} / {ALL}", f"{ERLANG} / {LOOP}", "spread", "parameters"]
    print(f"| seconds | {' | '.join(columns)} |\n|---|{'---:|' * 7}---|", flush=True)
    answers = {}
    for name in options.only or PROGRAMS:
        answers[name] = ask(__file__, f"{scale}:{name}", question(PROGRAMS[name], scale), rounds)
        print(row(PROGRAMS[name], scale, answers[name]), flush=True)
    if options.json:
        record = {"machine": machine(), "scale": scale, "answers": {key: vars(one) for key, one in answers.items()}}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
