"""The web application answers, sheds load, survives a shard, stops in order; its pings do not wait for its hashes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.examples.running import MODES, ROOT, command, environment, eventually, run

SHARDED = tuple(mode for mode in MODES if "two" in mode)


def plain_hash(text: str, rounds: int) -> str:
    """Hash without a server."""
    digest = text.encode()
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


@pytest.mark.parametrize("name", ["web", "web_load"])
def test_what_is_missing_is_named_with_the_extra(tmp_path: Path, name: str) -> None:
    for library in ("uvicorn", "httpx"):
        (tmp_path / f"{library}.py").write_text(f'raise ModuleNotFoundError("No module named {library}")')
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--help"],
        env=environment() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'otpnode[examples]'" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def serving(mode: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server; it is ended if the test has not ended it."""
    with (tmp_path / "stderr").open("w") as stderr:
        arguments = command("web", mode)
        node = subprocess.Popen(
            arguments, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    assert node.stdout is not None
    with node, node.stdout:
        try:
            line = node.stdout.readline()
            told = re.match(r"serving (http://\S+) \(shard 0\), hashing on shards \[([\d, ]+)\]$", line)
            assert told, line + (tmp_path / "stderr").read_text()
            assert told[2] == ("1" if mode in SHARDED else "0")
            yield node, told[1]
        finally:
            node.kill()


def send_unanswered(address: str, path: str) -> socket.socket:
    """Send a request and leave its answer for later."""
    url = httpx.URL(address)
    connection = socket.create_connection((url.host, url.port or 80), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {url.host}\r\nConnection: close\r\n\r\n".encode())
    return connection


def answer_of(connection: socket.socket) -> str:
    """Read what comes until the server closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", MODES)
def test_it_serves_and_stops_in_order(mode: str, tmp_path: Path) -> None:
    with serving(mode, tmp_path) as (node, address):
        shards = psutil.Process(node.pid).children(recursive=True)
        answer = httpx.get(f"{address}/hash?n=1000&text=hello", timeout=30)
        assert answer.json() == {"digest": plain_hash("hello", 1000), "shard": 1 if mode in SHARDED else 0}
        assert httpx.get(f"{address}/hash?n=many", timeout=30).status_code == 400

        # A ping on a later connection is answered, so this request has been read.
        with send_unanswered(address, "/hash?n=300000&text=late") as late:
            assert httpx.get(f"{address}/ping", timeout=30).text == "pong"
            # On one loop of a script Python itself decides what SIGTERM does, and otpnode what Ctrl-C does.
            node.send_signal(signal.SIGINT if mode == "one loop" else signal.SIGTERM)
            assert plain_hash("late", 300_000) in answer_of(late)
        assert node.wait(timeout=60) == 0, (tmp_path / "stderr").read_text()
        assert "Traceback" not in (tmp_path / "stderr").read_text()
    eventually(lambda: not any(shard.is_running() for shard in shards), "no shard is left")


async def statuses(address: str, path: str, count: int) -> Counter[int]:
    """Send so many requests at once."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        answers = await asyncio.gather(*(http.get(path) for _ in range(count)))
    return Counter(answer.status_code for answer in answers)


@pytest.mark.os_processes
def test_too_many_requests_are_refused_and_not_queued(tmp_path: Path) -> None:
    with serving("two schedulers", tmp_path) as (_, address):
        first, second = asyncio.run(statuses(address, "/hash?n=100000", 40)), asyncio.run(statuses(address, "/hash", 1))
        assert set(first) == {200, 503}
        assert first[200] >= 16
        assert second == {200: 1}


@pytest.mark.os_processes
def test_the_loss_of_the_pool_costs_what_it_had(tmp_path: Path) -> None:
    with serving("two schedulers", tmp_path) as (node, address):
        _, hashing = sorted(psutil.Process(node.pid).children(), key=lambda shard: shard.pid)
        with send_unanswered(address, "/hash?n=9999999") as lost:
            assert httpx.get(f"{address}/ping", timeout=30).text == "pong"
            hashing.kill()
            answer = answer_of(lost)
            assert answer.startswith("HTTP/1.1 503 "), answer
        eventually(lambda: httpx.get(f"{address}/hash?n=1", timeout=30).status_code == 200, "the pool is back")
        assert httpx.get(f"{address}/ping", timeout=30).text == "pong"


def row(name: str, told: str) -> tuple[int, float, float]:
    """Find how many answers there were, and their p50 and p99 in milliseconds."""
    found = re.search(rf"^{name}: +(\d+) answers, p50 (\d+\.\d) ms, p99 (\d+\.\d) ms$", told, re.MULTILINE)
    assert found, told
    return int(found[1]), float(found[2]), float(found[3])


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", SHARDED)
def test_pings_do_not_wait_for_hashes(mode: str, tmp_path: Path) -> None:
    with (
        serving(mode, tmp_path) as (_, address),
        httpx.Client(base_url=address, timeout=30) as http,
        send_unanswered(address, "/hash?n=9999999") as long,
    ):
        assert [http.get("/ping").text for _ in range(20)] == ["pong"] * 20
        assert not select.select([long], [], [], 0)[0], "the hash was meant to take longer than the pings"


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", MODES)
def test_the_load_generator_tells_what_was_answered_and_how_soon(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(command("web", mode, "--bench", "2", "--rounds", "50000")).stdout
    assert "\nfailed: 0\n" in told
    (alone, _, alone99), (count, p50, p99), (hashes, *_) = (
        row(name, told) for name in ("/ping alone", "/ping beside /hash", "/hash")
    )
    assert alone > 0
    assert count > 0
    assert hashes > 0
    with capsys.disabled():
        print(f" {mode}: /ping p50 {p50} ms, p99 {p99} ms beside {hashes} hashes, p99 {alone99} ms without")
