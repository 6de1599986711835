"""Crash reports: one for each end of a server's own making, bounded, and never the end of anything else."""

from __future__ import annotations

from typing import Any

import pytest

import otpnode
from otpnode import process
from otpnode.behaviours.application.application import Application
from otpnode.behaviours.common import system
from otpnode.behaviours.common.control import Stop
from otpnode.behaviours.common.crash import crash_log
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.specs import child
from otpnode.behaviours.supervision.supervisor import Supervisor
from otpnode.reporting import emit
from otpnode.showing import cut
from tests.behaviours.monsters import Broken, Ear, Misformatted, Monster, SilentId, listen, reports
from tests.behaviours.servers import (
    SOON,
    Scripted,
    Secret,
    Trapping,
    ending_of,
    exit_and_wait,
    next_message,
    no_message,
    on_a_node,
    start_and_report,
)

KEYS = {
    "report", "pid", "label", "shard", "ancestors", "reason", "traceback", "last_message", "state", "mailbox",
}  # fmt: skip
MEBIBYTE = 1 << 20


async def crash(pid: str, reason: object) -> object:
    """Cast a reason to end with; return what it ended with."""
    ref = await process.monitor(pid)
    await GenServer.cast(pid, reason)
    down: Any = await process.receive(30, ref=ref)
    return down[4]


@on_a_node
async def test_a_crash_is_reported_once_with_all_its_parts() -> None:
    ear = await listen()
    pid = await Secret.start(label="vault")
    with pytest.raises(otpnode.CallExit):
        await Secret.call(pid, "open")
    await ending_of(pid)
    ((logger, text, otp, _),) = await reports(ear)
    assert logger == "otpnode.crash"
    for part in (pid, "(vault)", "crashed on purpose", "in handle_call", "'open'"):
        assert part in text
    assert "password" not in text
    assert set(otp) == KEYS
    assert (otp["report"], otp["pid"], otp["label"], otp["state"]) == ("crash", pid, "vault", "'***'")
    assert otp["shard"] == process.shard_of(pid)
    assert otp["ancestors"] == [process.self()]
    assert otp["reason"] == "RuntimeError('crashed on purpose')"
    assert "'open'" in otp["last_message"]
    assert otp["mailbox"] == []


@on_a_node
async def test_the_ancestors_are_the_whole_chain() -> None:
    ear = await listen()
    me = process.self()
    leaf = child(Scripted, [me, "stop", "no way"], id="leaf")
    inner = child(Supervisor, id="inner")
    top = await Supervisor.start([inner])
    ((found,),) = [await Supervisor.which_children(top)]
    with pytest.raises(otpnode.StartError):
        await Supervisor.start_child(str(found.pid), leaf)
    crashes = [otp for logger, _, otp, _ in await reports(ear) if logger == "otpnode.crash"]
    assert [otp["ancestors"] for otp in crashes] == [[found.pid, top, me]]


@pytest.mark.parametrize("reason", ["normal", "shutdown", ("shutdown", "x")])
@on_a_node
async def test_an_orderly_end_is_not_reported(reason: object) -> None:
    ear = await listen()
    await GenServer.stop(await Scripted.start(), reason)
    await exit_and_wait(await Scripted.start(), "boom")
    await exit_and_wait(await Scripted.start(), "kill")
    assert await reports(ear) == []


@on_a_node
async def test_the_exit_of_the_parent_is_reported_when_trapping() -> None:
    ear = await listen()
    me = process.self()
    parent = await process.spawn(start_and_report, [me, Trapping, []], on="local")
    message: Any = await next_message()
    server = message[1]
    ref = await process.monitor(server)
    await process.exit(parent, "boom")
    await process.receive(SOON, ref=ref)
    ((_, _, otp, _),) = await reports(ear)
    assert (otp["pid"], otp["reason"], otp["traceback"]) == (server, "'boom'", "")


class Silent(GenServer):
    """Has the handlers of the base."""


async def raise_something() -> None:
    raise LookupError("plain")


@on_a_node
async def test_a_plain_process_has_its_one_plain_error() -> None:
    ear = await listen()
    pid, ref = await process.spawn_monitor(raise_something, on=process.schedulers() - 1)
    await process.receive(SOON, ref=ref)
    ((logger, text, otp, _),) = await reports(ear)
    assert (logger, otp) == ("otpnode.crash", None)
    assert pid in text


@on_a_node
async def test_a_report_shows_ten_messages_and_is_16_kib_at_most() -> None:
    ear = await listen()
    pid = await Scripted.start(["x" * 10, "ok"])
    await system.suspend(pid)
    await Scripted.cast(pid, "y" * 10**6)
    await Scripted.cast(pid, ("raise", ValueError("z" * 10**6)))
    for number in range(30):
        await process.send(pid, (number, "queued" * 10**4))
    ref = await process.monitor(pid)
    await system.resume(pid)
    await process.receive(SOON, ref=ref)
    ((_, text, otp, _),) = await reports(ear)
    assert [one[:3] for one in otp["mailbox"]] == [f"({number}," for number in range(10)]
    assert len(text) <= 16 * 1024
    assert sum(len(str(part)) for part in otp.values()) <= 16 * 1024


class Worded(GenServer[str]):
    """Fails with what it is cast."""

    def init(self, state: str) -> str:
        return state

    def handle_cast(self, request: object, /) -> None:
        raise ValueError(request)


@pytest.mark.parametrize("character", ["é", "☃", "🦉"])
@on_a_node
async def test_a_report_is_16_kib_of_utf8_at_most(character: str) -> None:
    ear = await listen()
    long = character * 10**4
    # Beginnings that differ, so that some of the cuts would fall inside a character.
    pid = await Worded.start(["xy" + long], label="z" + long)
    await system.suspend(pid)
    await Worded.cast(pid, long)
    for number in range(10):
        await process.send(pid, "q" * number + long)
    ref = await process.monitor(pid)
    await system.resume(pid)
    await process.receive(SOON, ref=ref)
    ((_, text, otp, _),) = await reports(ear)
    assert 8 * 1024 < len(text.encode()) <= 16 * 1024
    assert sum(len(str(part).encode()) for part in otp.values()) <= 16 * 1024
    assert all(character in str(otp[part]) for part in KEYS - {"report", "pid", "shard", "ancestors"})
    assert "\ufffd" not in text


def test_what_utf8_has_no_bytes_for_is_escaped() -> None:
    assert cut("é\ud800", 8) == "é\\ud800"
    assert cut("é\ud800", 7) == "é\\ud80"
    assert cut("é\ud800", 1) == ""


ODD = ("itself", "raising", "recursing", "exiting", "no text", "endless", "unreadable", "nameless", "verbose")
HUGE = ("bytes", "text", "dict", "nested", "dataclass", "struct")


@pytest.mark.parametrize("kind", [*HUGE, *ODD])
@on_a_node
async def test_any_state_is_reported_in_little_memory(kind: str) -> None:
    await a_monster(kind)


@on_a_node(only=("one",), why="it takes a gigabyte and shows nothing that shards add")
async def test_a_list_of_a_hundred_million_is_reported_in_little_memory() -> None:
    await a_monster("list")


async def a_monster(kind: str) -> None:
    """Let a server with this kind of state crash."""
    ear = await listen()
    pid = await Monster.start([kind])
    assert await crash(pid, "boom") == "boom"
    ((_, text, otp, peak),) = await reports(ear)
    assert otp["pid"] == pid
    assert len(text) <= 16 * 1024
    assert "password" not in text
    # What a class by hand does in its time is its own.
    assert 0 < peak < (64 if kind == "verbose" else 1) * MEBIBYTE
    if kind in ODD[1:]:
        assert "that cannot be shown" in otp["state"]


@pytest.mark.parametrize("kind", ["bytes", "dataclass", "list"])
@on_a_node(only=("one",), why="the exception is the reason too, which travels whole")
async def test_an_exception_that_holds_the_state_is_reported_in_little_memory(kind: str) -> None:
    ear = await listen()
    pid = await Monster.start([kind])
    ref = await process.monitor(pid)
    await process.send(pid, "crash")
    await process.receive(30, ref=ref)
    ((_, _, otp, peak),) = await reports(ear)
    assert otp["reason"].startswith("ValueError(")
    assert "in handle_info" in otp["traceback"]
    assert 0 < peak < 16 * MEBIBYTE


@pytest.mark.parametrize("how", ["raises", "exits", "returns nonsense"])
@on_a_node
async def test_a_failing_format_status_costs_the_state_and_not_the_report(how: str) -> None:
    ear = await listen()
    pid = await Misformatted.start([how])
    assert "format_status" in str((await system.get_status(pid)).state)
    assert await crash(pid, "boom") == "boom"
    ((_, _, otp, _),) = await reports(ear)
    assert "format_status" in otp["state"]
    assert how not in otp["state"].replace("returned", "")


@on_a_node
async def test_a_format_status_that_gives_another_process_does_not_change_who_ended() -> None:
    ear = await listen()
    pid = await Misformatted.start(["is somebody else"])
    status = await system.get_status(pid)
    assert (status.pid, status.state) == (pid, "shown")
    assert status.behaviour.endswith("Misformatted")
    assert await crash(pid, "boom") == "boom"
    ((_, _, otp, _),) = await reports(ear)
    assert (otp["pid"], otp["label"], otp["state"]) == (pid, "Misformatted", "'shown'")


class Unready(Supervisor):
    """Its init fails."""

    async def init(self, *args: object) -> Any:
        raise ValueError("no children today")


class Unpacked(Application):
    """The same."""

    async def init(self, *args: object) -> Any:
        raise ValueError("no tree today")


@on_a_node
async def test_supervisors_are_reported_by_their_label() -> None:
    ear = await listen()
    with pytest.raises(otpnode.StartError):
        await Unready.start(label="the top", on=process.schedulers() - 1)
    ((_, _, otp, _),) = await reports(ear)
    assert (otp["label"], otp["ancestors"]) == ("the top", [process.self()])


@on_a_node(only=("one",), why="applications begin on shard 0, and the reports heard are those of the last one")
async def test_applications_are_reported_by_their_label_and_the_controller_above_them() -> None:
    ear = await listen()
    with pytest.raises(otpnode.StartError):
        await Unpacked.start()
    ((_, _, otp, _),) = await reports(ear)
    assert otp["label"] == "application Unpacked"
    assert otp["ancestors"] == [process.whereis("otpnode.applications")]


@on_a_node
async def test_an_id_that_cannot_be_shown_costs_its_part_of_the_report_and_not_the_supervisor() -> None:
    ear = await listen()
    spec = child(Scripted, [process.self()], id=SilentId(1), restart="temporary", on=0)
    sup = await Supervisor.start([spec], on=process.schedulers() - 1)
    ((info,),) = [await Supervisor.which_children(sup)]
    await exit_and_wait(str(info.pid), "boom")
    while await Supervisor.which_children(sup):
        pass
    ((_, text, otp, _),) = await reports(ear)
    assert "SilentId that cannot be shown" in otp["child"]
    assert otp["child"] in text


@on_a_node
async def test_a_failing_log_handler_ends_nobody_who_warns() -> None:
    far = process.schedulers() - 1
    await listen(Broken)
    sup, server = await Supervisor.start([], on=far), await Silent.start(on=far)
    for pid in (sup, server):
        await process.send(pid, "stray")
    await process.exit(sup, "stray")
    assert await Supervisor.which_children(sup) == []
    assert await system.get_state(server) is None


@pytest.mark.rule("ER-02")
@on_a_node
async def test_a_failing_log_handler_costs_the_report_and_not_the_process() -> None:
    await listen(Broken)
    _, ref = await process.spawn_monitor(raise_something, on=process.schedulers() - 1)
    down: Any = await process.receive(SOON, ref=ref)
    assert isinstance(down[4], LookupError)
    pid = await Scripted.start([process.self()])
    await Scripted.cast(pid, ("return", Stop("boom")))
    assert await next_message() == ("terminate", "boom")
    assert await ending_of(pid) in ("boom", "noproc")
    assert await no_message()


def test_what_a_failing_handler_lost_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    handler = Broken()
    crash_log.addHandler(handler)
    try:
        emit(crash_log, "text", {})
    finally:
        crash_log.removeHandler(handler)
    assert "a report of logger otpnode.crash was lost: SystemExit('the disk is full')" in capfd.readouterr().err


@on_a_node
async def test_a_supervisor_reports_deaths_and_its_giving_up() -> None:
    ear = await listen(Ear)
    sup = await Supervisor.start([child(Scripted, name="s", on=0)], max_restarts=1, on=process.schedulers() - 1)
    ref = await process.monitor(sup)
    for _ in range(2):
        pid: Any = None
        while pid is None or not process.is_alive(pid):
            pid = process.whereis("s")
            await process.sleep(0)
        await exit_and_wait(pid, "boom")
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "shutdown"
    found = await reports(ear)
    assert [logger for logger, *_ in found] == ["otpnode.supervisor"] * 3
    assert [otp["report"] for _, _, otp, _ in found] == ["child", "child", "gave_up"]
    assert all(otp["pid"] == sup for _, _, otp, _ in found)
