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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from tests.mutants import table_exits, table_mailboxes, table_shards
from tests.mutants.mutant import Mutant
from tests.support import ROOT

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
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "killed (hangs)"
    finally:
        target.write_text(sound, encoding="utf-8")
    if done.returncode == FAILED:
        return "killed"
    return "SURVIVED" if done.returncode == 0 else f"WRONG: pytest ended with {done.returncode}"


def main(words: list[str]) -> int:
    """Run the table."""
    chosen = [mutant for mutant in TABLE if not words or any(word in str(mutant) for word in words)]
    with copies(AT_ONCE) as free, ThreadPoolExecutor(AT_ONCE) as pool:

        def judge(mutant: Mutant) -> str:
            copy = free.get()
            try:
                return outcome(mutant, copy)
            finally:
                free.put(copy)

        counts: Counter[str] = Counter()
        for mutant, how in zip(chosen, pool.map(judge, chosen), strict=True):
            counts[how.partition(" ")[0].rstrip(":").lower()] += 1
            print(f"{how:<16} {mutant}", flush=True)
    print(f"{len(chosen)} mutants: " + ", ".join(f"{number} {how}" for how, number in sorted(counts.items())))
    return 0 if counts["killed"] == len(chosen) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
