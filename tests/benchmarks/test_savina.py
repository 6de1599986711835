"""Every program of the Savina suite gives the right answer, and leaves nothing, on one loop and on two shards."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.savina.program import TINY, Program, WrongAnswerError
from benchmarks.savina.suite import PROGRAMS

ROOT = Path(__file__).resolve().parents[2]

EVERYTHING = """
import json, sys
import otpnode
from benchmarks.savina.program import TINY
from benchmarks.savina.suite import PROGRAMS
from otpnode import process
from tests.support import until

async def outcome(program):
    before = set(process.processes())
    try:
        await program.run(TINY)
    except Exception as error:
        return repr(error)
    await until(lambda: set(process.processes()) <= before, f"every process of {program.name} ended")
    try:
        return f"left behind: {await process.receive(timeout=0)!r}"
    except TimeoutError:
        return "right"

async def main():
    return {name: await outcome(program) for name, program in PROGRAMS.items()}

if __name__ == "__main__":
    print(json.dumps(otpnode.run(main, schedulers=int(sys.argv[1]))))
"""


@pytest.mark.parametrize("schedulers", [1, pytest.param(2, marks=pytest.mark.os_processes)])
def test_every_program_gives_the_right_answer(tmp_path: Path, schedulers: int) -> None:
    script = tmp_path / "everything.py"
    script.write_text(EVERYTHING, encoding="utf-8")
    done = run([sys.executable, str(script), str(schedulers)])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(PROGRAMS, "right")


@pytest.mark.skipif(shutil.which("escript") is None, reason="no escript (Debian package erlang-base)")
def test_the_programs_in_erlang_give_the_same_answers() -> None:
    programs = [program for program in PROGRAMS.values() if program.erlang]
    command = ["escript", str(ROOT / "benchmarks" / "savina" / "erlang" / "savina.escript")]
    for program in programs:
        parameters = json.dumps(list(program.tiny.values()))
        command += [program.erlang, parameters, parameters]
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    for program, line in zip(programs, done.stdout.splitlines(), strict=True):
        program.check(json.loads(line.partition(" ")[2]), TINY)


def test_a_wrong_answer_is_an_exception() -> None:
    async def main(size: int) -> object:
        return [size, 1.0]

    for right in ([2, 1.0], [1, 1.1], [1], [1.0, 1.0], [True, 1.0], 1):
        program = Program("Wrong", main, lambda size, right=right: right, {"size": 1}, {"size": 1})
        with pytest.raises(WrongAnswerError, match=r"^Wrong: \[1, 1\.0\], and .* is right$"):
            program.check([1, 1.0], TINY)


@pytest.mark.os_processes
def test_the_command_line_prints_a_row_of_a_program_in_all_its_ways(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    command = [sys.executable, "-m", "benchmarks.savina", "--quick", "--only", "PingPong", "--json", str(record)]
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| PingPong \|.*\| pings=20; on= the last shard \|$", done.stdout, re.MULTILINE)
    figures = json.loads(record.read_text(encoding="utf-8"))["answers"]["PingPong"]["figures"]
    assert {"1 loop", "1 shard"} < set(figures)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command from the root of the checkout."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
