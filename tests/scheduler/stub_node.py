"""Run a supervisor with workers that only speak the control protocol; see `support`."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from functools import partial

from otpnode.config import NodeConfig
from otpnode.pid import make_pid
from otpnode.scheduler.child import WorkerSeat, to_stderr
from otpnode.scheduler.control import (
    Drained,
    Leave,
    LinkCorrupt,
    NameCommit,
    NameRegister,
    NameRelease,
    NameReply,
    NameReserve,
    NamesGone,
    NameUnregister,
    Ready,
    Seat,
    Seated,
    Stop,
    StopNode,
    ToWorker,
    boot_failed,
    main_ended,
)
from otpnode.scheduler.port import ControlPort
from otpnode.scheduler.slots import Slots
from otpnode.scheduler.supervisor import Supervisor

Options = dict[str, object]


class Stub:
    """One worker: selects on its control port, the test's socket and nothing else."""

    def __init__(self, seat: WorkerSeat, options: Options) -> None:
        self.seat = seat
        self.options = options
        self.port = ControlPort(seat.sock, seat.board, self.handle)
        self.slots = Slots(seat.board.seat(seat.shard, seat.incarnation), seat.config.max_processes)
        self.ends: dict[tuple[int, int, str], int] = {}
        self.events: list[list[object]] = []
        self.test = socket.socket(socket.AF_UNIX)
        self.test.connect(str(options["path"]))
        self.file = self.test.makefile("rwb", buffering=0)
        self.left: int | None = None
        hello = {"pid": os.getpid(), "shard": seat.shard, "incarnation": seat.incarnation}
        self.say({**hello, "supervisor": seat.supervisor_pid})

    def say(self, value: object) -> None:
        self.file.write(json.dumps(value).encode() + b"\n")

    def applies(self, option: str) -> bool:
        chosen = self.options.get(option, [])
        me = [self.seat.shard, self.seat.incarnation]
        return isinstance(chosen, list) and (me in chosen or self.seat.shard in chosen)

    def boot(self) -> int | None:
        if self.applies("boot_fail"):
            self.port.send(boot_failed(2, "Traceback\nImportError: no module named nothing"))
            return 2
        if self.applies("boot_raise"):
            raise RuntimeError("boom at boot")
        if self.applies("boot_exit"):
            return 7
        if self.applies("boot_hang"):
            while True:
                select.select([], [], [])
        return None

    def run(self) -> int:
        code = self.boot()
        while code is None and self.left is None:
            port, test = self.port.fileno(), self.test.fileno()
            readable, _, _ = select.select([port, test], [port] if self.port.wants_write else [], [])
            self.port.pump()
            if port in readable:
                self.port.drain()
            if test in readable:
                line = self.file.readline()
                if not line:
                    return 1
                verb, *args = json.loads(line)
                getattr(self, f"on_{verb}")(*args)
        return self.left or code or 0

    def handle(self, record: ToWorker, fd: int | None) -> None:
        fields = [getattr(record, name) for name in record.__struct_fields__]
        self.events.append([type(record).__name__, *fields])
        if isinstance(record, Seat) and fd is not None:
            self.ends[record.shard, record.incarnation, record.role] = fd
        elif isinstance(record, Seated):
            self.port.send(Ready())
        elif isinstance(record, Stop) and not self.applies("no_drain"):
            self.port.send(Drained())
        elif isinstance(record, Leave) and not self.applies("no_leave"):
            self.left = 0
        elif isinstance(record, NameReply) and record.req >= 0:
            self.say(record.error)

    # -- what the test asks -----------------------------------------------------

    def on_events(self) -> None:
        self.say(self.events)

    def on_write(self, shard: int, incarnation: int, text: str) -> None:
        os.write(self.ends[shard, incarnation, "write"], text.encode())
        self.say(None)

    def on_read(self, shard: int, incarnation: int) -> None:
        self.say(os.read(self.ends[shard, incarnation, "read"], 4096).decode())

    def on_claim(self) -> None:
        self.say(make_pid(self.seat.config.name, self.seat.shard, self.seat.incarnation, self.slots.claim()))

    def on_release(self, serial: int) -> None:
        self.slots.release(serial)
        self.say(None)

    def on_whereis(self, name: str) -> None:
        self.port.catch_up()
        self.say(self.port.replica.whereis(name))

    def on_registered(self) -> None:
        self.port.catch_up()
        self.say(len(self.port.replica.registered()))

    def on_versions_differ(self) -> None:
        self.say(self.port.replica.version != self.seat.board.names_version)

    def on_register(self, name: str, pid: str) -> None:
        self.port.send(NameRegister(1, name, pid))

    def on_register_and_die(self, name: str, pid: str, serial: int) -> None:
        self.port.send(NameRegister(1, name, pid))
        self.slots.release(serial)

    def on_storm(self, count: int, pid: str) -> None:
        """Register and unregister `count` times without waiting, then say so when all is answered."""
        for number in range(count):
            self.port.send(NameRegister(-1, f"storm{number}", pid))
            self.port.send(NameUnregister(-1, f"storm{number}"))
        self.port.send(NameUnregister(1, "nobody"))

    def on_unregister(self, name: str) -> None:
        self.port.send(NameUnregister(1, name))

    def on_reserve(self, name: str) -> None:
        self.port.send(NameReserve(1, name))

    def on_commit(self, name: str, pid: str) -> None:
        self.port.send(NameCommit(1, name, pid))

    def on_free(self, name: str) -> None:
        self.port.send(NameRelease(name))
        self.say(None)

    def on_gone(self, pid: str) -> None:
        self.port.send(NamesGone(1, pid))

    def on_main_ended(self, code: int, size: int) -> None:
        for record in main_ended(code, b"x" * size):
            self.port.send(record)

    def on_stop_node(self, code: int) -> None:
        self.port.send(StopNode(code))

    def on_corrupt(self, shard: int, incarnation: int) -> None:
        self.port.send(LinkCorrupt(shard, incarnation, "test"))
        self.say(None)

    def on_fds(self) -> None:
        self.say({fd: _target(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")})

    def on_orphan(self) -> None:
        """Have a process whose parent ends before it does; say its pid."""
        reader, writer = os.pipe()
        script = f"(read -r go <&{reader}) >/dev/null & echo $!"
        shell = subprocess.run(["/bin/sh", "-c", script], pass_fds=[reader], stdout=subprocess.PIPE, check=True)
        os.close(reader)
        os.close(writer)
        self.say(int(shell.stdout))

    def on_pids(self) -> None:
        self.say([int(name) for name in os.listdir("/proc") if name.isdecimal()])

    def on_kill_me(self) -> None:
        self.say(None)
        os.kill(os.getpid(), signal.SIGKILL)

    def on_alive(self, shard: int, incarnation: int, serial: int) -> None:
        self.say(self.seat.board.is_alive(shard, incarnation, serial))


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def entry(options: Options, seat: WorkerSeat) -> int:
    return Stub(seat, options).run()


class StubCaller:
    """The caller's pipe, in lines: signals come in, the outcome goes out."""

    def __init__(self, fd: int) -> None:
        self._sock = socket.socket(fileno=fd)
        self._sock.setblocking(False)
        self.at_eof = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> list[int]:
        data = self._sock.recv(64)
        self.at_eof = not data
        return list(data)

    def outcome(self, code: int, data: bytes) -> None:
        self._sock.sendall(f"outcome {code} {len(data)}\n".encode())

    def down(self, cause: str) -> None:
        self._sock.sendall(f"down {cause}\n".encode())

    def close(self) -> None:
        self._sock.close()


def main() -> int:
    options: Options = json.loads(sys.argv[1])
    settings = options.get("config", {})
    assert isinstance(settings, dict)
    config = NodeConfig(**settings)
    fd = options.get("caller_fd")
    caller = StubCaller(fd) if isinstance(fd, int) else None
    assert threading.active_count() == 1
    sys.stdout.write("buffered once\n")
    code = Supervisor(config, partial(entry, options), announce=to_stderr, caller=caller).run()
    assert threading.active_count() == 1
    return code


if __name__ == "__main__":
    sys.exit(main())
