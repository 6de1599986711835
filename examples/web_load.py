"""Measure how long `web.py` takes to answer ``/ping`` while it computes ``/hash``.

Some clients keep every hasher busy, each sending its next request when it has the answer.
Beside them a ping is sent every 25 ms, whether or not the last has been answered: one
that waited for the answer would send just one ping into a stall of a second, and the
stall would hardly show (coordinated omission). The same pings without any hash, before,
say what the machine is worth at the moment.

    python examples/web_load.py http://127.0.0.1:8000 --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field

try:
    import httpx
except ModuleNotFoundError as missing:
    raise SystemExit(f"web_load.py: {missing}; it needs the extra: pip install 'otpnode[examples]'") from None

CLIENTS = 4
CONNECTIONS = 50
PING_SECONDS = 0.025


@dataclass
class Figures:
    """What has been measured: seconds of each answer, and what was not answered well."""

    alone: list[float] = field(default_factory=list)
    ping: list[float] = field(default_factory=list)
    hash: list[float] = field(default_factory=list)
    failed: int = 0


def percentile(seconds: list[float], percent: float) -> float:
    """Return the time within which so many percent were answered, in milliseconds."""
    if not seconds:
        return float("nan")
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def timed(http: httpx.AsyncClient, path: str, seconds: list[float], figures: Figures) -> None:
    """Send one request and note how long the answer took."""
    began = time.perf_counter()
    try:
        answer = await http.get(path)
    except httpx.HTTPError:
        figures.failed += 1
        return
    if answer.status_code == 200:
        seconds.append(time.perf_counter() - began)
    else:
        figures.failed += 1


async def hash_client(http: httpx.AsyncClient, number: int, rounds: int, end: float, figures: Figures) -> None:
    """Ask for one hash after the other."""
    turn = 0
    while time.perf_counter() < end:
        turn += 1
        await timed(http, f"/hash?n={rounds}&text={number}-{turn}", figures.hash, figures)


async def pings(http: httpx.AsyncClient, seconds: float, answers: list[float], figures: Figures) -> None:
    """Send a ping whenever one is due, and wait for the last answers."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for tick in range(int(seconds / PING_SECONDS)):
            await asyncio.sleep(began + tick * PING_SECONDS - time.perf_counter())
            tasks.create_task(timed(http, "/ping", answers, figures))


async def load(address: str, seconds: float, rounds: int) -> Figures:
    """Send pings alone, then for so long both kinds of requests."""
    figures = Figures()
    # Idle connections are given up here before the server gives them up (5 s): no request meets a closed one.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=3)
    async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as http:
        # Connections are made before: a loop accepts one a turn, and turns are long where hashes are computed.
        await asyncio.gather(*(http.get("/ping") for _ in range(CONNECTIONS)))
        await pings(http, seconds / 2, figures.alone, figures)
        end = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(hash_client(http, number, rounds, end, figures))
            tasks.create_task(pings(http, seconds, figures.ping, figures))
    return figures


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of the server: http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long (%(default)s)")
    parser.add_argument("--rounds", type=int, default=200_000, help="n of each /hash (%(default)s)")
    options = parser.parse_args()
    figures = asyncio.run(load(options.address, options.seconds, options.rounds))
    rows = {"/ping alone": figures.alone, "/ping beside /hash": figures.ping, "/hash": figures.hash}
    for name, answers in rows.items():
        p50, p99 = percentile(answers, 50), percentile(answers, 99)
        print(f"{name + ':':<20}{len(answers):>6} answers, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"failed: {figures.failed}")


if __name__ == "__main__":
    main()
