"""Credits between shards, every interleaving, on the project's own two accounts (MB-02, MB-07, MB-08).

Two shards send to one mailbox. At any moment a sender may ask to send, a circle may be broken in its favour, a frame
may arrive, the owner may take a message or park. What is given and what is held must always agree, the bound must
hold, and nobody may wait for an owner that waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import pytest

from otpnode.transport.credit import LAST_WINDOW, Account, Room, first_window


class Admitted:
    """Stands in for the future of a send that waits."""

    def __init__(self) -> None:
        self.granted: bool | None = None

    def done(self) -> bool:
        return self.granted is not None

    def set_result(self, granted: bool) -> None:
        self.granted = granted


class Sender(NamedTuple):
    """One sending shard: its account, what it still wants, and the two streams."""

    credits: int
    waiting: int
    left: int
    breaks: int
    there: int = 0
    back: tuple[int, ...] = ()


class State(NamedTuple):
    """Everything."""

    senders: tuple[Sender, ...]
    pairs: tuple[tuple[int, int], ...]
    """``(window, outstanding)`` for each shard; ``(0, 0)`` for one that has not been heard of."""
    users: int = 0
    parked: bool = False


class Model:
    """The transitions for a mailbox of `limit`."""

    def __init__(self, limit: int, messages: int, breaks: int) -> None:
        self._limit = limit
        self._overgranted = False
        self._first = State(tuple(Sender(first_window(limit), 0, messages, breaks) for _ in range(2)), ((0, 0), (0, 0)))

    def explore(self) -> tuple[int, set[str]]:
        """Visit every state; return how many there are and what is wrong in any."""
        seen, ahead, wrong = {self._first}, deque([self._first]), set[str]()
        while ahead:
            state = ahead.popleft()
            wrong.update(self._wrong(state))
            for after in self._after(state):
                if after not in seen:
                    seen.add(after)
                    ahead.append(after)
        if self._overgranted:
            wrong.add("several messages are let in that have no room")
        return len(seen), wrong

    def _wrong(self, state: State) -> Iterator[str]:
        broken = sum(self._first.senders[0].breaks - sender.breaks for sender in state.senders)
        if state.users > self._limit + 2 * LAST_WINDOW + broken:
            yield "the bound is broken"
        for sender, (window, outstanding) in zip(state.senders, state.pairs, strict=True):
            given = outstanding if window else first_window(self._limit)
            if sender.credits + sender.there + sum(sender.back) != given:
                yield "the two sides disagree"
            if sender.waiting and sender.credits > 0:
                yield "a message waits though there is a credit"
            if sender.waiting and state.parked and not sender.there and not sender.back and not window:
                yield "a sender waits that never sent"
        moving = any(sender.there or sender.back for sender in state.senders)
        if state.parked and not moving and any(sender.waiting for sender in state.senders):
            yield "a sender waits for an owner that waits"

    # -- transitions ----------------------------------------------------------

    def _after(self, state: State) -> Iterator[State]:
        for who, sender in enumerate(state.senders):
            if sender.left and not sender.waiting:
                yield self._sends(state, who)
            if sender.waiting and sender.breaks:
                yield self._at_sender(state, who, "overcommit")
            if sender.back:
                yield self._at_sender(state, who, "credit")
            if sender.there:
                yield self._at_owner(state, "arrives", who)
        if state.users:
            yield self._at_owner(state, "takes")
        if not state.parked:
            yield self._at_owner(state, "parks")

    def _sends(self, state: State, who: int) -> State:
        sender = state.senders[who]
        account = Account(sender.credits)
        if account.take():
            after = sender._replace(credits=account.credits, left=sender.left - 1, there=sender.there + 1)
        else:
            after = sender._replace(left=sender.left - 1, waiting=1)
        return self._with(state, who, after)

    def _at_sender(self, state: State, who: int, what: str) -> State:
        sender = state.senders[who]
        account = Account(sender.credits)
        admitted = Admitted()
        if sender.waiting:
            account.waiting.append(cast("asyncio.Future[bool]", admitted))
        if what == "overcommit":
            account.overcommit(account.waiting[0])
            sender = sender._replace(breaks=sender.breaks - 1)
        else:
            account.granted(sender.back[0])
            sender = sender._replace(back=sender.back[1:])
        after = sender._replace(
            credits=account.credits, waiting=len(account.waiting), there=sender.there + bool(admitted.granted)
        )
        return self._with(state, who, after)

    def _at_owner(self, state: State, what: str, who: int = 0) -> State:
        grants: list[tuple[int, int]] = []

        def grant(shard: int, n: int) -> None:
            grants.append((shard, n))
            # Of an empty mailbox the whole window is given; one that is not has room for so many, or for one more.
            promised = sum(pair.outstanding for pair in room._pairs.values())
            if users and users + promised > self._limit and room._pairs[shard].outstanding > 1:
                self._overgranted = True

        users, parked, senders = 0, state.parked, list(state.senders)
        room = Room(self._limit, grant)
        for shard, (window, outstanding) in enumerate(state.pairs):
            if window:
                room.arrived(shard, self._limit + 1)
                room._pairs[shard].window, room._pairs[shard].outstanding = window, outstanding
        grants.clear()
        users = state.users
        if what == "arrives":
            users, parked = users + 1, False
            senders[who] = senders[who]._replace(there=senders[who].there - 1)
            room.arrived(who, users)
        elif what == "takes":
            users, parked = users - 1, False
            room.on_room(users, self._limit)
        else:
            parked = True
            room.on_park(users, self._limit)
        for shard, n in grants:
            senders[shard] = senders[shard]._replace(back=(*senders[shard].back, n))
        pairs = tuple(
            (room._pairs[shard].window, room._pairs[shard].outstanding) if shard in room._pairs else (0, 0)
            for shard in range(2)
        )
        return State(tuple(senders), pairs, users, parked)

    @staticmethod
    def _with(state: State, who: int, sender: Sender) -> State:
        senders = list(state.senders)
        senders[who] = sender
        return state._replace(senders=tuple(senders))


@pytest.mark.parametrize(("limit", "messages", "breaks"), [(1, 4, 0), (2, 4, 0), (3, 5, 0), (1, 3, 2), (2, 3, 2)])
def test_mb02_every_interleaving_of_credits(limit: int, messages: int, breaks: int) -> None:
    states, wrong = Model(limit, messages, breaks).explore()
    assert not wrong
    assert states > 300


def test_the_model_sees_a_grant_that_is_eaten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parked owner that grants one to an account below zero keeps its sender waiting for ever."""

    def grant_one(self: Room, shard: int, pair: Any) -> None:
        pair.outstanding = 1
        self._grant(shard, 1)

    monkeypatch.setattr(Room, "_grant_one", grant_one)
    assert "a sender waits for an owner that waits" in Model(1, 3, 1).explore()[1]
