"""Starting a node with a supervisor: from the command line here, from a script in a fresh interpreter.

A script's process is user code: it may have threads that Python cannot see (``import
numpy`` makes some), and a supervisor forks for as long as it lives. So `run` with more
than one scheduler starts a new interpreter that has imported none of it, and talks to
it over one socket: the request in, signals in, the outcome out.
"""

from __future__ import annotations

import json
import logging
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import cast

from otpnode.config import NodeConfig
from otpnode.errors import NodeDownError
from otpnode.running import check_one_loop, run_here
from otpnode.scheduler.caller import DOWN, OUTCOME, read_answer, write_request
from otpnode.scheduler.child import to_stderr
from otpnode.scheduler.outcome import decode_outcome, status
from otpnode.scheduler.program import Loading, Program, UnguardedRunError, of_script
from otpnode.scheduler.supervisor import Supervisor
from otpnode.scheduler.worker import WorkerEntry
from otpnode.target import load_target, split_target

BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); "
    "from otpnode.scheduler.boot import main; main(int(sys.argv[1]))"
)

SPARE_DESCRIPTORS = 16
"""What a shard has open beside its links, before the program opens anything."""

_PASSED_ON: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)


def start(config: NodeConfig, target: str, argv: list[str]) -> int:
    """Supervise a node that runs `target`; returns the exit code.

    Raises:
        TargetError: `target` is not of the form ``module:function``.
        ValueError: more than one scheduler on a system other than Linux.
    """
    split_target(target)
    if config.schedulers == 1 and not _is_linux():
        check_one_loop(config)
        return _start_here(config, target, argv)
    check_system(config)
    program = Program(target=target, argv=argv)
    return Supervisor(config, WorkerEntry(program, config.loop), announce=to_stderr).run()


def check_system(config: NodeConfig) -> None:
    """Refuse what only Linux can do, and shards that could never all be joined."""
    if not _is_linux():
        raise ValueError(
            f"{config.schedulers} schedulers need Linux (pidfds, SOCK_SEQPACKET), and this is {sys.platform}; "
            "run on one loop: --schedulers 1, or otpnode.run(main)"
        )
    needed = 2 * (config.schedulers - 1) + SPARE_DESCRIPTORS
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise ValueError(
            f"{config.schedulers} schedulers need some {needed} file descriptors each, and `ulimit -n` allows "
            f"{allowed}; take fewer schedulers (auto: one a CPU), or raise it"
        )


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def _start_here(config: NodeConfig, target: str, argv: list[str]) -> int:
    """Run `target` on one loop of this process: where there is no supervisor."""
    sys.path.insert(0, config.app_dir)
    main = load_target(target)
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run_here(config, main, tuple(argv))
    except KeyboardInterrupt:
        return 130
    except SystemExit as error:
        return status(error)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def run_sharded(config: NodeConfig, main: Callable[..., object], args: tuple[object, ...]) -> object:
    """Run a script's main on ``config.schedulers`` workers and return what it returned.

    Raises:
        UnguardedRunError: called while a worker loads the script, that is without the guard.
        UnserializableError: main or an argument cannot travel.
        NodeDownError: the node ended without a result.
    """
    check_unguarded()
    check_system(config)
    program = of_script(main, args)
    ours, theirs = socket.socketpair()
    # A Ctrl-C hits the new interpreter too; with the mask it inherits it can wait until that ignores INT.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    try:
        with ours:
            with theirs:
                command = [sys.executable, "-c", BOOT, str(theirs.fileno()), json.dumps(sys.path)]
                supervisor = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            try:
                kind, code, data = _ask(ours, pickle.dumps((replace(config), program)), mask)
            finally:
                ours.close()
                supervisor.wait()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if kind == DOWN:
        raise NodeDownError(data.decode())
    if kind == OUTCOME:
        if data:
            return decode_outcome(data)
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise SystemExit(code)
        return None
    raise NodeDownError(f"the supervisor was lost, exit status {supervisor.returncode}")


def check_unguarded() -> None:
    """Refuse a `run` at the top level of a script that a worker is loading."""
    if Loading.script is not None:
        raise UnguardedRunError(
            f"otpnode.run was called while a worker loads {Loading.script}; "
            'put the call under `if __name__ == "__main__":`'
        )


def _ask(ours: socket.socket, request: bytes, mask: set[int]) -> tuple[bytes, int, bytes]:
    """Send the request and wait for the outcome, passing INT and TERM on; empty kind when the supervisor is gone.

    Called with both blocked; they come through, by `mask`, once they have somewhere to go.
    """
    try:
        write_request(ours, request)
    except OSError:
        return b"", 0, b""
    if threading.current_thread() is not threading.main_thread():
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return read_answer(ours)
    before: dict[int, object] = {}

    def pass_on(number: int, frame: FrameType | None) -> None:
        try:
            ours.send(bytes([number]))
        except OSError:
            return  # The supervisor is gone, which `read_answer` is about to tell.

    for number in _PASSED_ON:
        before[int(number)] = signal.signal(number, pass_on)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return read_answer(ours)
    finally:
        for number, handler in before.items():
            signal.signal(number, cast("signal.Handlers", handler))
