"""The coordinator of `Task.map`: hands batches to foremen, collects, and answers its caller.

It lives beside its caller, watches it, and is linked to nobody above: what ends it ends
everything below, and nothing above.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, NoReturn, cast

from otpnode import process
from otpnode.behaviours.common.control import Sender
from otpnode.behaviours.common.crash import warn
from otpnode.behaviours.common.wire import CALL, is_stop_order, reply
from otpnode.behaviours.tasks.body import Failure
from otpnode.behaviours.tasks.foreman import lead
from otpnode.behaviours.tasks.pace import Pace
from otpnode.behaviours.tasks.plan import (
    AGAIN,
    END,
    GONE,
    HIRED,
    IDLE,
    ITEMS,
    LOST,
    REPORT,
    SENT,
    WORK,
    Batch,
    Foreman,
    Order,
    Part,
    Results,
)
from otpnode.behaviours.tasks.window import Window
from otpnode.errors import MessageTooLargeError, ProcessNotFoundError, UnserializableError
from otpnode.pid import Pid
from otpnode.reasons import KILL, SHUTDOWN

log = logging.getLogger("otpnode.task")

PATIENCE = "patience"
PATIENCE_SECONDS = 0.1
"""How long the caller's shard gets no work while foremen elsewhere are still to come."""
NO_RESULTS = Results([], 0, False)


async def coordinate(caller: Pid | None, order: Order) -> NoReturn:
    """Be the coordinator, until the caller says so or ends."""
    await Coordinator(caller, order).work()


class Coordinator:
    """One map at work."""

    def __init__(self, caller: Pid | None, order: Order) -> None:
        self._caller = caller
        self._order = order
        self._me = cast(Pid, process.self())
        self._here = process.shard_of(self._me)
        self._crew: dict[Pid, Foreman] = {}
        self._hiring: dict[int, asyncio.Task[None]] = {}
        self._stillborn: set[Pid] = set()
        self._backlog: deque[tuple[int, list[object]]] = deque()
        self._homebound: deque[tuple[int, list[object]]] = deque()
        """What cannot travel, and waits for the foreman of this shard."""
        self._waiting = 0
        self._asker: Sender | None = None
        self._window = Window(order.ordered)
        self._seats = self._choose_seats()
        self._pace = Pace(order.chunk, order.length, len(self._seats))
        self._stays = False
        self._is_patient = True
        self._holds = not iscoroutinefunction(order.plan.func)

    def _choose_seats(self) -> dict[int, int]:
        """Return shard → slots; where not all are needed the caller's own is left alone."""
        on, total = self._order.on, process.schedulers()
        if on == "spread":
            shards = [*(shard for shard in range(total) if shard != self._here), self._here]
        else:
            shards = [self._here if on == "local" or total == 1 else int(on)]
        used = shards[: self._order.limit]
        share, more = divmod(self._order.limit, len(used))
        return {shard: share + (place < more) for place, shard in enumerate(used)}

    async def work(self) -> NoReturn:
        """Take messages until the caller is gone or closes the map."""
        if self._caller is not None:
            await process.monitor(self._caller)
        await process.subscribe_shards()
        for shard in self._seats:
            await self._hire(shard)
        process.send_after(PATIENCE_SECONDS, self._me, (PATIENCE,))
        does: dict[object, Callable[..., Any]] = {
            CALL: self._asked,
            ITEMS: self._pulled,
            END: self._ended,
            REPORT: self._reported,
            IDLE: self._ask_again,
            LOST: self._lost,
            GONE: self._gone,
            HIRED: self._hired,
            "EXIT": self._exit,
            "DOWN": self._stop,
            "shard_up": self._shard_up,
            PATIENCE: self._lose_patience,
        }
        while True:
            message = cast("tuple[Any, ...]", await process.receive())
            action = does.get(message[0])
            if action is not None:
                made = action(*message[1:])
                if made is not None:
                    await made
                await self._hand_out()
                self._answer()

    # -- the caller -----------------------------------------------------------

    def _asked(self, sender: Sender, request: tuple[str, int], chain: object) -> None:
        self._reckon(request[1])
        self._asker = sender
        self._window.taken()

    def _ended(self, count: int) -> None:
        self._reckon(count)
        self._window.ended()

    def _reckon(self, count: int) -> None:
        """See that `count` items have come: where messages are copied, those of one may be lost at once."""
        lost = count - self._window.pulled
        if lost > 0:
            reason = ("undecodable", "an item that was pulled together with this one could not be rebuilt")
            self._window.done((self._window.pull(lost), [Failure(reason)] * lost, True, 0.0))

    def _pulled(self, first: int, items: list[object]) -> None:
        self._reckon(first)
        self._backlog.append((self._window.pull(len(items)), items))
        self._waiting += len(items)

    def _answer(self) -> None:
        if self._asker is None or not (self._crew or self._window.is_over):
            return
        room = self._window.grant(2 * sum(self._pace.capacity(foreman.slots) for foreman in self._crew.values()))
        over = self._window.is_over
        if self._window.ready or room or over:
            reply(self._asker, Results(self._window.leave(), room, over))
            self._asker = None

    # -- the crew -------------------------------------------------------------

    async def _hire(self, shard: int) -> None:
        """Start a foreman; in a child task, because another shard may be busy for long."""
        if shard not in self._hiring and all(foreman.shard != shard for foreman in self._crew.values()):
            self._hiring[shard] = asyncio.create_task(self._hire_one(shard))

    async def _hire_one(self, shard: int) -> None:
        came: object
        try:
            came = await process.spawn_link(
                lead,
                (self._me, self._order.plan, self._slots(shard)),
                on=shard,
                mailbox_limit=None,
                trap_exits=True,
                label="Task.map foreman",
            )
        except Exception as error:
            came = error
        process.send_nowait(self._me, (HIRED, shard, came))

    def _slots(self, shard: int) -> int:
        return self._order.limit if self._stays else self._seats.get(shard, 1)

    async def _hired(self, shard: int, came: object) -> None:
        del self._hiring[shard]
        if isinstance(came, str) and came not in self._stillborn:
            self._crew[Pid(came)] = Foreman(Pid(came), shard, self._slots(shard), {}, 0, [])
            return
        if shard == self._here:
            for first, items in self._homebound:
                self._window.done((first, [Failure(came)] * len(items), True, 0.0))
            self._homebound.clear()
        if isinstance(came, UnserializableError) and not self._stays:
            warn(log, f"Task.map runs on shard {self._here} alone: {came}")
            self._stays = True
        if not self._crew and not self._hiring:
            await self._hire(self._here)

    async def _shard_up(self, shard: int, incarnation: int) -> None:
        if shard in self._seats and not self._stays:
            await self._hire(shard)

    async def _exit(self, pid: Pid, reason: object) -> None:
        foreman = self._crew.pop(pid, None)
        if foreman is None and is_stop_order(("EXIT", pid, reason), self._caller):
            await self._stop()
        if foreman is None:
            self._stillborn.add(pid)
            return
        for batch in foreman.held.values():
            for number in batch.left():
                self._window.done((number, [Failure(reason)], True, 0.0))
        if self._homebound or (not self._crew and not self._hiring):
            await self._hire(self._here)

    # -- batches --------------------------------------------------------------

    async def _hand_out(self) -> None:
        """Give every foreman its share, the emptiest first."""
        if not await self._hand_home():
            return
        while self._waiting:
            free = [one for one in self._crew.values() if one.reachable and self._has_room(one)]
            if not free or not self._pace.is_enough(self._waiting, self._window.has_ended):
                return
            await self._hand_to(min(free, key=lambda one: len(one.held) / one.slots), *self._take(self._pace.size))

    def _has_room(self, foreman: Foreman) -> bool:
        if foreman.shard != self._here:
            return len(foreman.held) < self._pace.depth(foreman.slots, away=True)
        if self._is_borrowed:
            return False
        # What runs here holds up this process: the others get theirs first, unless they take too long to come, and
        # of long items there is never a second one in the queue that would run before their reports are read.
        if self._hiring and self._is_patient:
            return False
        alone = self._holds and len(self._seats) > 1 and not self._stays and self._pace.size == 1
        return len(foreman.held) < (1 if alone else self._pace.depth(foreman.slots))

    def _lose_patience(self) -> None:
        self._is_patient = False

    async def _hand_to(self, foreman: Foreman, first: int, items: list[object]) -> None:
        try:
            await process.send(foreman.pid, (WORK, first, items))
        except ProcessNotFoundError:
            foreman.reachable = False
            self._put_back(first, items)
            return
        except (UnserializableError, MessageTooLargeError) as error:
            await self._hand_apart(foreman, first, items, error)
            return
        # From here on they may have started: only if they could not even be read are they handed out again.
        away = foreman.shard != self._here
        foreman.held[first] = Batch(first, len(items), items if away else [])
        if away:
            await self._tell(foreman, (SENT, first, foreman.reports))

    async def _tell(self, foreman: Foreman, message: object) -> None:
        try:
            await process.send(foreman.pid, message)
        except ProcessNotFoundError:
            foreman.reachable = False

    async def _hand_apart(self, foreman: Foreman, first: int, items: list[object], error: Exception) -> None:
        """Some item cannot travel: it stays beside its caller, as a spawn would (C9), if it may; the others go."""
        if len(items) > 1:
            for offset, item in enumerate(items):
                await self._hand_to(foreman, first + offset, [item])
        elif self._order.on == "spread" and foreman.shard != self._here:
            self._homebound.append((first, items))
            await self._hire(self._here)
        else:
            self._window.done((first, [Failure(error)], True, 0.0))

    async def _hand_home(self) -> bool:
        """Hand out what has to stay here; False while everything else has to wait for that."""
        if not self._homebound and not self._is_borrowed:
            return True
        mine = next((one for one in self._crew.values() if one.shard == self._here), None)
        others = any(one.held for one in self._crew.values() if one is not mine)
        if mine is not None and not (others and self._is_borrowed):
            while self._homebound:
                await self._hand_to(mine, *self._homebound.popleft())
        return not self._is_borrowed or not (self._homebound or (mine is not None and mine.held))

    @property
    def _is_borrowed(self) -> bool:
        """Whether what runs here does so while the others rest: this shard has no place among them that are there."""
        if self._here in self._seats or self._stays or self._order.on != "spread":
            return False
        shards = [*self._hiring, *(foreman.shard for foreman in self._crew.values())]
        return any(shard != self._here for shard in shards)

    def _take(self, count: int) -> tuple[int, list[object]]:
        """Take up to `count` adjacent items out of the backlog."""
        first, items = self._backlog.popleft()
        while len(items) < count and self._backlog and self._backlog[0][0] == first + len(items):
            items += self._backlog.popleft()[1]
        if len(items) > count:
            self._backlog.appendleft((first + count, items[count:]))
            items = items[:count]
        self._waiting -= len(items)
        return first, items

    def _put_back(self, first: int, items: list[object]) -> None:
        self._backlog.appendleft((first, items))
        self._waiting += len(items)

    async def _reported(self, pid: Pid, number: int, parts: list[Part], runners: list[Pid]) -> None:
        foreman = self._crew.get(pid)
        if foreman is None:
            return
        foreman.runners = runners
        for part in parts:
            first, values, _, seconds = part
            self._pace.learn(seconds, len(values))
            self._window.done(part)
            _strike_off(foreman.held, first, len(values))
        if number:
            await self._ask_again(pid, number - 1 if parts else number)
            foreman.reports = number

    # -- what could not be read -----------------------------------------------

    async def _ask_again(self, pid: Pid, number: int) -> None:
        """Ask for the values of the reports up to `number` that have not come."""
        foreman = self._crew.get(pid)
        if foreman is not None:
            for lost in range(foreman.reports + 1, number + 1):
                await self._tell(foreman, (AGAIN, lost))
            foreman.reports = max(foreman.reports, number)

    async def _lost(self, pid: Pid, first: int) -> None:
        """Send the items of a batch one by one, so that the one that cannot be rebuilt there fails alone."""
        foreman = self._crew.get(pid)
        if foreman is None:
            return
        items = foreman.held.pop(first).items
        if len(items) == 1:
            reason = ("undecodable", "the item could not be rebuilt on its shard")
            self._window.done((first, [Failure(reason)], True, 0.0))
        else:
            for offset, item in enumerate(items):
                await self._hand_to(foreman, first + offset, [item])

    def _gone(self, pid: Pid, first: int, count: int) -> None:
        """Of what was sent again some value has not come."""
        foreman = self._crew.get(pid)
        held = foreman.held if foreman is not None else {}
        reason = ("undecodable", "the result could not be rebuilt on the caller's shard")
        for number in [number for batch in held.values() for number in batch.left()]:
            if first <= number < first + count:
                self._window.done((number, [Failure(reason)], True, 0.0))
                _strike_off(held, number, 1)

    # -- the end --------------------------------------------------------------

    async def _stop(self, *_: object) -> NoReturn:
        """End everything below, and see it ended; who waits for results is not kept waiting for that."""
        if self._asker is not None:
            reply(self._asker, NO_RESULTS)
        for hire in self._hiring.values():
            hire.cancel()
        for foreman in self._crew.values():
            for runner in foreman.runners:
                await process.exit(runner, KILL)
            await process.exit(foreman.pid, SHUTDOWN)
        while self._crew:
            message = cast("tuple[Any, ...]", await process.receive())
            if message[0] == "EXIT":
                self._crew.pop(message[1], None)
            elif message[0] == CALL:
                reply(message[1], NO_RESULTS)
        raise process.ProcessExit(SHUTDOWN)


def _strike_off(held: dict[int, Batch], first: int, count: int) -> None:
    """Note values of adjacent items, which may be of several batches."""
    batch = held.get(first)
    if batch is not None and batch.size == count:
        del held[first]
        return
    for batch in list(held.values()):
        begin, end = max(first, batch.first), min(first + count, batch.first + batch.size)
        if begin < end and batch.done(begin, end - begin):
            del held[batch.first]
