"""The command line: ``otpnode start app:main``, ``otpnode version``."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

import otpnode
from otpnode.config import NodeConfig
from otpnode.launch import start
from otpnode.process.compiled import FAST
from otpnode.scheduler.cpus import auto_schedulers
from otpnode.target import TargetError

USAGE = 2


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    words = sys.argv[1:] if argv is None else argv
    own, app_args = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    parser = _parser()
    options, unknown = parser.parse_known_args(own)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}; what is for the program stands behind `--`")
    if options.version or options.command == "version":
        print(f"otpnode {otpnode.__version__} (Python {sys.version.split()[0]}, {_libraries()})")
        sys.exit(0)
    if options.command is None:
        parser.error("a command is required: start or version")
    sys.exit(_start(options, app_args))


def _start(options: argparse.Namespace, app_args: list[str]) -> int:
    try:
        config = NodeConfig(
            schedulers=options.schedulers,
            loop=options.loop,
            placement=options.placement,
            mailbox_limit=options.mailbox_limit,
            max_restarts=options.max_restarts,
            max_seconds=options.max_seconds,
            max_processes=options.max_processes,
            max_message=options.max_message,
            name=options.name or "",
            app_dir=os.path.abspath(options.app_dir),
            log_level=options.log_level,
            kill_blocked=options.kill_blocked,
            stop_grace=options.stop_grace,
            busy_wait=options.busy_wait,
        )
        return start(config, options.target, app_args)
    except TargetError as error:
        sys.stderr.write(error.text + "\n")
        return error.code
    except ValueError as error:
        sys.stderr.write(f"otpnode: {error}\n")
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="otpnode",
        description="Erlang's processes for Python, on every core.",
        allow_abbrev=False,
    )
    # Not argparse's own action: that would look the versions up at every start.
    parser.add_argument("--version", action="store_true", help="the same as the command version")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("version", help="print the version and leave")
    start_command = commands.add_parser(
        "start",
        help="run a program on a node",
        usage="otpnode start [options] app:main [-- args for main]",
        description="Run the coroutine function main of module app as the first process of a node.",
        epilog="Exit codes: 0 main returned, or SIGTERM; n SystemExit(n) or stop(n); 1 main raised; 2 usage; "
        "3 boot failure; 4 crash loop; 130 SIGINT; 143 second SIGTERM.",
        allow_abbrev=False,
    )
    add = start_command.add_argument
    add("target", metavar="app:main", help="module and coroutine function, or Application")
    add("--schedulers", type=_schedulers, default="auto", metavar="N|auto", help="shards; auto: affinity and quota")
    add("--placement", choices=("spread", "local"), default="spread", help="where on='spread' goes (spread)")
    add("--mailbox-limit", type=_limit, default=100, metavar="N|none", help="user messages per mailbox (100)")
    add("--max-restarts", type=int, default=5, metavar="N", help="shard deaths allowed ... (5)")
    add("--max-seconds", type=float, default=30.0, metavar="S", help="... within this time (30)")
    add("--max-processes", type=int, default=1 << 20, metavar="N", help="processes per shard (1048576)")
    add("--max-message", type=int, default=1 << 30, metavar="BYTES", help="one message between shards (1 GiB)")
    add("--kill-blocked", choices=("wait", "shard"), default="wait", help="a killed process stuck in C (wait)")
    add("--stop-grace", type=float, default=5.0, metavar="S", help="seconds processes have at a stop (5)")
    add("--busy-wait", choices=("none", "short", "long"), default="short", help="awake for an answer (short: 0.1 ms)")
    add("--name", metavar="NAME", help="node name (n<pid>)")
    add("--app-dir", default=".", metavar="DIR", help="put first on sys.path (.)")
    add("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="event loop (uvloop)")
    add("--log-level", choices=("debug", "info", "warning", "error", "critical"), default="info", help="(info)")
    return parser


def _schedulers(text: str) -> int:
    if text == "auto":
        return auto_schedulers()[0] if sys.platform.startswith("linux") else 1
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of schedulers; give 1 or more, or auto") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"a node needs at least 1 scheduler, not {number}; give 1 or more, or auto")
    return number


def _limit(text: str) -> int | None:
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a mailbox limit; give a number, or none") from None


def _libraries() -> str:
    found = []
    for name in ("uvloop", "msgspec", "psutil"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join([*found, "pure Python" if FAST is None else "compiled"])
