"""The fresh interpreter that `otpnode.run` starts: it becomes the supervisor."""

from __future__ import annotations

import pickle
import socket
import sys
from typing import NoReturn

from otpnode.config import NodeConfig
from otpnode.scheduler.caller import SocketCaller, read_request
from otpnode.scheduler.child import to_stderr
from otpnode.scheduler.program import Program
from otpnode.scheduler.supervisor import Supervisor
from otpnode.scheduler.worker import WorkerEntry


def main(fd: int) -> NoReturn:
    """Read the request from `fd`, run the node, leave with its exit code."""
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    try:
        config, program = pickle.loads(read_request(sock))
    except EOFError:
        sys.exit(1)
    if not isinstance(config, NodeConfig) or not isinstance(program, Program):
        raise TypeError("the request is not settings and a program")
    sys.exit(Supervisor(config, WorkerEntry(program, config.loop), announce=to_stderr, caller=SocketCaller(sock)).run())
