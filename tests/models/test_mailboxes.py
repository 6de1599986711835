"""The release rules of full mailboxes, every interleaving of random tiny programs, on the project's own code.

A program that cannot get stuck with unbounded mailboxes must not get stuck with mailboxes of one message. Who may send
is asked of `Mailbox.full` and `closes_a_circle`, who is promised a slot when an owner has scanned everything of
`park`, who when one comes free of `take_at`; a promise is taken up, by `enter`, in a step of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Literal, NamedTuple, cast

import pytest

from otpnode.process.blocking import closes_a_circle
from otpnode.process.mailbox import PARKED, Mailbox
from otpnode.process.proc import Proc
from otpnode.process.shard import Shard

LIMIT = 1
MOST_STATES = 6000
Op = tuple[Literal["send"], int, str] | tuple[Literal["take"], str | None]
Programs = tuple[tuple[Op, ...], ...]


class One(NamedTuple):
    """One process: where it is in its program, what is queued, who is blocked at it in which order."""

    at: int = 0
    queue: tuple[str, ...] = ()
    blocked: tuple[tuple[int, str], ...] = ()
    waits_in_send: bool = False
    parked: bool = False


State = tuple[One, ...]


class Rules:
    """Which rules hold: all of them, or all but one, to see that each is needed."""

    def __init__(self, *, itself: bool = True, parked: bool = True, circles: bool = True, bounded: bool = True) -> None:
        self.itself = itself
        self.parked = parked
        self.circles = circles
        self.limit = LIMIT if bounded else 1 << 30


class Admitted:
    """Stands in for the future of a blocked send."""

    def __init__(self, who: int, tag: str) -> None:
        self.who = who
        self.tag = tag
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, _: None) -> None:
        self._done = True


class World:
    """A state, unfolded into real mailboxes and a shard that knows who waits for whom."""

    def __init__(self, programs: Programs, state: State, rules: Rules) -> None:
        self._programs = programs
        self._rules = rules
        self.ones = list(state)
        self.procs = [
            SimpleNamespace(
                pid=str(who), deaf=self.over(who), bay=SimpleNamespace(driven=False), wake=lambda: None, blocks=None
            )
            for who in range(len(state))
        ]
        self.boxes = [self._box(who, one) for who, one in enumerate(state)]
        for who, one in enumerate(state):
            if one.waits_in_send:
                self.procs[who].blocks = [SimpleNamespace(to=str(programs[who][one.at][1]))]
        live = {proc.pid: proc for who, proc in enumerate(self.procs) if not self.over(who)}
        self.shard = cast(
            Shard,
            SimpleNamespace(router=SimpleNamespace(elsewhere=lambda _: None), table=SimpleNamespace(live=live)),
        )

    def over(self, who: int) -> bool:
        """Whether a process has ended."""
        return self.ones[who].at >= len(self._programs[who])

    def _box(self, who: int, one: One) -> Mailbox:
        box = Mailbox(cast(Proc, self.procs[who]), self._rules.limit)
        box.queue = deque(one.queue)
        box.blocked = deque(cast("asyncio.Future[None]", Admitted(sender, tag)) for sender, tag in one.blocked)
        box.limit -= sum(self._is_promised(sender, who) for sender in range(len(self.ones)))
        box.care = True
        if one.parked:
            box.set_state(PARKED)
        return box

    def step(self, who: int) -> State | None:
        """Let one process take its next step; None when it cannot."""
        one = self.ones[who]
        if self.over(who) or (one.parked and self.boxes[who].parked):
            return None
        op = self._programs[who][one.at]
        if one.waits_in_send:
            if not self._is_promised(who, self._target(who)):
                return None
            self.boxes[self._target(who)].enter(op[-1])
            self._next(who)
        elif op[0] == "send":
            self._send(who, op[1], op[2])
        else:
            self._take(who, op[1])
        return self._folded()

    def _next(self, who: int) -> None:
        self.ones[who] = self.ones[who]._replace(at=self.ones[who].at + 1, waits_in_send=False, parked=False)
        if self.over(who):
            self.procs[who].deaf = True
            self.boxes[who].close()

    def _send(self, who: int, to: int, tag: str) -> None:
        box, rules = self.boxes[to], self._rules
        full = box.full if rules.parked else box.users >= box.limit
        if self.over(to):
            self._next(who)
        elif not full or (rules.itself and to == who) or self._closes_a_circle(who, to):
            box.put(tag)
            self._next(who)
        else:
            assert box.blocked is not None
            box.blocked.append(cast("asyncio.Future[None]", Admitted(who, tag)))
            self.ones[who] = self.ones[who]._replace(waits_in_send=True)

    def _closes_a_circle(self, who: int, to: int) -> bool:
        if not self._rules.circles or to == who:
            return False
        return closes_a_circle(self.shard, cast(Proc, self.procs[who]), str(to))

    def _take(self, who: int, wanted: str | None) -> None:
        box = self.boxes[who]
        box.unpark()
        found = next((at for at, tag in enumerate(box.queue) if wanted in (None, tag)), None)
        if found is not None:
            box.take_at(found)
            self._next(who)
            return
        if self._rules.parked:
            box.park(None)
        else:
            box.set_state(PARKED)
        self.ones[who] = self.ones[who]._replace(parked=True)

    def _folded(self) -> State:
        return tuple(
            one._replace(
                queue=tuple(cast("deque[str]", box.queue)),
                blocked=tuple(self._waiting(who)),
                parked=box.parked,
            )
            for who, (one, box) in enumerate(zip(self.ones, self.boxes, strict=True))
        )

    def _target(self, who: int) -> int:
        op = self._programs[who][self.ones[who].at]
        assert op[0] == "send"
        return op[1]

    def _is_promised(self, sender: int, to: int) -> bool:
        """Whether `sender`, in this state, has been promised a slot at `to`, or is let go because `to` is over."""
        if self.over(sender) or not self.ones[sender].waits_in_send or self._target(sender) != to:
            return False
        return all(sender != who for who, _ in self.ones[to].blocked)

    def _waiting(self, who: int) -> list[tuple[int, str]]:
        blocked = [cast(Admitted, each) for each in self.boxes[who].blocked or ()]
        return [(each.who, each.tag) for each in blocked if not each.done()]


def stuck(programs: Programs, rules: Rules) -> bool | None:
    """Tell whether any interleaving leaves a live process without a step; None when there are too many."""
    first: State = tuple(One() for _ in programs)
    seen, ahead = {first}, [first]
    while ahead:
        state = ahead.pop()
        moved = False
        for who in range(len(programs)):
            after = World(programs, state, rules).step(who)
            if after is None:
                continue
            moved = True
            if after not in seen:
                seen.add(after)
                ahead.append(after)
                if len(seen) > MOST_STATES:
                    return None
        if not moved and any(one.at < len(program) for one, program in zip(state, programs, strict=True)):
            return True
    return False


def tiny_programs(seed: int, count: int) -> Iterator[Programs]:
    """Yield random programs that never get stuck with unbounded mailboxes."""
    rng = random.Random(seed)
    while count:
        size = rng.choice((2, 2, 3))
        programs: Programs = tuple(
            tuple(
                ("send", rng.randrange(size), rng.choice("xy")) if rng.random() < 0.55
                else ("take", rng.choice((None, "x", "y")))
                for _ in range(rng.randint(1, 4))
            )
            for _ in range(size)
        )  # fmt: skip
        if stuck(programs, Rules(bounded=False)) is False:
            count -= 1
            yield programs


def test_full_mailboxes_get_nobody_stuck() -> None:
    bad = [programs for programs in tiny_programs(7, 1500) if stuck(programs, Rules())]
    assert not bad, bad[:3]


@pytest.mark.parametrize("without", ["itself", "parked", "circles"])
def test_each_rule_is_needed(without: str) -> None:
    rules = Rules(itself=without != "itself", parked=without != "parked", circles=without != "circles")
    assert any(stuck(programs, rules) for programs in tiny_programs(7, 400))
