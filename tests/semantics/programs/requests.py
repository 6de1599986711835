"""GS-03 … GS-05 as they hold of `process.request`, on which every call of a behaviour stands."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from otpnode import process
from otpnode.process import Pid, ProcessNotFoundError, Ref
from tests.semantics.peers import (
    SOON,
    finish,
    gone,
    me,
    nothing_comes,
    one_loop,
    settle,
    spawn_there,
)
from tests.semantics.program import semantic
from tests.semantics.programs.crossing import frames_out

Request = tuple[str, tuple[Pid, Ref], object]


async def oracle() -> None:
    """Do what each request asks for."""
    late: list[Ref] = []
    while True:
        _, (client, ref), what = cast(Request, await process.receive())
        match what:
            case "die":
                raise process.ProcessExit("asked to")
            case "keep quiet":
                late.append(ref)
            case "answer late":
                for each in late:
                    await process.send(each, (each, "late"))
                await process.send(ref, (ref, len(late)))
            case "answer twice":
                await process.send(ref, (ref, "first"))
                await process.send(ref, (ref, "second"))
            case "have another answer":
                await process.spawn(process.send, [ref, (ref, "by another")], on="local")
            case "answer, then die":
                await process.send(ref, (ref, "last words"))
                raise process.ProcessExit("said all")
            case "answer the pid":
                await process.send(client, (ref, "to the pid"))
            case "say more":
                await process.send(client, "before")
                await process.send(ref, "no answer")
                await process.send(client, (ref, "answer"))
            case "count your frames":
                await process.send(ref, (ref, frames_out()))
            case "look":
                seen = await process.process_info(client, "monitors", "current")
                mine = await process.process_info(me(), "monitored_by")
                await process.send(ref, (ref, (seen, mine)))
            case _:
                await process.send(ref, (ref, what))


async def answering(**options: object) -> Pid:
    """Start an oracle on the other shard that has answered once: from then on requests take the short way."""
    server = await spawn_there(oracle, **options)
    assert (await process.request(server, "ask", "are you there?", timeout=SOON))[1] == "are you there?"
    return server


async def forgets_everything() -> None:
    """Check that no request has left anything: no message, no monitor on either side."""
    await nothing_comes()
    assert await process.process_info(me(), "monitors") == []


@semantic("GS-03")
async def gs03_a_request_takes_nothing_but_its_answer() -> None:
    server = await answering()
    await process.send(me(), "older")
    ref, reply = await process.request(server, "ask", 42)
    assert (type(ref), reply) == (str, 42)
    assert await process.request(server, "ask", "more", timeout=SOON) != (ref, "more")
    assert await process.receive(0) == "older"
    await forgets_everything()
    assert await process.process_info(server, "monitored_by") == []


@semantic("GS-03")
async def gs03_a_message_without_the_ref_is_no_answer() -> None:
    server = await answering()
    assert (await process.request(server, "ask", "say more", timeout=SOON))[1] == "answer"
    assert [await process.receive(SOON), await process.receive(SOON)] == ["before", "no answer"]
    await forgets_everything()


@semantic("GS-03")
async def gs03_an_answer_ends_the_monitor_on_both_sides() -> None:
    server = await answering()
    for what in (1, "two", {"not": "flat"}, ("nested", ["tuple"]), "have another answer"):
        answer = await process.request(server, "ask", what, timeout=SOON)
        assert answer[1] == ("by another" if what == "have another answer" else what)
        await settle()
        assert await process.process_info(server, "monitored_by") == []
    assert (await process.request(server, "ask", "answer, then die", timeout=SOON))[1] == "last words"
    await gone(server)
    await forgets_everything()


@semantic("GS-03")
async def gs03_a_call_is_one_frame_each_way() -> None:
    async def counted() -> int:
        return cast(int, (await process.request(server, "ask", "count your frames", timeout=SOON))[1])

    server = await answering()
    there, here = await counted(), frames_out()
    for number in range(20):
        await process.request(server, "ask", number, timeout=SOON)
    assert frames_out() - here == (0 if one_loop() else 20)
    assert await counted() - there == (0 if one_loop() else 20 + 1), "one of them is the first count"


@semantic("GS-03")
async def gs03_an_answer_to_the_pid_ends_the_monitor_too() -> None:
    server = await answering(name="gs03")
    assert (await process.request("gs03", "ask", "answer the pid", timeout=SOON))[1] == "to the pid"
    await forgets_everything()
    await process.exit(server, "kill")
    await gone(server)
    await nothing_comes()


@semantic("GS-03")
async def gs03_a_death_is_what_comes_of_a_request() -> None:
    server = await answering()
    tag, _, kind, pid, reason = await process.request(server, "ask", "die")
    assert (tag, kind, pid, reason) == ("DOWN", "process", server, "asked to")
    await forgets_everything()


@semantic("GS-03")
async def gs03_nothing_is_asked_of_the_dead() -> None:
    server = await spawn_there(finish)
    await gone(server)
    for target in (server, "gs03 nobody"):
        with pytest.raises(ProcessNotFoundError):
            await process.request(target, "ask", 1)
    with pytest.raises(TypeError):
        await process.request(process.make_ref(), "ask", 1)
    with pytest.raises(TypeError):
        await process.request(42, "ask", 1)  # type: ignore[arg-type]
    await forgets_everything()


@semantic("GS-03")
async def gs03_both_sides_show_who_waits() -> None:
    server = await answering()
    seen, mine = cast("tuple[dict[str, object], object]", (await process.request(server, "ask", "look", timeout=60))[1])
    assert seen["monitors"] == [server]
    assert str(seen["current"]).endswith(f"waiting for {server}")
    assert mine == [me()]


@semantic("GS-04")
async def gs04_a_late_answer_is_dropped() -> None:
    server = await answering()
    with pytest.raises(TimeoutError, match=f"no answer from {server} within 0.02 s"):
        await process.request(server, "ask", "keep quiet", timeout=0.02)
    with pytest.raises(TimeoutError):
        await process.request(server, "ask", "keep quiet", timeout=0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await process.request(server, "ask", "keep quiet")
    assert (await process.request(server, "ask", "answer late"))[1] == 3
    await settle()
    await forgets_everything()


@semantic("GS-05")
async def gs05_a_second_answer_is_dropped() -> None:
    server = await answering()
    assert (await process.request(server, "ask", "answer twice"))[1] == "first"
    assert (await process.request(server, "ask", "after both"))[1] == "after both"
    await forgets_everything()


@semantic("RC-10")
async def rc10_requests_in_child_tasks_and_the_own_receive() -> None:
    server = await answering()
    asked = asyncio.gather(*(process.request(server, "ask", number) for number in range(30)))
    own = asyncio.create_task(tell_soon(me()))
    assert await process.receive(SOON) == "told"
    assert [reply for _, reply in await asked] == list(range(30))
    await own
    await forgets_everything()


@semantic("RC-10")
async def rc10_what_becomes_of_requests_in_child_tasks() -> None:
    server = await answering()
    asked = [
        asyncio.create_task(process.request(server, "ask", what, timeout=60)) for what in ("answer the pid", "look")
    ]
    assert (await asked[0])[1] == "to the pid"
    seen, mine = cast("tuple[dict[str, object], object]", (await asked[1])[1])
    assert set(cast("list[object]", seen["monitors"])) == {server}
    assert set(cast("list[object]", mine)) == {me()}
    with pytest.raises(TimeoutError, match=f"no answer from {server} within 0.02 s"):
        await asyncio.create_task(process.request(server, "ask", "keep quiet", timeout=0.02))
    given_up = asyncio.create_task(process.request(server, "ask", "keep quiet"))
    await settle()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert (await asyncio.create_task(process.request(server, "ask", "answer late")))[1] == 2
    assert (await asyncio.create_task(process.request(server, "ask", "die")))[4] == "asked to"
    await forgets_everything()


async def tell_soon(pid: Pid) -> None:
    """Send a message that is no answer."""
    await process.send(pid, "told")


@semantic("RC-10", alone="its own mailbox")
async def rc10_a_request_beside_an_own_receive_of_a_child_is_refused() -> None:
    server = await process.spawn(oracle, on="local")
    child = asyncio.create_task(process.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another receive"):
        await process.request(server, "ask", 1)
    await process.send(me(), "for the child")
    assert await child == "for the child"
    await settle()
    await forgets_everything()


@semantic("RC-03")
async def rc03_a_bad_timeout_is_refused_before_anything_is_sent() -> None:
    server = await answering()
    for bad, error in ((-1, ValueError), (float("nan"), ValueError), ("5", TypeError), (True, TypeError)):
        with pytest.raises(error):
            await process.request(server, "ask", "die", timeout=bad)  # type: ignore[arg-type]
    assert (await process.request(server, "ask", 1, timeout=float("inf")))[1] == 1


@semantic("MB-02")
async def mb02_a_request_waits_for_room_and_no_longer_than_it_may() -> None:
    server = await spawn_there(asleep, mailbox_limit=1)
    while process.send_nowait(server, "noise"):
        pass
    with pytest.raises(TimeoutError, match="no room"):
        await process.request(server, "ask", 1, timeout=0.02)
    await forgets_everything()


async def asleep() -> None:
    """Receive nothing."""
    await asyncio.sleep(3600)
