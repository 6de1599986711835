"""The foreman of `Task.map` on one shard: starts runners, sends on what they come to.

A link and its EXIT are a third of what a tiny item's process costs. A runner of a plain
function without a timeout does without: it cannot wait, so it sends its values before
anybody else has a turn, and links itself if it is about to end in another way. One that
is still there when the foreman looks round is monitored from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any, NoReturn, cast

from msgspec import Struct

from otpnode import process
from otpnode.behaviours.common.wire import is_stop_order
from otpnode.behaviours.tasks.body import Failure, sendable
from otpnode.behaviours.tasks.plan import (
    AGAIN,
    GONE,
    IDLE,
    LOST,
    PASSED,
    PROBE,
    REPORT,
    SENT,
    VALUES,
    WORK,
    Part,
    Plan,
)
from otpnode.behaviours.tasks.runner import run_chunk, run_timed
from otpnode.errors import MessageTooLargeError, OtpnodeError, SystemLimitError, UnserializableError
from otpnode.pid import Pid
from otpnode.reasons import KILL, KILLED

REPORT_SECONDS = 0.004
"""Values wait no longer than this for others to be reported with, while there is more to do."""
LATE = "late"
LOOK_SECONDS = 1.0
LOOK = "look"


async def lead(coordinator: Pid, plan: Plan, slots: int) -> NoReturn:
    """Be the foreman of one shard; importable by name. Ends when the coordinator says so, or ends."""
    await Shift(coordinator, plan, slots).work()


class Chunk(Struct):
    """Items for one process: those of `items` from `done` on have no value yet."""

    first: int
    items: list[object]
    done: int = 0
    watched: bool = False


class Shift:
    """The work of one foreman."""

    def __init__(self, coordinator: Pid, plan: Plan, slots: int) -> None:
        self._coordinator = coordinator
        self._plan = plan
        self._slots = slots
        self._light = plan.timeout is None and not iscoroutinefunction(plan.func)
        self._me = cast(Pid, process.self())
        self._todo: deque[Chunk] = deque()
        self._running: dict[Pid, Chunk] = {}
        self._parts: list[Part] = []
        self._last_first = -1
        self._coarse = True
        self._size = 1
        self._unreported = 0
        self._reported = 0.0
        self._is_reminded = False
        self._reports = 0
        self._kept: deque[tuple[int, Sequence[Part]]] = deque()
        """The reports of which nobody knows yet whether they could be read, by their numbers."""
        self._copied = False
        self._away = process.shard_of(coordinator) != process.shard_of(self._me)

    async def work(self) -> NoReturn:
        """Take messages until told to end."""
        if self._light:
            process.send_after(LOOK_SECONDS, self._me, (LOOK,))
        await self._probe()
        while True:
            message = cast("tuple[Any, ...]", await process.receive())
            word = message[0]
            if word == VALUES:
                self._valued(*message[1:])
                if self._light and message[1] in self._running:
                    await self._watch(message[1])
            elif word == PASSED:
                self._passed(message[1], message[2])
            elif word == WORK:
                self._given(message[1], message[2])
            elif word == SENT:
                await self._announced(message[1], message[2])
            elif word == AGAIN:
                await self._send_again(message[1])
            elif word == "DOWN":
                self._ended(message[3], message[4])
            elif word == LOOK:
                await self._look()
            elif word == LATE:
                self._is_reminded = False
            elif word == "EXIT":
                if is_stop_order(message, self._coordinator):
                    await self._stop()
                self._ended(message[1], message[2])
            if self._todo and len(self._running) < self._slots:
                await self._start()
            if self._parts and (word == LATE or self._is_due()):
                await self._report()
            elif self._parts and not self._is_reminded:
                # What runs now may run for long, and nothing else would come that made this look again.
                self._is_reminded = True
                process.send_after(REPORT_SECONDS, self._me, (LATE,))

    async def _probe(self) -> None:
        """Find out whether messages are copied inside this shard."""
        sent: list[object] = []
        await process.send(self._me, (PROBE, sent))
        came: Any = await process.receive(match=lambda message: cast("tuple[Any, ...]", message)[0] == PROBE)
        self._copied = came[1] is not sent

    # -- work comes -----------------------------------------------------------

    def _given(self, first: int, items: list[object]) -> None:
        self._last_first = first
        self._size = len(items)
        if self._plan.single:
            self._coarse = len(items) == 1
            self._todo.extend(Chunk(first + offset, [item]) for offset, item in enumerate(items))
        else:
            self._todo.append(Chunk(first, items))

    async def _announced(self, first: int, reports: int) -> None:
        while self._kept and self._kept[0][0] <= reports:
            self._kept.popleft()
        if first != self._last_first:
            await process.send(self._coordinator, (LOST, self._me, first))

    # -- runners --------------------------------------------------------------

    async def _start(self) -> None:
        started = False
        while self._todo and len(self._running) < self._slots:
            chunk = self._todo.popleft()
            try:
                pid = await self._spawn(chunk.items[chunk.done :] if chunk.done else chunk.items)
            except SystemLimitError as error:
                self._parts.append((chunk.first, [Failure(error)] * len(chunk.items), True, 0.0))
            else:
                self._running[pid] = chunk
                started = True
        if started and self._coarse and self._away:
            # Before they run: one that holds this shard can be ended only by somebody who knows its pid.
            await self._report()

    async def _spawn(self, items: list[object]) -> Pid:
        plan = self._plan
        if self._light:
            return await process.spawn(run_chunk, (self._me, plan.func, items, self._copied), on="local")
        if plan.timeout is None:
            return await process.spawn_link(run_chunk, (self._me, plan.func, items, self._copied), on="local")
        return await process.spawn_link(run_timed, (self._me, plan.func, items, self._copied, plan.timeout), on="local")

    def _valued(self, pid: Pid, values: list[object], failed: bool, seconds: float) -> None:
        chunk = self._running.get(pid)
        if chunk is None or not values:
            return
        first = chunk.first + chunk.done
        chunk.done += len(values)
        self._unreported += len(values)
        if chunk.done == len(chunk.items):
            del self._running[pid]
        if self._parts:
            before, earlier, failed_before, seconds_before = self._parts[-1]
            if before + len(earlier) == first:
                earlier += values
                self._parts[-1] = (before, earlier, failed or failed_before, seconds + seconds_before)
                return
        self._parts.append((first, values, failed, seconds))

    def _passed(self, pid: Pid, left: int) -> None:
        chunk = self._running.get(pid)
        if chunk is not None and len(chunk.items) - chunk.done > left:
            reason = ("undecodable", "the result could not be rebuilt, as messages are copied here")
            self._valued(pid, [Failure(reason)], True, 0.0)

    def _ended(self, pid: Pid, reason: object) -> None:
        chunk = self._running.get(pid)
        if chunk is None:
            return
        # The one that ran; what is behind it has not started and gets a process of its own.
        timed_out = self._plan.timeout is not None and type(reason) is str and reason == KILLED
        self._valued(pid, [Failure("timeout" if timed_out else sendable(reason))], True, 0.0)
        if self._running.pop(pid, None) is not None:
            chunk.watched = False
            self._todo.appendleft(chunk)

    async def _look(self) -> None:
        for pid in list(self._running):
            await self._watch(pid)
        process.send_after(LOOK_SECONDS, self._me, (LOOK,))

    async def _watch(self, pid: Pid) -> None:
        if not self._running[pid].watched:
            self._running[pid].watched = True
            await process.monitor(pid)

    async def _stop(self) -> NoReturn:
        left = set(self._running)
        for pid in left:
            await process.monitor(pid)
            await process.exit(pid, KILL)
        while left:
            message = cast("tuple[Any, ...]", await process.receive())
            if message[0] == "DOWN":
                left.discard(message[3])
        raise process.ProcessExit("shutdown")

    # -- reporting ------------------------------------------------------------

    def _is_due(self) -> bool:
        # A batch's worth at the latest: the next one should be here before this shard runs out of work.
        return self._coarse or self._unreported >= self._size or not self._running or self._is_late()

    def _is_late(self) -> bool:
        return perf_counter() - self._reported > REPORT_SECONDS

    async def _report(self) -> None:
        parts, self._parts = self._parts, []
        self._unreported = 0
        await self._send(parts)
        self._reported = perf_counter()
        if parts and self._away and not self._running and not self._todo:
            await process.send(self._coordinator, (IDLE, self._me, self._reports))

    async def _send(self, parts: Sequence[Part]) -> None:
        number = self._reports + 1 if parts and self._away else self._reports
        try:
            await process.send(self._coordinator, (REPORT, self._me, number, list(parts), list(self._running)))
        except (UnserializableError, MessageTooLargeError) as error:
            await self._send_apart(parts, error)
            return
        if number > self._reports:
            self._reports = number
            self._kept.append((number, parts))

    async def _send_apart(self, parts: Sequence[Part], error: OtpnodeError) -> None:
        """Some value cannot travel: its item has failed, the others have not."""
        if len(parts) == 1 and len(parts[0][1]) == 1:
            await self._send([(parts[0][0], [Failure(error)], True, 0.0)])
            return
        for first, values, failed, seconds in parts:
            for offset, value in enumerate(values):
                await self._send([(first + offset, [value], failed, seconds / len(values))])

    async def _send_again(self, number: int) -> None:
        """Some value of a report could not be rebuilt: let the others come alone."""
        for kept, parts in self._kept:
            for first, values, failed, _ in parts if kept == number else ():
                for offset, value in enumerate(values):
                    part = (first + offset, [value], failed, 0.0)
                    await process.send(self._coordinator, (REPORT, self._me, 0, [part], list(self._running)))
                await process.send(self._coordinator, (GONE, self._me, first, len(values)))
