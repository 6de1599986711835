"""One frozen record of a node's settings, checked where it is made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from otpnode.pid import NODE_NAME

DEFAULT_MAILBOX_LIMIT = 100
DEFAULT_MAX_PROCESSES = 1 << 20
DEFAULT_MAX_MESSAGE = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeConfig:
    """The settings of one node; times in seconds, sizes in bytes.

    Raises:
        ValueError: a setting is out of range; the text names it and what it takes.
    """

    schedulers: int = 1
    loop: Literal["uvloop", "asyncio"] = "uvloop"
    placement: Literal["spread", "local"] = "spread"
    mailbox_limit: int | None = DEFAULT_MAILBOX_LIMIT
    max_restarts: int = 5
    max_seconds: float = 30.0
    max_processes: int = DEFAULT_MAX_PROCESSES
    max_message: int = DEFAULT_MAX_MESSAGE
    name: str = ""
    app_dir: str = ""
    log_level: str = "info"
    copy_messages: bool = False
    exit_grace: float = 5.0
    kill_grace: float = 0.5
    kill_blocked: Literal["wait", "shard"] = "wait"
    stop_grace: float = 5.0
    busy_wait: Literal["none", "short", "long"] = "short"

    def __post_init__(self) -> None:
        _positive("schedulers", self.schedulers)
        _positive("max_processes", self.max_processes)
        _positive("max_message", self.max_message)
        if self.mailbox_limit is not None:
            _positive("mailbox_limit", self.mailbox_limit)
        _not_negative("max_restarts", self.max_restarts)
        for field in ("max_seconds", "exit_grace", "kill_grace", "stop_grace"):
            _not_negative(field, getattr(self, field))
        _one_of("loop", self.loop, ("uvloop", "asyncio"))
        _one_of("placement", self.placement, ("spread", "local"))
        _one_of("kill_blocked", self.kill_blocked, ("wait", "shard"))
        _one_of("busy_wait", self.busy_wait, ("none", "short", "long"))
        _one_of("log_level", self.log_level, ("debug", "info", "warning", "error", "critical"))
        if not self.name:
            object.__setattr__(self, "name", f"n{os.getpid()}")
        if NODE_NAME.fullmatch(self.name) is None:
            raise ValueError(f"name must be 1 to 32 of A-Z a-z 0-9 _ and -, not {self.name!r}")

    @property
    def max_schedulers(self) -> int:
        """How many shards the board has seats for."""
        return max(64, 4 * self.schedulers)


def _positive(field: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{field} must be a whole number of at least 1, not {value!r}")


def _not_negative(field: str, value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
        raise ValueError(f"{field} must be a number of at least 0, not {value!r}")


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{field} must be one of {', '.join(allowed)}, not {value!r}")
