"""A node on one event loop: inside somebody else's, or on one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from types import TracebackType
from typing import Self, cast

from otpnode.clock import Clock
from otpnode.config import NodeConfig
from otpnode.errors import ProcessExit
from otpnode.pid import Pid, is_pid
from otpnode.process import stopping
from otpnode.process.children import adopt
from otpnode.process.current import CURRENT
from otpnode.process.messages import receive
from otpnode.process.monitoring import monitor
from otpnode.process.proc import Proc
from otpnode.process.shard import Copier, Shard
from otpnode.process.spawning import Birth
from otpnode.reasons import NOPROC, is_failed_start, is_quiet

TREES_SHARE = 0.6
"""The part of the grace that main and the trees may use before everybody is asked."""


class LocalNode:
    """One shard on the running loop, from ``async with`` to its end.

    Leaving the block is the orderly stop: processes get ``'shutdown'``, what is left
    after the grace is killed (SH-12).
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        clock: Clock | None = None,
        copier: Copier | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._copier = copier
        self._release: Callable[[], None] | None = None
        self._stop_task: asyncio.Task[None] | None = None
        self._shard: Shard | None = None
        self.main: str | None = None
        self.stopped_with: int | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def shard(self) -> Shard:
        """The node's shard."""
        if self._shard is None:
            raise RuntimeError("the node is not running: enter it with `async with`")
        return self._shard

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._shard = Shard(loop, self._config, clock=self._clock, copier=self._copier)
        self._shard.request_stop = self._on_stop
        self._stopping = asyncio.Event()
        self._release = adopt(loop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _on_stop(self, code: int) -> None:
        if self.stopped_with is None and self._stopping is not None:
            self.stopped_with = code
            self._stopping.set()
            if self.main is None:
                self._stop_task = self.shard.loop.create_task(self._stop_processes())

    async def wait_for_stop(self) -> int:
        """Return the code given to `otpnode.stop`, once it is called."""
        if self._stopping is not None:
            await self._stopping.wait()
        return self.stopped_with or 0

    async def _stop_processes(self) -> None:
        grace = self._config.stop_grace
        await stopping.stop_trees(self.shard, self.main, grace * TREES_SHARE)
        await stopping.stop_rest(self.shard, grace * (1 - TREES_SHARE))

    async def stop(self) -> None:
        """Stop every process, orderly, and leave the loop."""
        if self._shard is None:
            return
        # The stop itself must be nobody's child, whoever asks for it.
        token = CURRENT.set(None)
        try:
            await self._stop_processes()
        finally:
            # Without a shard the loop was left meanwhile, and this coroutine is only being freed.
            if self._shard is not None:
                CURRENT.reset(token)
                self.leave()

    def stop_now(self) -> None:
        """Let no step of a process follow the running one; safe in a signal handler."""
        if self._shard is not None:
            stopping.stop_now(self._shard)

    def leave(self) -> None:
        """Leave the loop, whatever runs there."""
        if self._shard is None:
            return
        self._shard.close()
        self._shard = None
        if self._release is not None:
            self._release()


class MainEnd:
    """How ``main`` ended: its value, or the exception to raise."""

    def __init__(self) -> None:
        self.value: object = None
        self.error: BaseException | None = None
        self.traceback: TracebackType | None = None
        self.ended_badly: object = None

    def catch(self, error: BaseException) -> bool:
        """Keep the exception of main with its traceback, before it becomes a reason; it needs no log."""
        self.error = error
        self.traceback = error.__traceback__
        return True

    def catch_and_report(self, error: BaseException) -> bool:
        """Keep it, and have it logged unless it is a ``SystemExit``."""
        return self.catch(error) and isinstance(error, SystemExit)


async def run_main(
    shard: Shard,
    main: Callable[..., object],
    args: tuple[object, ...],
    started: Callable[[str], None],
    *,
    report: bool = False,
) -> MainEnd:
    """Run ``main(*args)`` as a process of `shard`, and wait for the pid it returns, if it returns one.

    Args:
        shard: where.
        main: a coroutine function.
        args: its arguments.
        started: told the pid at once.
        report: log main's exception as that of any process; False when `run` raises it.
    """
    birth = Birth(func=_program, args=(main, args), kwargs={}, sender=shard.system_pid, label="main", spread=True)
    birth.mailbox_limit = shard.default_limit
    proc = shard.make(birth)
    end = MainEnd()
    shard.deaths.reporters[proc.pid] = end.catch_and_report if report else end.catch
    over: asyncio.Future[Proc] = shard.loop.create_future()
    shard.watch_death(proc.pid, lambda dead: None if over.done() else over.set_result(dead))
    started(proc.pid)
    shard.queue.put(proc)
    dead = await over
    shard.deaths.reporters.pop(proc.pid, None)
    end.value = dead.value
    # A tree that main is linked to and that does not start ends main by the link, before main can raise StartError.
    if end.error is None and (not is_quiet(dead.reason) or is_failed_start(dead.reason)):
        end.ended_badly = dead.reason
    return end


async def _program(main: Callable[..., object], args: tuple[object, ...]) -> object:
    """Be main; once it has returned a pid, live on as long as that process.

    Main's process stays, because what it returned is often a tree it is linked to, whose
    parent must not die before it (SV-09).
    """
    running = main(*args)
    if not isawaitable(running):
        raise TypeError(f"{main!r} is not a coroutine function (it returned {type(running).__name__})")
    value = await running
    if is_pid(value):
        ref = await monitor(Pid(str(value)))
        down = cast("tuple[object, ...]", await receive(ref=ref))
        # A process that was over before main returned told its end to whoever watched it then.
        if not is_quiet(down[4]) and down[4] != NOPROC:
            raise ProcessExit(down[4])
    return value
