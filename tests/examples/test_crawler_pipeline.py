"""The crawler's index is that of a plain loop, in every mode: with parsers that crash, and with a shard lost."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.examples.running import EXAMPLES, MODES, command, run

FILES = 90


def write_sources(folder: Path) -> Path:
    """Write a tree of different files; return the broken one."""
    for number in range(FILES):
        where = folder / f"package_{number % 7}"
        where.mkdir(parents=True, exist_ok=True)
        body = "".join(f"def function_{number}_{line}(value): return value.other\n" for line in range(number + 1))
        imports = f"import json\nimport os.path, package_{number % 5}\nfrom . import near\nfrom heapq import merge\n"
        (where / f"file_{number}.py").write_text(imports + body, encoding="utf-8")
    broken = folder / "package_3" / "broken.py"
    broken.write_text("def no_end(\n", encoding="utf-8")
    (folder / "not_python.txt").write_text("import nothing\n", encoding="utf-8")
    return broken


def plain_index(folder: Path, leave_out: Path) -> tuple[str, dict[str, int]]:
    """Index with a loop that owes the example nothing: the digest of the words, and the links."""
    words: dict[str, set[str]] = {}
    links: Counter[str] = Counter()
    for path in folder.rglob("*.py"):
        if path == leave_out:
            continue
        imported = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for spelled in ("id", "attr", "arg", "name"):
                if not isinstance(node, ast.alias) and isinstance(word := getattr(node, spelled, None), str):
                    words.setdefault(word, set()).add(str(path))
            if isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module))
        links.update(imported)
    everything = json.dumps(sorted((word, sorted(paths)) for word, paths in words.items()))
    return hashlib.sha256(everything.encode()).hexdigest(), dict(links)


def crawl(arguments: list[str], tmp_path: Path) -> tuple[dict[str, Any], str]:
    """Run an example that writes its result; return that, and what it printed."""
    answer = tmp_path / "result.json"
    done = run([*arguments, "--json", str(answer)])
    return json.loads(answer.read_text(encoding="utf-8")), done.stdout


def check(result: dict[str, Any], folder: Path, broken: Path) -> None:
    """Compare an index with the plain one."""
    digest, links = plain_index(folder, broken)
    assert result["files"] == FILES + 1
    assert result["links"] == links
    assert list(result["problems"]) == [str(broken)]
    assert result["digest"] == digest


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", MODES)
def test_the_index_is_right_though_parsers_crash_and_no_queue_grows(mode: str, tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    broken = write_sources(folder)
    argv = [str(folder), "--crash-every", "12", "--find", "function_70_5", "--find", "merge"]
    result, told = crawl(command("crawler_pipeline", mode, *argv), tmp_path)

    check(result, folder, broken)
    assert result["found"] == []  # `merge` is imported there, and not used
    assert result["crashes"] > 0
    assert result["given"] > FILES + 1
    assert 0 < result["largest_queue"] <= 8
    assert 0 < result["most_ahead"] <= 2 * 8
    per_parser = re.search(r"^files per parser: \[(\d+), (\d+)\]$", told, re.MULTILINE)
    assert per_parser, told
    assert int(per_parser[1]) + int(per_parser[2]) == FILES + 1


@pytest.mark.os_processes
def test_without_crashes_the_queues_of_one_shard_keep_to_their_room(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    broken = write_sources(folder)
    result, _ = crawl(command("crawler_pipeline", "one scheduler", str(folder)), tmp_path)
    check(result, folder, broken)
    assert result["crashes"] == 0
    assert 0 < result["largest_queue"] <= 4


@pytest.mark.os_processes
def test_no_file_is_lost_with_a_shard(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    broken = write_sources(folder)
    arguments = [sys.executable, str(EXAMPLES / "crawler_pipeline.py"), "--schedulers", "3", "--lose-shard"]
    result, _ = crawl([*arguments, str(folder)], tmp_path)
    check(result, folder, broken)
    assert result["crashes"] == 1


@pytest.mark.os_processes
def test_a_file_that_kills_every_parser_is_given_up(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    # Too deep for the parser of any supported Python: RecursionError or MemoryError, which `parse` does not expect.
    deep = folder / "deep.py"
    deep.write_text("value = " + "-" * 100_000 + "1\n", encoding="utf-8")
    (folder / "good.py").write_text("import json\n", encoding="utf-8")
    result, _ = crawl(command("crawler_pipeline", "one loop", str(folder)), tmp_path)
    assert result["files"] == 2
    assert result["links"] == {"json": 1}
    assert list(result["problems"]) == [str(deep)]
    assert "given up, its parser died" in result["problems"][str(deep)]
    assert result["crashes"] == 3


@pytest.mark.os_processes
def test_the_plain_loop_makes_the_same_index(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    broken = write_sources(folder)
    arguments = [sys.executable, str(EXAMPLES / "crawler_pipeline.py"), "--sequential", str(folder)]
    result, told = crawl([*arguments, "--find", "function_70_5"], tmp_path)
    check(result, folder, broken)
    assert result["found"] == [str(folder / "package_0" / "file_70.py")]
    assert result["found"][0] in told
