"""A shard is SIGKILLed: what links, monitors, names, spawns and stale pids make of it (``apps/deaths.py`` checks)."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


@pytest.mark.parametrize("schedulers", [2, 3])
def test_links_and_monitors_by_pid_and_name_give_noconnection_exactly_once(launch: Launch, schedulers: int) -> None:
    launch(start("deaths:watched", schedulers=schedulers)).passes()


def test_a_linked_process_that_does_not_trap_dies_of_noconnection(launch: Launch) -> None:
    launch(start("deaths:untrapped")).passes()


def test_stale_pids_are_dead_to_every_verb_and_never_reach_the_new_incarnation(launch: Launch) -> None:
    launch(start("deaths:stale")).passes()


def test_pids_of_a_shard_that_is_down_are_dead_in_the_handler_of_the_news(launch: Launch) -> None:
    launch(start("deaths:while_down")).passes()


def test_names_are_free_before_the_news_of_the_death_for_everybody(launch: Launch) -> None:
    launch(start("deaths:names", schedulers=3)).passes()


def test_subscribers_hear_of_each_change_once(launch: Launch) -> None:
    launch(start("deaths:subscribed", schedulers=3)).passes()


def test_spawns_on_a_shard_that_is_down_raise_or_work_and_spread_avoids_it(launch: Launch) -> None:
    launch(start("deaths:spawns", schedulers=3)).passes()


def test_senders_blocked_on_a_dead_shard_go_on(launch: Launch) -> None:
    launch(start("deaths:senders", schedulers=3)).passes()


def test_questions_to_a_shard_that_dies_are_answered(launch: Launch) -> None:
    launch(start("deaths:questions")).passes()


def test_two_shards_that_die_at_once_are_both_told_and_both_restarted(launch: Launch) -> None:
    launch(start("deaths:together", schedulers=3)).passes()
