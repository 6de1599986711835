"""The word count is right in every mode, with a broken file, and with shards killed under it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.examples.running import EXAMPLES, MODES, ROOT, command, environment, eventually, run

EVERYTHING = ["--top", "1000000"]

WATCHED = f"""
import json, os, sys
from pathlib import Path

sys.path.insert(0, {str(EXAMPLES)!r})
import wordcount

add = wordcount.Tally.add


async def main(marker, *argv):
    def add_and_tell(tally, *result):
        add(tally, *result)
        Path(marker).write_text(str(os.getpid()))

    wordcount.Tally.add = add_and_tell
    await wordcount.main(*argv)
"""
"""An application that tells, after its first counted file, in which OS process `main` lives."""


def write_sources(folder: Path) -> Path:
    """Write a small tree of different files; return the broken one, which is neither the first nor the last."""
    inner = folder / "inner"
    inner.mkdir(parents=True)
    for number in range(30):
        body = "".join(f"def name_{number}_{line}(value): return value * {line}\n" for line in range(5 * number + 1))
        (inner if number % 2 else folder).joinpath(f"file_{number}.py").write_text(body, encoding="utf-8")
    (folder / "not_python.txt").write_text("never = counted\n", encoding="utf-8")
    broken = inner / "broken.py"
    broken.write_text("value = 1\n" * 200 + '"""no end\n', encoding="utf-8")
    return broken


def plain_count(folder: Path, leave_out: Path) -> dict[str, int]:
    """Count with a loop that owes the example nothing."""
    counts: Counter[str] = Counter()
    for path in folder.rglob("*.py"):
        if path != leave_out:
            with path.open("rb") as source:
                counts.update(token.string for token in tokenize.tokenize(source.readline) if token.type == 1)
    return dict(counts)


def result_of(path: Path) -> dict[str, Any]:
    """Read what an example wrote with ``--json``."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", [*MODES, "sequential"])
def test_the_count_is_right_and_the_broken_file_left_out(mode: str, tmp_path: Path) -> None:
    folder, answer = tmp_path / "sources", tmp_path / "result.json"
    broken = write_sources(folder)
    argv = [str(folder), *EVERYTHING, "--json", str(answer)]
    plain = [sys.executable, str(EXAMPLES / "wordcount.py"), "--sequential", *argv]
    done = run(plain if mode == "sequential" else command("wordcount", mode, *argv))

    result = result_of(answer)
    assert dict(result["top"]) == plain_count(folder, broken)
    assert result["files"] == 30
    assert result["broken"] == [str(broken)]
    assert sum(result["bytes_per_shard"].values()) == result["bytes"]
    assert f"left out, broken: {broken}" in done.stdout
    assert f"{broken} is broken" in done.stderr


@pytest.mark.os_processes
def test_both_schedulers_count(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    answer = tmp_path / "result.json"
    run(command("wordcount", "two schedulers", str(tmp_path / "sources"), "--json", str(answer)))
    assert sorted(result_of(answer)["bytes_per_shard"]) == ["0", "1"]


@pytest.mark.os_processes
def test_no_files_is_no_work(tmp_path: Path) -> None:
    done = run(command("wordcount", "one scheduler", str(tmp_path)))
    assert "0 files" in done.stdout


@pytest.mark.os_processes
def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    arguments = command("wordcount", "one scheduler", str(tmp_path / "nowhere"))
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "no such folder" in done.stderr


def write_heavy_sources(folder: Path) -> dict[str, int]:
    """Write enough for some seconds of work; return the right counts, which follow from how it is made."""
    folder.mkdir()
    lines = 0
    for number in range(60):
        repeated = 4_000 + 40 * number
        (folder / f"heavy_{number}.py").write_text("alpha = beta + gamma * delta\n" * repeated, encoding="utf-8")
        lines += repeated
    return dict.fromkeys(("alpha", "beta", "gamma", "delta"), lines)


@pytest.mark.os_processes
def test_the_count_is_right_with_every_shard_but_mains_killed(tmp_path: Path) -> None:
    expected = write_heavy_sources(tmp_path / "sources")
    (tmp_path / "watched.py").write_text(WATCHED, encoding="utf-8")
    marker, answer, errors = tmp_path / "marker", tmp_path / "result.json", tmp_path / "stderr"
    start = [sys.executable, "-m", "otpnode", "start", "--schedulers", "3", "--app-dir", str(tmp_path), "watched:main"]
    argv = ["--", str(marker), str(tmp_path / "sources"), "--json", str(answer)]
    with errors.open("wb") as stderr:
        node = subprocess.Popen([*start, *argv], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        eventually(lambda: marker.exists() and marker.read_text() != "", "the first file is counted")
        shards = psutil.Process(node.pid).children()
        assert len(shards) == 3
        victims = [shard for shard in shards if shard.pid != int(marker.read_text())]
        assert len(victims) == 2
        for killed, victim in enumerate(victims, 1):
            victim.send_signal(signal.SIGKILL)
            eventually(
                lambda wanted=killed: lost_workers(errors) >= wanted,  # type: ignore[misc]
                f"the coordinator hears of dead shard number {killed}",
            )
        assert node.poll() is None, "the job was over before the kills"
        assert node.wait(timeout=60) == 0, errors.read_text()
    finally:
        node.kill()
        node.wait()

    result = result_of(answer)
    assert dict(result["top"]) == expected
    assert result["files"] == 60
    assert result["broken"] == []
    assert re.search(rf"\b{node.pid}\b", errors.read_text()), "the ready line names the supervisor"
    eventually(lambda: not any(shard.is_running() for shard in shards), "no shard is left")


def lost_workers(errors: Path) -> int:
    """Count the workers whose loss with their shard the coordinator has logged."""
    return len(re.findall(r"is gone: 'noconnection'", errors.read_text(encoding="utf-8")))


@pytest.mark.os_processes
def test_the_demo_compares_three_runs(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    done = run([sys.executable, str(EXAMPLES / "demo.py"), str(tmp_path / "sources")])
    assert re.search(r"^speedup \d+\.\d\d$", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^--schedulers 1 against sequential: [+-]\d+\.\d % time$", done.stdout, flags=re.MULTILINE)
    assert "broken files, left out by all three: 2" in done.stdout
