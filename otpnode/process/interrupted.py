"""What the watchdog raises, and the one moment in which it may (FS-03)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from operator import methodcaller
from types import FrameType


class Interrupted(BaseException):
    """Raised inside a process that is killed while it computes.

    Not an exit signal that could be trapped, and not an error of the process: whatever
    it does with it, its reason is ``'killed'``.
    """


def telling(arrived: Callable[[], None]) -> type[Interrupted]:
    """Make a class of `Interrupted` that tells when it is raised: the thread makes the instance only then."""

    def __init__(self: Interrupted) -> None:
        arrived()

    return type("Interrupted", (Interrupted,), {"__init__": __init__, "__doc__": Interrupted.__doc__})


class _Threads:
    """What every thread runs, as an attribute: reading one cannot let go of the GIL, returning from a call can."""

    read = staticmethod(sys._current_frames)
    frames = property(methodcaller("read"))


THREADS = _Threads()
SET_ASYNC_EXC = ctypes.pythonapi.PyThreadState_SetAsyncExc

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PYTHONS = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


def is_the_users(frame: FrameType | None) -> bool:
    """Tell whether an exception raised in `frame` meets user code first.

    What of the standard library lies between belongs to its caller: ``loop.call_soon``
    called by the run queue must not fail, a ``json.dumps`` of the user's may.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_OURS):
            return False
        in_python = name.startswith("<frozen ") or (name.startswith(_PYTHONS) and "-packages" not in name)
        if not in_python:
            return True
        frame = frame.f_back
    return False
