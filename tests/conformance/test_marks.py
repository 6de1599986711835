"""RC-08: what was queued when a ref was made is not looked at in a search for it."""

from __future__ import annotations

from otpnode import process
from otpnode.process.current import CURRENT
from tests.support import drive, in_process, still_node


def test_rc08_a_search_stops_where_the_ref_was_made() -> None:
    async def body() -> None:
        me = CURRENT.get()
        assert me is not None
        ref = process.make_ref()
        box = me.mailbox
        # Nobody can hold a ref before it is made, so that a hit among the older ones shows a search too far.
        box.put((ref, "older"))
        box.set_mark(ref)
        assert box.find_ref(ref, None) == -1
        box.put((ref, "younger"))
        assert box.find_ref(ref, None) == 1
        assert await process.receive(0) == (ref, "older")
        assert box.find_ref(ref, None) == 0
        assert await process.receive(0, ref=ref) == (ref, "younger")

    async def main() -> None:
        async with still_node() as (shard, _):
            await in_process(shard, body)

    drive(main)
