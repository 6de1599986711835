"""What takes room in a mailbox and what does not, and who hears of a death first: MB-09, RG-06."""

from __future__ import annotations

from otpnode import process
from otpnode.process import Pid, Ref
from tests.semantics.peers import SOON, down, fill, gone, leave_on_word, linger, me, settle, spawn_there
from tests.semantics.program import semantic


async def watch_and_linger(victims: list[Pid], ready: Ref) -> None:
    """Monitor everybody, then live on without ever receiving."""
    for victim in victims:
        await process.monitor(victim)
    await process.send(ready, (ready,))
    await linger()


@semantic("MB-09")
async def mb09_signals_take_no_room() -> None:
    ready = process.alias()
    victims = [await spawn_there(linger) for _ in range(5)]
    pid = await process.spawn(watch_and_linger, [victims, ready], mailbox_limit=10, on="local")
    await process.receive(SOON, ref=ready)
    for victim in victims:
        await process.exit(victim, "kill")
        await gone(victim)
    await settle()
    assert await process.process_info(pid, "message_queue_len") == 5
    assert fill(pid) == 10
    assert await process.process_info(pid, "message_queue_len") == 15


@semantic("RG-06", alone="watcher and watched are on one shard")
async def rg06_the_name_is_free_for_a_watcher_on_the_same_shard() -> None:
    for number in range(20):
        name = f"rg06 near {number}"
        pid, ref = await process.spawn_monitor(leave_on_word, ["over"], name=name, on="local")
        await process.send(pid, "go")
        assert await down(ref) == "over"
        assert process.whereis(name) is None
        await process.register(name, me())
        await process.unregister(name)


@semantic("MB-06", alone="a process sends to itself")
async def mb06_nor_is_a_plain_send_to_oneself_refused() -> None:
    for number in range(150):
        assert process.send_nowait(me(), number)
    assert [await process.receive(0) for _ in range(150)] == list(range(150))
