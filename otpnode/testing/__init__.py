"""Testing programs that use otpnode: ``from otpnode.testing import settle``.

The fixtures `node` and `topology` come by the pytest plugin `otpnode.testing.plugin`, which
pytest finds by itself. What stands here needs no pytest: a program under test calls it from
inside its node. Names load what they need on first use, because pytest imports this package in
every project of an environment that has otpnode in it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otpnode.clock import ManualClock
    from otpnode.testing.killing import kill_shard
    from otpnode.testing.leaks import nothing_left_behind
    from otpnode.testing.settling import settle
    from otpnode.testing.topologies import Loopback, OneLoop, OsProcesses
    from otpnode.testing.topology import Topology

__all__ = [
    "Loopback",
    "ManualClock",
    "OneLoop",
    "OsProcesses",
    "Topology",
    "kill_shard",
    "nothing_left_behind",
    "settle",
]

_HOME = {
    "Loopback": "otpnode.testing.topologies",
    "ManualClock": "otpnode.clock",
    "OneLoop": "otpnode.testing.topologies",
    "OsProcesses": "otpnode.testing.topologies",
    "Topology": "otpnode.testing.topology",
    "kill_shard": "otpnode.testing.killing",
    "nothing_left_behind": "otpnode.testing.leaks",
    "settle": "otpnode.testing.settling",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'otpnode.testing' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
