"""Every private asyncio name otpnode stands on, in one place.

A process is its own task (DESIGN §3), so it must enter and leave the loop's
notion of the current task by itself. These names are stable from 3.11 to 3.13;
where one is missing the error is raised here, once, when otpnode is first used.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import TextIO, cast


def _private(module: str, name: str) -> object:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        version = ".".join(map(str, sys.version_info[:3]))
        raise ImportError(
            f"otpnode needs {module}.{name}, which this Python ({version}) does not have; "
            "otpnode supports Python 3.11 to 3.13"
        ) from None


CURRENT_TASKS = cast("dict[asyncio.AbstractEventLoop, object]", _private("asyncio.tasks", "_current_tasks"))
"""Loop → the task on its step: what ``asyncio.current_task`` reads. Written directly, one store a
step; ``_enter_task`` and ``_leave_task`` would be two calls, which together cost 92 ns on CPython 3.11."""

current_task = CURRENT_TASKS.get
"""Returns the task on the step of a loop."""

task_get_stack = cast(
    Callable[[object, int | None], list[FrameType]], _private("asyncio.base_tasks", "_task_get_stack")
)
task_print_stack = cast(
    Callable[[object, int | None, TextIO | None], None], _private("asyncio.base_tasks", "_task_print_stack")
)

UNCANCEL_CLEARS = sys.version_info >= (3, 13)
"""From 3.13 on ``Task.uncancel`` takes back a cancellation not yet delivered."""
