"""A web application whose event loop stays free: requests are served here, computed there.

What it shows: Starlette and uvicorn inside the shard of `main`, as one process of a
supervision tree among others, and a pool of `GenServer` on the other shards that each
request calls. ``/hash`` takes a tenth of a second of pure Python; ``/ping`` does not wait
for it, because the loop that serves it has nothing else to do. On one event loop
(``--schedulers 1``) the same program works, and every ``/ping`` waits for the hashes
that are computed before it: that is what one loop is, and the reason for the others.

What a service needs besides is here, too. Too many requests at once are refused (503),
not queued without end. A hasher that dies, or its whole shard, costs the requests it
had (503), and is restarted: on a shard that is up, which with two of them is the one of
``/ping``, until it is restarted again. A stop is orderly: uvicorn is a process that traps
exits, so it is told first, finishes the requests it has, and only then its pool goes.

    otpnode start --schedulers auto --app-dir examples web:main -- --port 8000
    curl 'localhost:8000/hash?n=200000&text=hello'
    kill -TERM <the pid of the ready line>                   (ends with exit code 0)

    python examples/web.py --schedulers 2 --bench 5          (the load of `web_load.py`)
    python examples/web.py --schedulers 1 --bench 5          (the same on one loop)

Needs the extra ``examples``: pip install 'otpnode[examples]'.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import logging
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import otpnode
from otpnode import CallExit, GenServer, Init, Sender, Stop, Supervisor, child, process
from otpnode.pid import Pid

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route
except ModuleNotFoundError as missing:
    raise SystemExit(f"web.py: {missing}; it needs the extra: pip install 'otpnode[examples]'") from None

log = logging.getLogger("web")

WAITING = 16
"""Requests that a hasher may have; further ones are refused."""

MOST_ROUNDS = 10_000_000

PATIENCE = 2
"""Seconds that requests under way have when the server stops: less than the 3 s (0.6 of --stop-grace) of its tree."""


# -- computing: on the other shards -----------------------------------------------


class Hasher(GenServer[None, tuple[str, int], tuple[str, int]]):
    """Computes, one request after the other, and nothing else."""

    mailbox_limit = WAITING

    async def handle_call(self, request: tuple[str, int], sender: Sender, /) -> tuple[str, int]:
        """Hash a text n times over; answered with the digest and the shard that did it."""
        text, rounds = request
        # Whoever shares this loop comes first; nobody does, unless there is only one.
        await asyncio.sleep(0)
        digest = text.encode()
        for _ in range(rounds):
            digest = hashlib.sha256(digest).digest()
        return digest.hex(), process.shard_of(cast(Pid, process.self()))


def hashers() -> dict[str, int]:
    """Name the servers of the pool, with their shards: one on each but main's, if there are others."""
    shards = process.schedulers()
    return {f"hasher/{shard}": shard for shard in range(1, shards)} or {"hasher/0": 0}


class BusyError(Exception):
    """Every hasher has as many requests as it may."""


class Pool:
    """Who has how many requests: the next one goes to who has fewest."""

    def __init__(self) -> None:
        self.busy: Counter[str] = Counter(dict.fromkeys(hashers(), 0))

    async def hash(self, text: str, rounds: int) -> tuple[str, int]:
        """Have a text hashed.

        Raises:
            BusyError: refused.
            CallExit: the hasher has died, or is just being restarted, or needs more than 10 s (`CallTimeoutError`).
        """
        name = min(self.busy, key=self.busy.__getitem__)
        if self.busy[name] >= WAITING:
            raise BusyError(f"{len(self.busy)} hashers have {WAITING} requests each")
        self.busy[name] += 1
        try:
            return await Hasher.call(name, (text, rounds), timeout=10.0)
        finally:
            self.busy[name] -= 1


# -- serving: on main's shard --------------------------------------------------------


def application() -> Starlette:
    """Return the routes."""
    pool = Pool()

    async def ping(request: Request) -> Response:
        return PlainTextResponse("pong")

    async def hash_text(request: Request) -> Response:
        try:
            rounds = int(request.query_params.get("n", "200000"))
        except ValueError:
            rounds = -1
        if not 0 <= rounds <= MOST_ROUNDS:
            return JSONResponse({"error": f"n is a number from 0 to {MOST_ROUNDS}"}, 400)
        try:
            digest, shard = await pool.hash(request.query_params.get("text", ""), rounds)
        except (BusyError, CallExit) as error:
            return JSONResponse({"error": str(error)}, 503, {"Retry-After": "1"})
        return JSONResponse({"digest": digest, "shard": shard})

    return Starlette(routes=[Route("/ping", ping), Route("/hash", hash_text)])


class QuietServer(uvicorn.Server):
    """A uvicorn that leaves the signals to the node, which stops everything in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Web(GenServer[str, str, str]):
    """The HTTP server as a process: it has started when it listens, and ends when it is told to.

    Its state is its address. It traps exits, so a stop comes to `terminate`.
    """

    on = "local"
    trap_exits = True

    async def init(self, host: str, port: int) -> Init[str] | Stop:
        """Listen. A port that is taken is the reason why the tree does not start."""
        try:
            listening = socket.create_server((host, port), backlog=512)
        except OSError as error:
            return Stop(error)
        config = uvicorn.Config(
            application(), lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=PATIENCE
        )
        self.server = QuietServer(config)
        self.serving = asyncio.create_task(self.server.serve(sockets=[listening]))
        me = cast(Pid, process.self())
        self.serving.add_done_callback(lambda _: process.send_nowait(me, "served"))
        return Init(f"http://{host}:{listening.getsockname()[1]}")

    def handle_call(self, request: str, sender: Sender, /) -> str:
        """Tell the address."""
        return self.state

    async def handle_info(self, message: object, /) -> None:
        """Fail with what uvicorn failed with; a supervisor listens anew."""
        if message == "served":
            await self.serving
            raise RuntimeError("uvicorn has ended by itself")

    async def terminate(self, reason: object, /) -> None:
        """Take no more requests, and finish those there are."""
        self.server.should_exit = True
        await asyncio.wait([self.serving])
        log.info("served %d requests", self.server.server_state.total_requests)


async def main(*argv: str) -> Pid | None:
    """Start the pool, then the server; the node lives as long as they do."""
    options = argument_parser().parse_args(argv)
    pool = [child(Hasher, name=name, on=shard) for name, shard in hashers().items()]
    tree = [*pool, child(Web, [options.host, options.port], name="web")]
    # Not linked to main, which returns it: the node ends when the tree does, and not before.
    top = await Supervisor.start(tree)
    address = await Web.call("web", "address")
    print(f"serving {address} (shard {process.shard_of(top)}), hashing on shards {sorted(set(hashers().values()))}")
    sys.stdout.flush()
    if options.bench is None:
        return top
    await bench(address, options.bench, options.rounds)
    await Supervisor.stop(top)
    return None


async def bench(address: str, seconds: float, rounds: int) -> None:
    """Let an OS process of its own send requests: a client on this loop would measure itself."""
    client = [sys.executable, str(Path(__file__).with_name("web_load.py")), address]
    started = await asyncio.create_subprocess_exec(*client, "--seconds", str(seconds), "--rounds", str(rounds))
    if await started.wait():
        raise RuntimeError(f"the client has failed: {' '.join(client)}")


def argument_parser() -> argparse.ArgumentParser:
    """Return the arguments of the service itself."""
    parser = argparse.ArgumentParser(prog="web", description="Serve hashes.", add_help=False)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 for any free port (%(default)s)")
    parser.add_argument("--bench", type=float, metavar="SECONDS", help="measure so long, then stop")
    parser.add_argument("--rounds", type=int, default=200_000, help="n of each /hash that is measured (%(default)s)")
    return parser


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    options, rest = parser.parse_known_args()
    with contextlib.suppress(KeyboardInterrupt):
        otpnode.run(main, *rest, schedulers=options.schedulers)
