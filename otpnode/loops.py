"""Which event loop: uvloop loads on first use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes event loops of the kind `name`.

    Raises:
        ImportError: uvloop is asked for and not installed; the text says what to do.
    """
    if name != "uvloop":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError as error:
        raise ImportError("uvloop is not installed; `pip install uvloop`, or run with loop='asyncio'") from error
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
