"""The comparer sees what it must and lets pass what may differ, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otpnode.errors import NameAlreadyRegisteredError, ProcessNotFoundError, UnserializableError
from tests.beam.campaign import DATA, recorded, why_left_out
from tests.beam.compare import difference, outcomes
from tests.beam.invariants import violations
from tests.beam.mappings import TABLE, Throw, after_crash, raised, uncaught
from tests.beam.scenario import Scenario, load

PID = "pid_n.0.1.7"


def scenario(*, place: dict[str, int] | None = None, par: bool = False) -> Scenario:
    """Make a scenario that says only what the comparer looks at."""
    script = (["*", "par", ["a", "nop"]],) if par else (["a", "nop"],)
    return Scenario("x", ("a", "b"), place or {}, script)  # type: ignore[arg-type]


def trace(*lines: str) -> str:
    """Write a trace."""
    return "\n".join(["# x", *lines, "-- final", ""])


def test_exits_and_downs_side_by_side_are_a_set() -> None:
    oracle = trace("001 a flush -> [m,(EXIT,<b>,x),(DOWN,#m1,process,<b>,x),n]")
    assert not difference(oracle, trace("001 a flush -> [m,(DOWN,#m1,process,<b>,x),(EXIT,<b>,x),n]"), scenario())
    assert difference(oracle, trace("001 a flush -> [(EXIT,<b>,x),m,(DOWN,#m1,process,<b>,x),n]"), scenario())
    assert difference(oracle, trace("001 a flush -> [n,(EXIT,<b>,x),(DOWN,#m1,process,<b>,x),m]"), scenario())


def test_what_the_dying_do_in_their_last_step_is_free() -> None:
    oracle = trace("001 a exit @a x -> true", "      ! a died x")
    assert not difference(oracle, trace("001 a exit @a x -> (died)", "      ! a died x"), scenario())
    assert difference(oracle, trace("001 a exit @a x -> (died)", "      ! a died y"), scenario())
    assert difference(oracle, trace("001 a exit @a x -> (died)"), scenario())


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in recorded()])
def test_every_recorded_trace_is_one_of_its_own_and_any_change_is_seen(file: Path) -> None:
    if why_left_out(file, "spread"):
        return
    told, oracle = load(file), file.with_suffix(".trace").read_text()
    assert not difference(oracle, oracle, told)
    first = outcomes(oracle, told)[0].split("\n")
    for number, line in enumerate(first):
        changed = [*first[:number], line + "?", *first[number + 1 :]]
        free = "(died)" in line
        if not free and line and not told.concurrent:
            assert difference(oracle, "\n".join(changed), told), line


# -- after a crash ------------------------------------------------------------

CRASH = ["001 * crash 1 -> ok", "      ! b died noconnection"]


def bent(*lines: str) -> list[str]:
    """Return lines that follow the crash of b's shard, as they are compared."""
    return after_crash([*CRASH, *lines], scenario(place={"b": 1, "e": 1}))[2:]


def test_noproc_and_noconnection_of_the_lost_are_one_value() -> None:
    assert bent("002 a flush -> [(EXIT,<b>,noconnection)]") == bent("002 a flush -> [(EXIT,<b>,noproc)]")
    down = "002 a flush -> [(DOWN,#m3,process,<b>,{})]"
    assert bent(down.format("noconnection")) == bent(down.format("noproc"))
    assert bent(down.format("noconnection")) != bent(down.format("normal"))


def test_but_not_of_those_who_live_elsewhere() -> None:
    assert bent("002 a flush -> [(EXIT,<c>,noconnection)]") != bent("002 a flush -> [(EXIT,<c>,noproc)]")


def test_who_dies_of_it_passes_it_on() -> None:
    one = bent("002 a link @b -> true", "      ! a died noconnection", "003 c flush -> [(EXIT,<a>,noconnection)]")
    other = bent("002 a link @b -> true", "      ! a died noproc", "003 c flush -> [(EXIT,<a>,noproc)]")
    assert one == other


def test_a_lost_pid_is_not_alive() -> None:
    assert bent("002 a alive @b -> raises error:{erpc,noconnection}") == ["002 a alive @b -> false"]


def test_the_comparison_ends_at_a_spawn_on_the_lost_shard() -> None:
    assert bent("002 a nop -> ok", "003 a spawn e {} -> <e>", "004 a nop -> ok") == ["002 a nop -> ok"]
    assert len(bent("002 a nop -> ok", "003 a spawn f {} -> <f>", "004 a nop -> ok")) == 3


def test_without_a_crash_nothing_is_bent() -> None:
    line = "001 a flush -> [(EXIT,<b>,noconnection)]"
    assert after_crash([line], scenario(place={"b": 1})) == [line]


# -- errors -------------------------------------------------------------------


def test_errors_become_what_erlang_prints() -> None:
    assert raised("send", PID, ProcessNotFoundError("dead")) == "ok"
    assert raised("send", "name", ProcessNotFoundError("unknown")) == "raises error:badarg"
    assert raised("link", PID, ProcessNotFoundError("dead")) == "raises error:badarg"
    assert raised("register", "n", NameAlreadyRegisteredError("taken")) == "raises error:badarg"
    assert raised("send", PID, UnserializableError("no")).startswith("raises Unserializable")
    assert raised("send", PID, RuntimeError("no")).startswith("raises RuntimeError")


def test_uncaught_exceptions_have_erlangs_names() -> None:
    assert uncaught(RuntimeError("bad")) == ("error", "bad")
    assert uncaught(Throw("ball")) == ("throw", "ball")
    assert uncaught(KeyError("bad")) is None


def test_each_mapping_names_its_rule_and_its_place() -> None:
    for mapping in TABLE:
        assert re.search(r"§|C\d", mapping.rule)
        assert mapping.by in ("raised", "uncaught", "left_out", "after_crash")


# -- invariants ---------------------------------------------------------------


def test_recorded_concurrent_traces_pass_the_invariants() -> None:
    for file in sorted((DATA / "corpus_par").glob("*.json")):
        told = load(file)
        for outcome in outcomes(file.with_suffix(".trace").read_text(), told):
            assert violations(outcome, told) == []


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (["001 a flush -> [(b,2),(b,1)]", "-- final"], "I1"),
        (["001 a flush -> [(b,1),(b,1)]", "-- final"], "I1"),
        (["001 a flush -> [(DOWN,#m1,process,<b>,x),(DOWN,#m1,process,<b>,x)]", "-- final"], "I2"),
        (["001 a demonitor #m1 flush -> true", "002 a flush -> [(DOWN,#m1,process,<b>,x)]", "-- final"], "I4"),
        (["001 a send @b x -> (blocked)", "-- final"], "I7"),
        (["001 a nop -> ok", "-- final", "   a alive links={<b>} monitors={} monitored_by={} name=none"], "I3"),
        (["001 a nop -> ok", "-- final", "   a alive links={} monitors={} monitored_by={<b>} name=none"], "I2"),
        (["001 a nop -> ok", "      ! b died x", "-- final", "   b dead y"], "deaths"),
        (["001 a nop -> ok"], "no end"),
    ],
)
def test_what_breaks_an_invariant_is_named(lines: list[str], rule: str) -> None:
    found = violations("\n".join(lines), scenario(par=True))
    assert any(rule in each for each in found), found
