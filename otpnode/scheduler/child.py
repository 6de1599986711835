"""One worker's handle, and the fork that makes it.

Orphans are the most repeated bug of this kind of program, so a child is bound to its supervisor three times: the kernel
kills it when the supervisor dies (``PR_SET_PDEATHSIG``), it compares ``getppid()`` with the pid it was given (the
supervisor may have died before that call; comparing with 1 instead would be wrong under a supervisor that *is* PID 1),
and it leaves at the end of its control channel. The death signal fires when the forking *thread* ends, hence forks are
made from the supervisor's only thread.

What a child inherits and must not have, it only closes. ``selector.unregister`` would take the parent's descriptors out
of the epoll set, which the two share.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from otpnode.config import NodeConfig
from otpnode.scheduler.board import Board
from otpnode.scheduler.channel import ControlChannel, control_pair, share_of_descriptors
from otpnode.scheduler.os_signals import block_all, unblock

_PR_SET_PDEATHSIG: Final = 1
# Loaded here and not in the child: between fork and prctl nothing should take time or a lock.
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """What a worker is given to start with.

    Attributes:
        sock: its end of the control channel, non-blocking; the only descriptor of the node it inherits.
        board: the shared memory; its own seat is ``board.seat(shard, incarnation)``.
        supervisor_pid: what ``os.getppid()`` is as long as the supervisor lives.
    """

    sock: socket.socket
    board: Board
    shard: int
    incarnation: int
    config: NodeConfig
    supervisor_pid: int


Entry = Callable[[WorkerSeat], int]


@dataclass(eq=False, slots=True)
class Child:
    """One worker, from its fork until it is reaped.

    Attributes:
        expected: its death was asked for, and is no failure.
        ready: it said `Ready`.
        seated: every pair due at its start has been passed.
        up: it was announced.
        drained: it answered `Stop`.
        status: how it ended, as ``Popen.returncode``; None while it has not been reaped.
    """

    shard: int
    incarnation: int
    pid: int
    pidfd: int
    channel: ControlChannel
    expected: bool = False
    ready: bool = False
    seated: bool = False
    up: bool = False
    drained: bool = False
    status: int | None = None

    @property
    def key(self) -> tuple[int, int]:
        """``(shard, incarnation)``."""
        return (self.shard, self.incarnation)

    def kill(self) -> None:
        """End it now. Never hits a stranger: the pid is ours until `reap`."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def reap(self) -> bool:
        """Collect its status if it has ended; return whether it has."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def close(self) -> None:
        """Close this process's copies of what belongs to it."""
        self.channel.close()
        os.close(self.pidfd)


def to_stderr(text: str) -> None:
    """Write `text` as whole lines to stderr, which may be closed: the one way the node itself speaks to its user."""
    try:
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def fork_worker(
    entry: Entry, board: Board, config: NodeConfig, shard: int, incarnation: int, close_in_child: Callable[[], None]
) -> Child:
    """Fork the worker of `incarnation` and have it run `entry`.

    Args:
        entry: what the worker runs; its return value is the exit status.
        board: the node's shared memory, on which the seat is begun.
        config: the node's settings.
        shard: which shard the worker is.
        incarnation: which incarnation of it; its seat must be free.
        close_in_child: closes, in the child, every descriptor of the supervisor, and gives it back default signals;
            it is called with signals blocked.

    Raises:
        OSError: the system has no room for another process; nothing was left behind.

    Guarantees: what was buffered in stdio is written once; the child returns to nobody, it ends with `entry`'s code.
    """
    supervisor_pid = os.getpid()
    ours, theirs = control_pair()
    area = board.seat(shard, incarnation)
    area.begin(incarnation)
    _flush()
    mask = block_all()
    try:
        pid = os.fork()
        if pid == 0:
            seat = WorkerSeat(theirs, board, shard, incarnation, config, supervisor_pid)
            _live(entry, seat, ours, close_in_child, mask)
        pidfd = _watch(pid)
    except OSError:
        area.mark_dead()
        ours.close()
        raise
    finally:
        theirs.close()
        unblock(mask)
    channel = ControlChannel(ours, share_of_descriptors(config.schedulers))
    return Child(shard, incarnation, pid, pidfd, channel)


def _watch(pid: int) -> int:
    # The pid cannot have been reused: nobody but this process may reap it.
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _live(
    entry: Entry, seat: WorkerSeat, ours: socket.socket, close_in_child: Callable[[], None], mask: set[int]
) -> NoReturn:
    code = 1
    try:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != seat.supervisor_pid:
            os._exit(1)
        ours.close()
        close_in_child()
        unblock(mask)
        code = _exit_code(entry, seat)
        # The caller's stack is the supervisor's, so the interpreter cannot be left by returning; what it would
        # run on its way out is run here.
        atexit._run_exitfuncs()
    except BaseException:
        code = 1
        to_stderr(f"otpnode: shard {seat.shard} ended by an exception\n{traceback.format_exc()}")
    finally:
        _flush()
        os._exit(code & 0xFF)


def _exit_code(entry: Entry, seat: WorkerSeat) -> int:
    try:
        return entry(seat)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        to_stderr(str(leaving.code))
        return 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
