"""Make each mutant in a copy of the project and run the tests that must notice: ``python -m tests.mutants [WORD …]``.

With words, only the mutants whose line holds one of them. Fails when one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import TypeVar

from tests.mutants import table_exits, table_mailboxes, table_shards
from tests.mutants.mutant import Mutant
from tests.support import ROOT

T = TypeVar("T")

AT_ONCE = 2
LIMIT_SECONDS = 90.0
FAILED = 1
"""What pytest ends with when a test has failed; anything else but a timeout is a mistake in the table."""

TABLE: list[Mutant] = [*table_exits.TABLE, *table_mailboxes.TABLE, *table_shards.TABLE]


@contextmanager
def copies(count: int) -> Iterator[Queue[Path]]:
    """Make `count` copies of the project, to be taken and put back."""
    free: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        for number in range(count):
            copy = Path(folder) / str(number)
            for part in ("otpnode", "tests"):
                shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "data"))
            shutil.copy(ROOT / "pyproject.toml", copy)
            free.put(copy)
        yield free


def outcome(mutant: Mutant, copy: Path) -> str:
    """Run the tests of one mutant in `copy`."""
    target = copy / "otpnode" / mutant.file
    sound = target.read_text(encoding="utf-8")
    if sound.count(mutant.old) != 1:
        return f"WRONG: its text stands there {sound.count(mutant.old)} times"
    target.write_text(sound.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code = run_tests(mutant.tests, copy)
    finally:
        target.write_text(sound, encoding="utf-8")
    if code is None:
        return "killed (hangs)"
    if code == FAILED:
        return "killed"
    return "SURVIVED" if code == 0 else f"WRONG: pytest ended with {code}"


def run_tests(selection: tuple[str, ...], copy: Path) -> int | None:
    """Run a selection of tests in `copy` and return pytest's exit code; None when it hangs."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *selection]
    # The mutants are of the Python forms, which a compiled one would stand in for.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OTPNODE_PURE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode


def main(words: list[str]) -> int:
    """Run the table: each selection on the sound code first, or its failure would say nothing of a mutant."""
    chosen = [mutant for mutant in TABLE if not words or any(word in str(mutant) for word in words)]
    with copies(AT_ONCE) as free, ThreadPoolExecutor(AT_ONCE) as pool:

        def lent(judge: Callable[[Path], T]) -> T:
            copy = free.get()
            try:
                return judge(copy)
            finally:
                free.put(copy)

        selections = list(dict.fromkeys(mutant.tests for mutant in chosen))
        codes = pool.map(lambda tests: lent(lambda copy: run_tests(tests, copy)), selections)
        unsound = [tests for tests, code in zip(selections, codes, strict=True) if code != 0]
        for tests in unsound:
            print(f"WRONG: fails without any mutant: {' '.join(tests)}", flush=True)
        counts: Counter[str] = Counter()
        verdicts = pool.map(lambda mutant: lent(lambda copy: outcome(mutant, copy)), chosen)
        for mutant, how in zip(chosen, verdicts, strict=True):
            counts[how.partition(" ")[0].rstrip(":").lower()] += 1
            print(f"{how:<16} {mutant}", flush=True)
    print(f"{len(chosen)} mutants: " + ", ".join(f"{number} {how}" for how, number in sorted(counts.items())))
    return 0 if counts["killed"] == len(chosen) and not unsound else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
