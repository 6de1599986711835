"""Starting a node with a supervisor: from the command line here, from a script in a fresh interpreter.

A script's process is user code: it may have threads that Python cannot see (``import
numpy`` makes some), and a supervisor forks for as long as it lives. So `run` with more
than one scheduler starts a new interpreter that has imported none of it, and talks to
it over one socket: the request in, signals in, the outcome out.
"""

from __future__ import annotations

import json
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import cast

from otpnode.config import NodeConfig
from otpnode.errors import NodeDownError
from otpnode.scheduler.caller import DOWN, OUTCOME, read_answer, write_request
from otpnode.scheduler.child import to_stderr
from otpnode.scheduler.outcome import decode_outcome
from otpnode.scheduler.program import Loading, Program, UnguardedRunError, of_script
from otpnode.scheduler.supervisor import Supervisor
from otpnode.scheduler.worker import WorkerEntry
from otpnode.target import split_target

BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); "
    "from otpnode.scheduler.boot import main; main(int(sys.argv[1]))"
)


def start(config: NodeConfig, target: str, argv: list[str]) -> int:
    """Supervise a node that runs `target`; returns the exit code.

    Raises:
        TargetError: `target` is not of the form ``module:function``.
        ValueError: more than one scheduler on a system other than Linux.
    """
    split_target(target)
    check_system(config)
    program = Program(target=target, argv=argv)
    return Supervisor(config, WorkerEntry(program), announce=to_stderr).run()


def check_system(config: NodeConfig) -> None:
    """Refuse what only Linux can do."""
    if not sys.platform.startswith("linux"):
        raise ValueError(
            f"a supervised node needs Linux (pidfds, SOCK_SEQPACKET), and this is {sys.platform}; "
            "run on one loop: otpnode.run(main), schedulers=1"
        )


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
    with ours:
        with theirs:
            command = [sys.executable, "-c", BOOT, str(theirs.fileno()), json.dumps(sys.path)]
            supervisor = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        write_request(ours, pickle.dumps((replace(config), program)))
        try:
            kind, code, data = _wait(ours)
        finally:
            ours.close()
            supervisor.wait()
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


def _wait(ours: socket.socket) -> tuple[bytes, int, bytes]:
    """Wait for the outcome, passing INT and TERM on; empty kind when the supervisor is gone."""
    if threading.current_thread() is not threading.main_thread():
        return read_answer(ours)
    before: dict[int, object] = {}

    def pass_on(number: int, frame: FrameType | None) -> None:
        ours.send(bytes([number]))

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        before[number] = signal.signal(number, pass_on)
    try:
        return read_answer(ours)
    finally:
        for number, handler in before.items():
            signal.signal(number, cast("signal.Handlers", handler))
