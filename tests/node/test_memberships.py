"""Registries and process groups outlive the SIGKILL of a shard (``apps/memberships.py`` checks)."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes

MANY = ("--max-restarts", "100")


@pytest.mark.rule("PG-02", on="pipe")
def test_pg02_keys_of_a_dead_shard_are_free_and_the_next_incarnation_has_the_others(launch: Launch) -> None:
    launch(start("memberships:registry", *MANY, schedulers=3)).passes()


@pytest.mark.rule("PG-01", on="pipe")
def test_pg01_members_of_a_dead_shard_leave_and_the_next_incarnation_has_the_others(launch: Launch) -> None:
    launch(start("memberships:groups", *MANY, schedulers=3)).passes()


@pytest.mark.rule("PG-01", on="pipe")
def test_pg01_joins_in_flight_while_a_shard_restarts_do_not_outlive_it(launch: Launch) -> None:
    launch(start("memberships:in_flight", *MANY, schedulers=3)).passes()
