"""What happens on the way: SP-09, SO-04, SO-06, MB-10, FS-02, AC-10, SH-01."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import product
from typing import cast

from otpnode import process
from otpnode.process import Pid, ProcessExit, Ref
from otpnode.process.current import here
from tests.semantics.peers import (
    SOON,
    down,
    exit_of,
    gone,
    is_peer,
    leave_on_word,
    linger,
    me,
    nothing_comes,
    one_loop,
    order,
    peer,
    settle,
    spawn_monitor_there,
    spawn_there,
    there,
)
from tests.semantics.program import semantic
from tests.support import until


async def report_and_linger(report: Ref) -> None:
    """Say who this is, then live until somebody ends it."""
    await process.send(report, (report, process.self()))
    await linger()


async def spawner(report: Ref, linked: bool) -> None:
    """Start a child over there, and be killed meanwhile."""
    start = process.spawn_link if linked else process.spawn
    await start(report_and_linger, [report], on=there())
    await linger()


async def child_of_the_struck(turns: int, linked: bool) -> Pid | None:
    """Strike a spawner some turns after it began; return the child it has made, if it has."""
    report = process.alias()
    parent = await process.spawn(spawner, [report, linked], on="local")
    for _ in range(turns):
        await asyncio.sleep(0)
    await process.exit(parent, "struck")
    await gone(parent)
    await settle()
    try:
        return cast("tuple[object, Pid]", await process.receive(0, ref=report))[1]
    except TimeoutError:
        return None


@semantic("SP-09")
async def sp09_the_child_of_a_spawner_that_is_struck_is_no_orphan() -> None:
    met = 0
    for turns in range(12):
        child = await child_of_the_struck(turns, linked=True)
        if child is not None:
            is_peer(child)
            met += 1
            assert await gone(child) in ("struck", "noproc")
    assert met, "no child has ever been made"
    await settle()
    assert me() in process.processes()


@semantic("SP-09")
async def sp09_the_child_of_a_plain_spawn_survives() -> None:
    for turns in range(4, 10):
        child = await child_of_the_struck(turns, linked=False)
        if child is not None:
            is_peer(child)
            assert process.is_alive(child)
            await process.exit(child, "kill")


async def give_up(verb: Callable[..., Awaitable[object]], name: str, where: str | int, turns: int, dies: bool) -> None:
    """Spawn a named child and, some turns later, be cancelled or die; end with a reason in any case."""
    born = asyncio.ensure_future(verb(linger, name=name, on=where))
    for _ in range(turns):
        await asyncio.sleep(0)
    if not dies:
        born.cancel()
        await asyncio.wait([born])
    raise ProcessExit("given up")


async def return_meanwhile(name: str, where: str | int, to: Pid) -> None:
    """Ask for a linked child, give up at the first wait, and return, on one step: before it is born across shards."""
    born = process.spawn_link(tell_exits, [to], name=name, on=where, trap_exits=True)
    with suppress(StopIteration):  # One loop needs no wait.
        born.send(None)
        born.close()


async def tell_exits(to: Pid) -> None:
    """Tell of the first message."""
    await process.send(to, await process.receive())


async def spawn_beside(func: Callable[..., object], *args: object) -> None:
    """Spawn on the shard of the caller, in the usual way: the result is tied to nobody."""
    await process.spawn(func, list(args), on="local")


@semantic("SP-09")
async def sp09_the_child_of_a_spawner_that_has_returned_gets_its_exit() -> None:
    for number, where in enumerate(("local", 0, "local")):
        await spawn_there(spawn_beside, return_meanwhile, f"sp09 returned {number}", where, me())
        exit_owed = cast("tuple[object, ...]", await process.receive(SOON))
        assert (exit_owed[0], exit_owed[2]) == ("EXIT", "normal")


async def is_alone(pid: Pid) -> bool:
    """Tell whether nobody is linked to `pid` and nobody watches it."""
    return await process.process_info(pid, "links", "monitored_by") == {"links": [], "monitored_by": []}


@semantic("SP-09")
async def sp09_a_named_birth_outlives_its_spawner_unless_it_is_linked() -> None:
    before = set(process.processes())
    rounds = product(
        (process.spawn, process.spawn_monitor, process.spawn_link), ("local", 0), range(1, 7), (True, False)
    )
    for number, (verb, where, turns, dies) in enumerate(rounds):
        name = f"sp09 {number}"
        _, ref = await spawn_monitor_there(give_up, verb, name, where, turns, dies)
        assert await down(ref) == "given up"
        if verb is process.spawn_link:
            continue
        child = cast(Pid, await until(lambda name=name: process.whereis(name), f"{verb.__name__} {where} {turns}"))
        await until(lambda child=child: is_alone(child), f"the end of its spawner's monitor, {verb.__name__} {turns}")
        await process.exit(child, "kill")
        await gone(child)
    await until(lambda: not set(process.processes()) - before, "the end of the linked")


async def unlink_at_once(spawner: Pid) -> None:
    """End the link with the spawner as the first thing, then live on."""
    await process.unlink(spawner)
    await linger()


@semantic("SP-09")
async def sp09_a_named_child_that_unlinks_in_its_first_step_is_linked_on_neither_side() -> None:
    for number, where in enumerate(("local", there(), "local")):
        child = await process.spawn_link(unlink_at_once, [me()], name=f"sp09 first {number}", on=where)
        if where == there():
            is_peer(child)
        await until(lambda child=child: linked_to(child, []), "the child's side")
        await until(lambda: linked_to(me(), []), "the spawner's side")
        await process.exit(child, "kill")
        await gone(child)


async def linked_to(pid: Pid, wanted: list[Pid]) -> bool:
    """Tell whether the links of `pid` are those."""
    return await process.process_info(pid, "links") == wanted


async def all_kinds(to: str, gate: Ref) -> None:
    """Send every kind of signal, in one order."""
    await process.link(to)
    await process.send(to, 1)
    await process.send(gate, 2)
    await process.exit(to, "three")
    process.send_after(0, to, "a timer's, in no order")
    await process.send(to, 4)
    raise asyncio.CancelledError


@semantic("SO-04", "SO-01", "SO-02")
async def so04_all_kinds_of_signals_share_one_stream() -> None:
    process.process_flag("trap_exits", True)
    for _ in range(20):
        gate = process.alias()
        pid = await spawn_there(all_kinds, me(), gate)
        got: list[object] = []
        while len(got) < 5:
            message = await process.receive(SOON)
            if message != "a timer's, in no order":
                got.append(message)
        assert got == [1, 2, ("EXIT", pid, "three"), 4, ("EXIT", pid, "cancelled")]


@semantic("SO-06")
async def so06_services_are_senders_of_their_own() -> None:
    process.process_flag("trap_exits", True)
    pid = await spawn_there(leave_on_word, "over")
    await process.link(pid)
    ref = await process.monitor(pid)
    process.send_after(0, me(), "time")
    await process.send(pid, "go")
    got = {cast("tuple[object, ...] | str", await process.receive(SOON)) for _ in range(3)}
    assert got == {("EXIT", pid, "over"), ("DOWN", ref, "process", pid, "over"), "time"}
    await nothing_comes()


@semantic("MB-10")
async def mb10_a_full_mailbox_holds_up_nobody_else() -> None:
    full = await spawn_there(linger)
    other = await peer()
    while process.send_nowait(full, "x" * 1000):
        pass
    blocked = await process.spawn(push, [full], on="local")
    await settle()
    assert await order(other, len, "four") == 4
    ref = await process.monitor(blocked)
    await process.exit(blocked, "given up")
    assert await down(ref) == "given up"
    await process.exit(full, "kill")
    assert await gone(full) in ("killed", "noproc")


async def push(to: str) -> None:
    """Send to whoever has no room."""
    await process.send(to, "one too many")


async def burst(to: str, count: int) -> None:
    """Send many messages without a pause."""
    for number in range(count):
        await process.send(to, number)


async def count_turns(report: Ref) -> None:
    """Count the turns of the loop until told to stop; never keeps it."""
    turns = 0
    while await process.process_info(me(), "message_queue_len") == 0:
        await asyncio.sleep(0)
        turns += 1
    await process.send(report, (report, turns))


@semantic("FS-02")
async def fs02_a_burst_of_arrivals_leaves_turns_to_others() -> None:
    count = 20_000
    report = process.alias()
    ticker = await process.spawn(count_turns, [report], on="local")
    await spawn_there(burst, me(), count)
    for number in range(count):
        assert await process.receive(SOON) == number
    await process.send(ticker, "stop")
    turns = cast("tuple[object, int]", await process.receive(SOON, ref=report))[1]
    assert turns >= 20, f"{count} messages left {turns} turns"


async def numbers(report: Ref) -> AsyncIterator[int]:
    """Yield for ever; on being closed, say as whom."""
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        await asyncio.sleep(0)
        await process.send(report, (report, process.self()))


async def drop_on_word(report: Ref, holder: list[object]) -> None:
    """Begin a generator, drop it when told, and live on."""
    generator = numbers(report)
    assert await anext(generator) == 0
    holder.append(generator)
    await process.send(report, (report, "begun"))
    del generator
    await linger()


def taken_out(holder: list[object]) -> None:
    """Drop what is in `holder`, as whoever calls."""
    holder.clear()


@semantic("AC-10", alone="a generator is dropped where it lives")
async def ac10_a_dropped_generator_is_closed_as_the_process_that_began_it() -> None:
    report, holder = process.alias(), cast("list[object]", [])
    pid = await process.spawn(drop_on_word, [report, holder], on="local")
    assert await process.receive(SOON, ref=report) == (report, "begun")
    taken_out(holder)
    assert await process.receive(SOON, ref=report) == (report, pid)


async def note_closing(closed: list[object]) -> AsyncIterator[int]:
    """Yield once; on being closed, note as whom."""
    try:
        yield 0
    finally:
        closed.append((process.self(), process.whereis("nobody")))


async def begin_and_die(holder: list[object], closed: list[object]) -> None:
    """Begin a generator that outlives this process."""
    generator = note_closing(closed)
    await anext(generator)
    holder.append(generator)


@semantic("AC-10", alone="a generator is dropped where it lives")
async def ac10_the_generator_of_the_dead_is_closed_as_nobody() -> None:
    holder: list[object] = []
    closed: list[object] = []
    pid, ref = await process.spawn_monitor(begin_and_die, [holder, closed], on="local")
    assert await down(ref) == "normal"
    taken_out(holder)
    for _ in range(5):
        await asyncio.sleep(0)
    assert closed == [(None, None)], f"closed as {closed}, begun by {pid}"


async def begin_and_swallow(report: Ref, holder: list[object], closed: list[object]) -> None:
    """Begin a generator, and live on after the grace of a kill."""
    generator = note_closing(closed)
    await anext(generator)
    holder.append(generator)
    over = asyncio.Event()
    holder.append(over)
    del generator
    await process.send(report, (report, "begun"))
    while not over.is_set():
        with suppress(asyncio.CancelledError):
            await over.wait()


@semantic("AC-10", alone="a generator is dropped where it lives")
async def ac10_the_generator_of_one_that_is_cut_off_is_closed_as_nobody() -> None:
    holder: list[object] = []
    closed: list[object] = []
    report = process.alias()
    pid, ref = await process.spawn_monitor(begin_and_swallow, [report, holder, closed], on="local")
    assert await process.receive(SOON, ref=report) == (report, "begun")
    await process.exit(pid, "kill")
    assert await down(ref) == "killed"
    over = cast(asyncio.Event, holder.pop())
    taken_out(holder)
    for _ in range(5):
        await asyncio.sleep(0)
    over.set()
    assert closed == [(None, None)], f"closed as {closed}, begun by {pid}"


def frames_out() -> int:
    """Return how many frames this shard has written to the others."""
    outbound = here().router.outbound
    if outbound is None:
        return 0
    mesh = getattr(outbound, "mesh")  # noqa: B009 - of the neighbours behind the contract
    return sum(each.link.statistics().frames_out for each in mesh.peers() if each.link is not None)


@semantic("SH-01", alone="what is shown is that no other shard is needed")
async def sh01_a_pid_of_the_own_shard_never_touches_a_pipe() -> None:
    process.process_flag("trap_exits", True)
    helper = await peer(here=True)
    before = frames_out()
    pid, ref = await process.spawn_monitor(leave_on_word, ["over"], on="local", link=True)
    await process.process_info(pid, "links")
    await process.send(pid, "go")
    assert await down(ref) == "over"
    assert await exit_of(pid) == "over"
    assert await order(helper, len, "four") == 4
    assert frames_out() == before
    if not one_loop():
        await spawn_there(linger)
        assert frames_out() > before


async def hold(report: Ref) -> None:
    """Arm the own end, then hold the shard for ever."""
    await process.send(report, (report, "armed"))
    process.exit_after(0.05, me(), "kill")
    number = 0
    while True:
        number += 1


@semantic("FS-03")
async def fs03_a_deadline_armed_before_ends_a_loop_that_never_awaits() -> None:
    report = process.alias()
    pid, ref = await process.spawn_monitor(hold, [report], on=there())
    is_peer(pid)
    assert await process.receive(SOON, ref=report) == (report, "armed")
    assert await down(ref) == "killed"
