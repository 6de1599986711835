"""What the tests of `Task.map` share."""

from __future__ import annotations

from typing import Literal

import pytest

from otpnode import process
from tests.behaviours.servers import SOON, no_message

Chunk = int | Literal["auto"]

FEW = [0] * 200
"""Items that take so little time that they travel many at once."""

CHUNKS = pytest.mark.parametrize("chunk", [1, 3, "auto"])


async def nothing_left() -> None:
    """Wait until no process of a map is there, and see that nothing of it is in the caller."""
    await nothing_left_but_messages()
    assert await no_message()


async def nothing_left_but_messages() -> None:
    """The same where the items have sent some."""
    me = process.self() or ""
    while left := [pid for pid in process.processes() if "Task.map" in str(await process.process_info(pid, "label"))]:
        for pid in left:
            await process.receive(SOON, ref=await process.monitor(pid))
    assert await process.process_info(me, "monitors") == []
    assert await process.process_info(me, "links") == []
