"""A flood to a process that never receives stops its senders at the documented bound, with memory flat."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


@pytest.mark.parametrize(("limit", "bound"), [("default", "100"), ("250", "250"), ("7", "7")])
def test_a_flood_to_another_shard_stops_at_the_limit_of_the_mailbox(launch: Launch, limit: str, bound: str) -> None:
    seconds = "3" if limit == "default" else "1"
    launch(start("flow:bound", args=(limit, bound, seconds))).passes()


def test_a_flood_within_a_shard_stops_at_the_same_bound(launch: Launch) -> None:
    launch(start("flow:bound", args=("250", "250", "0.5", "0", "0"))).passes()


@pytest.mark.slow
def test_memory_of_both_shards_is_flat_for_ten_seconds_of_a_flood(launch: Launch) -> None:
    launch(start("flow:bound", args=("default", "100", "10"))).passes()


def test_send_nowait_says_false_at_the_bound(launch: Launch) -> None:
    launch(start("flow:nowait")).passes()


def test_two_shards_that_send_stay_within_the_bound_for_several_senders(launch: Launch) -> None:
    launch(start("flow:two_senders", schedulers=3)).passes()


def test_the_message_a_full_mailbox_waits_for_gets_in_from_another_shard(launch: Launch) -> None:
    launch(start("flow:key")).passes()


def test_the_limit_of_the_node_holds_across_shards_and_within_one(launch: Launch) -> None:
    launch(start("flow:bound", "--mailbox-limit", "13", args=("default", "13", "0.3"))).passes()
    launch(start("flow:bound", "--mailbox-limit", "13", args=("default", "13", "0.3", "0", "0"))).passes()
