"""One shard's life: from the fork to ``Leave``.

The worker imports the program after the fork, joins the mesh as its seats are
passed, says `Ready`, and from then on does two things: it runs its shard's loop and
it obeys its control channel. It never decides anything about the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time

from otpnode.collector import raise_thresholds
from otpnode.loops import loop_factory
from otpnode.process import stopping
from otpnode.process.children import adopt
from otpnode.process.current import HOSTS
from otpnode.process.generators import watch_generators
from otpnode.process.hosting import MainEnd, run_main
from otpnode.scheduler.child import WorkerSeat, to_stderr
from otpnode.scheduler.control import (
    Drained,
    Leave,
    LinkCorrupt,
    NameReply,
    Ready,
    Seat,
    Seated,
    ShardDown,
    ShardSilent,
    ShardUp,
    Start,
    Stop,
    StopNode,
    ToWorker,
    boot_failed,
    main_ended,
)
from otpnode.scheduler.outcome import encode_outcome, exit_code
from otpnode.scheduler.port import ControlPort
from otpnode.scheduler.program import Main, Program, load
from otpnode.scheduler.world import World
from otpnode.target import TargetError
from otpnode.transport.busywait import SECONDS

log = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 1.0


class Worker:
    """The worker of one shard incarnation."""

    def __init__(self, seat: WorkerSeat, program: Program) -> None:
        self._seat = seat
        self._program = program
        self._loop = loop_factory(seat.config.loop)()
        self._port = ControlPort(seat.sock, seat.board, self._on_control, on_backlog=self._on_backlog)
        self._world = World(
            self._loop,
            seat.config,
            seat.board,
            seat.shard,
            seat.incarnation,
            self._port,
            tell_corrupt=lambda shard, inc, why: self._port.send(LinkCorrupt(shard, inc, why[:1000])),
            tell_silent=lambda shard, inc, pid: self._port.send(ShardSilent(shard, inc, pid)),
            busy_wait=SECONDS[seat.config.busy_wait],
        )
        self._main: Main | None = None
        self._main_pid: str | None = None
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._mesh_fds: dict[tuple[int, int], list[int]] = {}

    def run(self) -> int:
        """Live; returns the worker's exit status."""
        asyncio.set_event_loop(self._loop)
        os.register_at_fork(after_in_child=self._close_in_fork)
        try:
            self._main = load(self._program, self._seat.config.app_dir)
        except TargetError as error:
            self._port.send(boot_failed(error.code, error.text))
            self._port.flush(LAST_WORDS_SECONDS)
            return error.code
        self._configure_logging()
        adopt(self._loop)
        self._world.shard.request_stop = lambda code: self._port.send(StopNode(code))
        self._world.shard.watchdog  # noqa: B018 - made and started here, after the fork
        gc.collect()
        gc.freeze()
        raise_thresholds()
        self._loop.add_reader(self._port.fileno(), self._port.drain)
        self._loop.call_soon(self._port.drain)
        self._run_loop()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        return 0

    def _run_loop(self) -> None:
        """Run until `Leave`; what a bare child task throws at the loop ends nothing but that task (AC-09)."""
        while True:
            self._loop.call_soon(watch_generators)
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                log.error("a child task raised %r; the shard goes on", error)
            else:
                return

    def _configure_logging(self) -> None:
        if self._program.target:
            logging.basicConfig(
                level=self._seat.config.log_level.upper(),
                format=f"%(asctime)s %(levelname)s shard {self._seat.shard} %(name)s: %(message)s",
            )

    def _on_backlog(self) -> None:
        fd = self._port.fileno()

        def pump() -> None:
            if self._port.pump():
                self._loop.remove_writer(fd)

        self._loop.add_writer(fd, pump)

    # -- the supervisor's words -----------------------------------------------

    def _on_control(self, record: ToWorker, fd: int | None) -> None:
        match record:
            case Seat(shard, incarnation, role) if fd is not None:
                self._mesh_fds.setdefault((shard, incarnation), []).append(fd)
                self._world.neighbours.mesh.seat(shard, incarnation, role, fd)
            case Seated():
                self._port.send(Ready())
            case NameReply():
                self._world.names.replied(record)
            case ShardUp(shard, incarnation):
                self._world.neighbours.shard_up(shard, incarnation)
            case ShardDown(shard, incarnation, status):
                self._mesh_fds.pop((shard, incarnation), None)
                self._world.neighbours.shard_down(shard, incarnation, status)
            case Start():
                self._begin(self._run_main())
            case Stop(grace, everybody):
                self._stopping = True
                self._begin(self._stop(grace, everybody))
            case Leave():
                self._leave(time.monotonic() + LAST_WORDS_SECONDS)
            case _:
                log.error("the supervisor said %r, which means nothing here", record)

    def _begin(self, work: object) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_main(self) -> None:
        if self._main is None:
            raise RuntimeError("Start came before the program was loaded")
        func, args = self._main
        end = await run_main(self._world.shard, func, args, self._main_started, report=not self._program.reports)
        if not self._stopping:
            self._tell_end(end)

    def _main_started(self, pid: str) -> None:
        self._main_pid = pid

    def _tell_end(self, end: MainEnd) -> None:
        if not self._program.reports and isinstance(end.error, SystemExit) and isinstance(end.error.code, str):
            # `sys.exit("text")` prints its text and is exit code 1; nobody logs a SystemExit.
            to_stderr(end.error.code)
        for record in main_ended(exit_code(end), encode_outcome(end) if self._program.reports else b""):
            self._port.send(record)

    async def _stop(self, grace: float, everybody: bool) -> None:
        if everybody:
            await stopping.stop_rest(self._world.shard, grace)
        else:
            await stopping.stop_trees(self._world.shard, self._main_pid, grace)
        self._port.send(Drained())

    def _leave(self, deadline: float) -> None:
        """Go as soon as the links have taken what is queued."""
        if self._world.neighbours.mesh.flush() and time.monotonic() < deadline:
            self._loop.call_later(0.005, self._leave, deadline)
            return
        self._loop.stop()

    # -- forks by user code ---------------------------------------------------

    def _close_in_fork(self) -> None:
        """In a child that user code forked: nothing of the node may be held open or spoken to there.

        The epoll set is shared with the shard, and what is taken out of it here would be taken out there. So each
        descriptor stands for something else before the links unregister and close it.
        """
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fds in self._mesh_fds.values():
            for fd in fds:
                os.dup2(nowhere, fd, inheritable=False)
        os.close(nowhere)
        shard = self._world.shard
        shard.running = None
        shard.thread = 0
        HOSTS.clear()
        self._world.neighbours.mesh.close()
        self._port.close()


class WorkerEntry:
    """What the supervisor forks into: `otpnode.scheduler.child.Entry`.

    Args:
        program: what workers run.
        loop: the kind of event loop they run it on.

    What every worker would do after its fork, and need not, is done once, before the first: with eight of them
    the import of uvloop and a collection of everything imported were half of the time until they were ready.
    """

    def __init__(self, program: Program, loop: str) -> None:
        self._program = program
        with contextlib.suppress(ImportError):  # The worker will say it.
            loop_factory(loop)
        gc.collect()
        gc.freeze()

    def __call__(self, seat: WorkerSeat) -> int:
        """Run the worker of `seat`; returns its exit status."""
        return Worker(seat, self._program).run()
