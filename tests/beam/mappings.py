"""The differences from Erlang that are wanted, all of them: SEMANTICS §0.1 and §23.4 put into code.

Each row of `TABLE` is one difference; the functions below are the only places where a
trace is bent. Whatever no row covers must be equal to what real Erlang has printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from otpnode.errors import NameAlreadyRegisteredError, ProcessNotFoundError, UnserializableError
from otpnode.pid import is_pid
from tests.beam.scenario import Placement, Scenario


@dataclass(frozen=True)
class Mapping:
    """One wanted difference: the rule that wants it, what each side says, and which function maps it."""

    rule: str
    erlang: str
    otpnode: str
    by: str


TABLE = (
    Mapping("C1, §23.4", "send to a dead pid: ok", "raises ProcessNotFoundError", "raised"),
    Mapping(
        "§23.4",
        "raises error:badarg",
        "raises ProcessNotFoundError, NameAlreadyRegisteredError, ValueError or TypeError",
        "raised",
    ),
    Mapping("§23.4, ER-01", "{X, Stack} after error(X)", "the exception RuntimeError(X)", "uncaught"),
    Mapping("§23.4, ER-01", "{{nocatch, X}, Stack} after throw(X)", "the exception Throw(X)", "uncaught"),
    Mapping(
        "C4, §23.4",
        "link of a dead pid of the same node raises noproc in a process that does not trap",
        "the exit signal 'noproc', on every shard alike: the file is left out",
        "left_out",
    ),
    Mapping("§23.4", "crash: a node is killed", "spread only: one loop cannot lose a shard", "left_out"),
    Mapping(
        "§23.4, SH-05",
        "the killed node stays down: its pids are 'noconnection' for ever",
        "the shard is back: its old pids are 'noproc'",
        "after_crash",
    ),
    Mapping("§23.4", "alive raises {erpc, noconnection} for a pid of a killed node", "False", "after_crash"),
    Mapping("§23.4", "spawn on a killed node gives a useless pid", "a process: the comparison ends", "after_crash"),
)

DEAD_LINK = "raises error:noproc"


class Throw(Exception):
    """What stands for Erlang's throw."""


# -- errors and reasons -------------------------------------------------------

BADARG = (ProcessNotFoundError, NameAlreadyRegisteredError, ValueError, TypeError)


def raised(op: str, target: object, error: Exception) -> str:
    """Return what Erlang prints where `op` on `target` has raised `error`."""
    if op == "send" and isinstance(error, ProcessNotFoundError) and is_pid(target):
        return "ok"
    if isinstance(error, BADARG) and not isinstance(error, UnserializableError):
        return "raises error:badarg"
    return f"raises {error!r}"


def uncaught(reason: BaseException) -> tuple[str, object] | None:
    """Return how Erlang names an exit reason that is an exception: ``error`` or ``throw``, and of what."""
    if len(reason.args) == 1 and type(reason) in (RuntimeError, Throw):
        return ("error" if type(reason) is RuntimeError else "throw"), reason.args[0]
    return None


# -- what is left out ---------------------------------------------------------


def left_out(scenario: Scenario, oracle: str, placement: Placement) -> str:
    """Say why a recorded trace is not compared in `placement`; empty when it is."""
    if DEAD_LINK in oracle:
        return "Erlang raises noproc for the link of a dead local pid where otpnode signals (C4)"
    if scenario.crashes and placement != "spread":
        return "it kills a shard, and only actors spread over several can lose one"
    return ""


# -- after a crash ------------------------------------------------------------

_STEP = re.compile(r"\d{3} (\S+) (\S+) ?(\S*)")
_ITEM = re.compile(r"\((EXIT|\w+,#\w+,process),<(\w+)>,noconnection\)")
_DEATH = re.compile(r"(      ! |   )(\w+) (died|dead) (noproc|noconnection)$")
_ERPC = "raises error:{erpc,noconnection}"


def after_crash(lines: list[str], scenario: Scenario) -> list[str]:
    """Make ``noproc`` and ``noconnection`` of a crashed shard's old pids one value; end at a spawn on it.

    Who dies of such a reason passes it on: from then on its own signals are read alike.
    """
    shards: set[int] = set()
    lost: set[str] = set()
    kept: list[str] = []
    for line in lines:
        step = _STEP.match(line)
        if step and step.group(1, 2) == ("*", "crash"):
            shards.add(int(step.group(3)))
            lost |= {actor for actor, shard in scenario.place.items() if shard in shards}
        elif step and step.group(2) == "spawn" and scenario.place.get(step.group(3), 0) in shards:
            return kept
        death = _DEATH.match(line)
        if death and shards:
            lost.add(death.group(2))
            line = f"{death.group(1)}{death.group(2)} {death.group(3)} noproc"
        if lost:
            line = _ITEM.sub(partial(_as_noproc, lost), line).replace(_ERPC, "false")
        kept.append(line)
    return kept


def _as_noproc(lost: set[str], hit: re.Match[str]) -> str:
    return f"({hit.group(1)},<{hit.group(2)}>,noproc)" if hit.group(2) in lost else hit.group(0)
