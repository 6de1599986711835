"""Questions to a shard of another OS process, asked with the public verbs: a process over there ends with the answer.

The answer is the reason of a DOWN. So the asker needs no alias and the answerer no mailbox, a shard
that dies meanwhile has answered too, and what a question costs is known to the frame (`FRAMES`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, cast

from otpnode import process

FRAMES: Final = 3
"""What one question moves between the two shards: SPAWN_REQUEST there, SPAWN_REPLY and DOWN back."""

LABEL: Final = "otpnode.testing"


async def ask(shard: int, question: Callable[..., Awaitable[object]], *args: object) -> object:
    """Return what ``question(*args)`` returns on `shard`, run there by a process of its own.

    Raises:
        ShardDownError: the shard is down, or died before it answered.
        RuntimeError: the question itself failed over there.
    """
    _, ref = await process.spawn_monitor(_answer, [question, *args], on=shard, label=LABEL)
    try:
        reason = cast("tuple[object, ...]", await process.receive(ref=ref))[4]
    finally:
        await process.demonitor(ref, flush=True)
    match reason:
        case ("shutdown", answer):
            return answer
        case "noconnection":
            raise process.ShardDownError(f"shard {shard} died before it answered")
        case _:
            raise RuntimeError(f"shard {shard} could not answer: {reason!r}")


async def _answer(question: Callable[..., Awaitable[object]], *args: object) -> None:
    """Be the process that answers; its end is quiet, so nothing is logged."""
    raise process.ProcessExit(("shutdown", await question(*args)))
