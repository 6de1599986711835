"""Which rules the tests show that are not semantic programs.

A test claims rules by the prefix of its name (``test_lk05_…``), by the mark
``@pytest.mark.rule("LK-05", on="pipe")``, or by its line in `CLAIMS`, for tests that are named after
what a user sees. Where it runs is said by the mark, or by its folder; a test of a part (a codec, a
table) runs in no topology and counts beside them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NODE = "tests/node/"

CLAIMS: dict[str, tuple[str, ...]] = {
    _NODE + "test_shard_death.py::test_links_and_monitors_by_pid_and_name_give_noconnection_exactly_once": ("SH-02",),
    _NODE + "test_shard_death.py::test_a_linked_process_that_does_not_trap_dies_of_noconnection": ("SH-02",),
    _NODE + "test_shard_death.py::test_stale_pids_are_dead_to_every_verb_and_never_reach_the_new_incarnation": (
        "SH-05",
        "SD-02",
    ),
    _NODE + "test_shard_death.py::test_pids_of_a_shard_that_is_down_are_dead_in_the_handler_of_the_news": ("SH-05",),
    _NODE + "test_shard_death.py::test_names_are_free_before_the_news_of_the_death_for_everybody": ("SH-04", "SH-08"),
    _NODE + "test_shard_death.py::test_subscribers_hear_of_each_change_once": ("SH-07", "SH-02"),
    _NODE + "test_shard_death.py::test_spawns_on_a_shard_that_is_down_raise_or_work_and_spread_avoids_it": ("SP-08",),
    _NODE + "test_shard_death.py::test_senders_blocked_on_a_dead_shard_go_on": ("MB-05",),
    _NODE + "test_shard_death.py::test_two_shards_that_die_at_once_are_both_told_and_both_restarted": ("SH-07",),
    _NODE + "test_full_pipes.py::test_every_complete_frame_is_delivered_before_noconnection_though_both_directions_"
    "are_full": ("SH-03",),
    _NODE + "test_full_pipes.py::test_a_shard_killed_under_load_leaves_a_prefix_of_whole_messages_of_every_size": (
        "SH-03",
    ),
    _NODE + "test_exit_codes.py::test_the_loss_of_mains_shard_is_1_with_one_line_saying_so": ("SH-06",),
    _NODE + "test_exit_codes.py::test_the_sixth_death_within_the_time_is_a_crash_loop_and_4": ("SH-06",),
    _NODE + "test_signals.py::test_sigterm_is_the_orderly_stop_and_0": ("SH-12",),
    _NODE + "test_signals.py::test_sigint_is_the_orderly_stop_and_130": ("SH-12",),
    _NODE + "test_signals.py::test_the_second_signal_ends_a_stop_that_somebody_refuses_now": ("SH-12",),
    _NODE + "test_graceful_stop.py::test_trees_end_their_children_on_other_shards_in_order_with_exit_and_down": (
        "SH-12",
    ),
    _NODE + "test_graceful_stop.py::test_a_message_sent_in_a_cleanup_still_crosses_shards": ("SH-12",),
    _NODE + "test_orphans.py::test_shards_end_with_a_supervisor_that_is_killed_while_idle": ("SH-13", "RG-10"),
    _NODE + "test_orphans.py::test_shards_end_with_a_supervisor_that_is_killed_under_load": ("SH-13", "RG-10"),
    _NODE + "test_flow.py::test_memory_of_both_shards_is_flat_for_ten_seconds_of_a_flood": ("MB-02",),
    _NODE + "test_flow.py::test_two_shards_that_send_stay_within_the_bound_for_several_senders": ("MB-02",),
    _NODE + "test_flow.py::test_a_flood_to_another_shard_stops_at_the_limit_of_the_mailbox": ("MB-02",),
    _NODE + "test_flow.py::test_send_nowait_says_false_at_the_bound": ("SD-08",),
}
"""Test → the rules it shows. `test_coverage` checks that each still exists."""

FOLDERS: dict[str, str] = {
    "tests/node/": "pipe",
    "tests/scheduler/": "pipe",
    "tests/process/": "one",
    "tests/behaviours/": "one",
}
"""Where the tests of a folder run, unless their mark or `on_a_node` says otherwise."""

PARTS = "parts"
"""Stands for a test of a part, which runs in no topology."""

_NAMED = re.compile(r"test_([a-z]{2})(\d\d)_")


class Claim(NamedTuple):
    """What one test shows, and where."""

    rules: tuple[str, ...]
    topology: str


def by_name(name: str) -> tuple[str, ...]:
    """Return the rule in the name of a test function."""
    found = _NAMED.match(name)
    return (f"{found[1].upper()}-{found[2]}",) if found else ()


def folder_of(path: str) -> str:
    """Return where the tests of the file at `path` run."""
    return next((topology for folder, topology in FOLDERS.items() if path.startswith(folder)), PARTS)


def claim_of(nodeid: str, marked: tuple[str, ...], on: str) -> Claim:
    """Return what the test at `nodeid` (without parameters) shows.

    Args:
        nodeid: as pytest spells it.
        marked: the rules of its marks.
        on: the topology of its mark or of its run; empty when it says none.
    """
    rules = dict.fromkeys([*marked, *by_name(nodeid.rpartition("::")[2]), *CLAIMS.get(nodeid, ())])
    return Claim(tuple(rules), on or folder_of(nodeid))
