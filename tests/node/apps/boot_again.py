"""A module whose second import is another one: it takes long, or it raises."""

from __future__ import annotations

import os
import time

from otpnode import process
from tests.node.apps.tools import idle, kill_shard

FLAG = os.environ["FLAG"]

if os.path.exists(FLAG):
    print("importing again", flush=True)
    if os.environ["HOW"] == "raises":
        raise RuntimeError("not a second time")
    time.sleep(600)


async def main(what: str) -> None:
    """Kill shard 1; then return while its next incarnation boots, or live on."""
    await process.subscribe_shards()
    open(FLAG, "w").close()  # noqa: ASYNC230
    await kill_shard(1)
    assert await process.receive(20) == ("shard_down", 1, 1, -9)
    if what == "returns":
        return
    await idle()
