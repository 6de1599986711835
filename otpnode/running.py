"""`run`, `node` and `stop`: how a node begins and ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from types import FrameType
from typing import TypedDict, Unpack, cast

from otpnode.collector import raised_thresholds
from otpnode.config import NodeConfig
from otpnode.errors import NodeDownError
from otpnode.loops import loop_factory
from otpnode.process.generators import watch_generators
from otpnode.process.hosting import LocalNode, MainEnd, run_main
from otpnode.process.stopping import stop_node
from otpnode.reasons import mend

log = logging.getLogger("otpnode")


class Settings(TypedDict, total=False):
    """The keyword settings of a node; see `otpnode.config.NodeConfig`."""

    placement: str
    mailbox_limit: int | None
    max_restarts: int
    max_seconds: float
    max_processes: int
    max_message: int
    name: str
    app_dir: str
    log_level: str
    copy_messages: bool
    exit_grace: float
    kill_grace: float
    kill_blocked: str
    busy_wait: str
    stop_grace: float


def node(**settings: Unpack[Settings]) -> LocalNode:
    """Run a single-loop node inside the running loop: ``async with otpnode.node(): ...``.

    Args:
        settings: what `run` takes, less `schedulers` and `loop`.

    Guarantees:
        Leaving the block is the orderly stop (SEMANTICS SH-12).
    """
    config = NodeConfig(**settings)  # type: ignore[arg-type]
    check_one_loop(config)
    return _local_node(config)


def check_one_loop(config: NodeConfig) -> None:
    """Refuse what only a shard with an OS process of its own can do."""
    if config.kill_blocked == "shard":
        raise ValueError(
            "kill_blocked='shard' ends a shard's OS process, and one loop has none of its own: "
            "use kill_blocked='wait', or more than one scheduler"
        )


def _local_node(config: NodeConfig) -> LocalNode:
    if not config.copy_messages:
        return LocalNode(config)
    strict = import_module("otpnode.transport.strict")
    return LocalNode(config, copier=strict.Strict(config.max_message))


def stop(code: int = 0) -> None:
    """Stop the node, orderly, from any of its processes; returns at once.

    Args:
        code: the exit code of ``otpnode start``; `run` raises ``SystemExit(code)`` unless it is 0.
    """
    stop_node(code)


def run(
    main: Callable[..., object],
    *args: object,
    schedulers: int = 1,
    loop: str = "uvloop",
    **settings: Unpack[Settings],
) -> object:
    """Run ``main(*args)`` as the first process of a node, until it ends.

    Args:
        main: a coroutine function.
        args: its arguments.
        schedulers: 1 runs on one event loop in this OS process; more starts a supervisor
            and that many workers, for which `main` and `args` must be able to travel.
        loop: ``'uvloop'`` or ``'asyncio'``.
        settings: see `otpnode.config.NodeConfig`.

    Returns:
        What `main` returned. When that is a pid of the node, after that process ended.

    Raises:
        BaseException: what `main` raised, with its traceback.
        NodeDownError: the node ended without a result.
        KeyboardInterrupt: Ctrl-C, after the orderly stop; at once after a second one.
        SystemExit: `stop` was called with a code other than 0.
        ValueError, TypeError: bad settings.
    """
    config = NodeConfig(schedulers=schedulers, loop=loop, **settings)  # type: ignore[arg-type]
    if not callable(main):
        raise TypeError(f"otpnode.run takes a coroutine function, not {type(main).__name__}")
    _refuse_inside_a_loop()
    if config.schedulers > 1:
        return _sharded()(config, main, args)
    check_one_loop(config)
    return run_here(config, main, args)


def _refuse_inside_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("otpnode.run was called inside a running event loop; use `async with otpnode.node():` there")


def _sharded() -> Callable[[NodeConfig, Callable[..., object], tuple[object, ...]], object]:
    """Load the supervisor's side, which one loop has no use for."""
    module = import_module("otpnode.launch")
    return cast("Callable[[NodeConfig, Callable[..., object], tuple[object, ...]], object]", module.run_sharded)


def run_here(config: NodeConfig, main: Callable[..., object], args: tuple[object, ...]) -> object:
    """Run on one loop of this OS process, in this thread."""
    with ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner(loop_factory=loop_factory(config.loop))).get_loop()
        interrupts = Interrupts(loop)
        try:
            with interrupts, raised_thresholds():
                end = _run_until(loop, loop.create_task(_one_loop(config, main, args, interrupts)), interrupts)
        except KeyboardInterrupt:
            if interrupts.count > 1:
                # The runner would let the loop run on, and with it whatever computes there.
                stack.pop_all()
                _abandon(loop, interrupts.node)
                raise KeyboardInterrupt from None
            raise
    if interrupts.count:
        raise KeyboardInterrupt
    if isinstance(end, int):
        if end:
            raise SystemExit(end)
        return None
    if end.error is not None:
        raise end.error.with_traceback(end.traceback)
    if isinstance(end.ended_badly, BaseException):
        raise mend(end.ended_badly)
    if end.ended_badly is not None:
        raise NodeDownError(f"main, or the process it returned, ended: {end.ended_badly!r}")
    return end.value


def _abandon(loop: asyncio.AbstractEventLoop, local: LocalNode | None) -> None:
    """Leave a loop for ever with all that is in it, which then has no more to say."""
    loop.set_exception_handler(lambda loop, context: None)
    if local is not None:
        local.leave()
    asyncio.set_event_loop(None)
    loop.close()


def _run_until(
    loop: asyncio.AbstractEventLoop, program: asyncio.Task[MainEnd | int], interrupts: Interrupts
) -> MainEnd | int:
    """Run to the end of `program`; what a bare child task throws at the loop ends nothing but that task (AC-09)."""
    while True:
        try:
            return loop.run_until_complete(program)
        except (SystemExit, KeyboardInterrupt) as error:
            if program.done() or interrupts.count > 1:
                raise
            log.error("a child task raised %r; the node goes on", error)
            loop.call_soon(watch_generators)


async def _one_loop(
    config: NodeConfig, main: Callable[..., object], args: tuple[object, ...], interrupts: Interrupts
) -> MainEnd | int:
    async with _local_node(config) as local:
        interrupts.node = local

        def started(pid: str) -> None:
            local.main = pid

        program = asyncio.ensure_future(run_main(local.shard, main, args, started))
        stopped = asyncio.ensure_future(local.wait_for_stop())
        await asyncio.wait([program, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if local.stopped_with is None:
            return program.result()
        # The stop decides, also where main has ended in the same turn: it was the first.
        program.cancel()
        return local.stopped_with


class Interrupts:
    """Ctrl-C on one loop: the first is the orderly stop, the second raises here and now and drops what is left.

    Code that swallows the second, or is inside C, is ended by the third with the whole OS process.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._before: object = None
        self.count = 0
        self.node: LocalNode | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, cast("signal.Handlers", self._before))

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1 and self.node is not None:
            node = self.node
            self._loop.call_soon_threadsafe(lambda: node.shard.request_stop(130))
            return
        if self.count > 1:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if self.node is not None:
                self.node.stop_now()
            self._loop.call_soon_threadsafe(_interrupt)
        raise KeyboardInterrupt


def _interrupt() -> None:
    raise KeyboardInterrupt
