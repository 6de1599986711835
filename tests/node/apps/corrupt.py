"""A shard writes what is no frame into its pipe. The program checks what becomes of it and says ``passed``."""

from __future__ import annotations

from otpnode import process
from tests.node.apps.pipes import link_to
from tests.node.apps.tools import answers, echo, get, get_tagged, idle, passed, up_again


async def scribble(rubbish: str) -> None:
    """Write bytes behind the frames that are on their way to shard 0."""
    link = link_to(0)
    link._pending = bytes.fromhex(rubbish)
    link.flush_now()
    await idle()


async def main(rubbish: str) -> None:
    """The writer is killed, what lived there is lost, and the shard comes back."""
    incarnation = dict(await process.subscribe_shards())[1]
    pid, ref = await process.spawn_monitor(idle, on=1)
    await process.spawn(scribble, [rubbish], on=1)
    assert await get(ref=ref) == ("DOWN", ref, "process", pid, "noconnection")
    assert await get_tagged("shard_down") == ("shard_down", 1, incarnation, -9)
    await up_again(1, incarnation)
    assert await answers(await process.spawn(echo, on=1))
    passed()
