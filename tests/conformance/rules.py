"""The rules of §1–§20 of the catalogue, and the reviewed lists: what a rule is excused from, and why."""

from __future__ import annotations

from pathlib import Path

from tests.semantics.topologies import TOPOLOGIES

SOURCE = Path(__file__).parent / "rules.txt"

EXCEPTIONS: dict[str, str] = {
    "SO-03": "promises nothing: it says that signals of different senders have no order, so no run can break it",
    "PI-05": "otpnode has no group leaders",
    "PI-07": "otpnode does not hibernate processes",
}
"""Rules without a test, each with its reason. At most a handful."""

PENDING: tuple[str, ...] = ()
"""Families (``"SM"``) whose tests are not written yet."""

_ANOTHER_DIES = "one loop has no other shard that could die"
_NO_PIPE = "one loop has no pipe"
_NO_SUPERVISOR = "there is no supervisor process"

NEED_SHARDS: dict[str, str] = {
    "SP-08": _ANOTHER_DIES,
    "SH-02": _ANOTHER_DIES,
    "SH-03": _ANOTHER_DIES,
    "SH-04": _ANOTHER_DIES,
    "SH-05": _ANOTHER_DIES,
    "SH-07": _ANOTHER_DIES,
    "SH-08": _ANOTHER_DIES,
    "SH-11": _NO_PIPE,
    "SH-14": "one loop has no flow between shards",
}
"""Rules that mean nothing on one loop."""

NEED_OS_PROCESSES: dict[str, str] = {
    "RG-10": _NO_SUPERVISOR,
    "SH-06": _NO_SUPERVISOR,
    "SH-12": f"{_NO_SUPERVISOR}; how one loop stops has tests of its own",
    "SH-13": _NO_SUPERVISOR,
}
"""Rules that can be shown on real OS processes only."""

NEED_THE_OUTSIDE: dict[str, str] = {
    "CT-05": "a worker has no callers outside its processes; two shards in one loop would have two outsides",
    "RG-05": "as CT-05",
    "MB-11": "as CT-05: a worker has no callers outside its processes",
    "CT-06": "where no node runs there is no topology",
}
"""Rules about callers outside any process: shown where there are such callers."""


def titles() -> dict[str, str]:
    """Return every rule id with its title, in the order of the catalogue."""
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    return {line[:5]: line[6:] for line in lines if line}


def wanted(rule: str) -> tuple[str, ...]:
    """Return the topologies that must show `rule`."""
    if rule in EXCEPTIONS or rule[:2] in PENDING:
        return ()
    if rule in NEED_SHARDS:
        return ("loop", "pipe")
    if rule in NEED_OS_PROCESSES:
        return ("pipe",)
    if rule in NEED_THE_OUTSIDE:
        return ("one",)
    return TOPOLOGIES


def excuse(rule: str) -> str:
    """Say why a rule is not shown in some topology, or at all; empty when it is shown in all."""
    for table in (EXCEPTIONS, NEED_SHARDS, NEED_OS_PROCESSES, NEED_THE_OUTSIDE):
        if rule in table:
            return table[rule]
    return "not written yet" if rule[:2] in PENDING else ""
