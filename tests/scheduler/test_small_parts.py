"""Restart limit, words for an ending, recorded signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from otpnode.scheduler.os_signals import SignalInbox, block_all, unblock
from otpnode.scheduler.restarts import RestartLimit, ending


class TestRestartLimit:
    def test_one_more_than_the_most_is_too_many(self) -> None:
        limit = RestartLimit(5, 30)
        assert [limit.exceeded_by(now) for now in range(6)] == [False] * 5 + [True]

    def test_deaths_grow_old(self) -> None:
        limit = RestartLimit(1, 30)
        assert [limit.exceeded_by(now) for now in (0, 30.1, 60.2, 60.3)] == [False, False, False, True]

    def test_none_may_be_borne(self) -> None:
        assert RestartLimit(0, 30).exceeded_by(0)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_endings_in_words(status: int, words: str) -> None:
    assert ending(status) == words


class TestSignalInbox:
    @pytest.fixture
    def inbox(self) -> Iterator[SignalInbox]:
        former = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
        inbox = SignalInbox({signal.SIGUSR1}, ignored={signal.SIGUSR2})
        inbox.open()
        yield inbox
        inbox.close()
        for number, handler in former.items():
            signal.signal(number, handler)

    def test_signals_are_recorded_in_order_and_taken_once(self, inbox: SignalInbox) -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert inbox.take() == [signal.SIGUSR1] * 3
        assert inbox.take() == []

    def test_what_is_held_back_comes_later(self, inbox: SignalInbox) -> None:
        mask = block_all()
        # To this thread: another one of the test run, which holds nothing back, would take what is for the process.
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        assert inbox.take() == []
        unblock(mask)
        assert inbox.take() == [signal.SIGUSR1]
        assert mask == block_all() - set(signal.valid_signals()) or not mask
        unblock(mask)
