"""``otpnode start app:Web``: a node that is one application and what it depends on (AP-01, AP-02)."""

from __future__ import annotations

import re
import signal

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


@pytest.mark.parametrize(
    ("target", "args"), [pytest.param("Web", ("8080", "x"), id="program"), pytest.param("booted", (), id="by another")]
)
@pytest.mark.parametrize("schedulers", [1, 2])
@pytest.mark.rule("AP-01")
def test_sigterm_stops_applications_in_reverse_and_terminate_runs_when_the_tree_is_down(
    launch: Launch, target: str, args: tuple[str, ...], schedulers: int
) -> None:
    run = launch(start(f"applications:{target}", schedulers=schedulers, args=args))
    begins = " ".join(["Web begins", *args])
    run.line(f"^{begins}$")
    run.kill(signal.SIGTERM)
    run.ends_with(0)
    assert re.findall(r"^.* (?:begins.*|ended|is down: .*)$", run.out, re.MULTILINE) == [
        "Db begins",
        begins,
        "worker of Web ended",
        "Web is down: shutdown",
        "worker of Db ended",
        "Db is down: shutdown",
    ], run.told()


def test_the_node_ends_with_the_tree(launch: Launch) -> None:
    run = launch(start("applications:Stopping"))
    run.ends_with(0)
    assert re.search("^Stopping is down: shutdown$", run.out, re.MULTILINE), run.told()
    assert re.search("^Db is down: shutdown$", run.out, re.MULTILINE), run.told()


def test_an_application_that_does_not_begin_is_1_and_takes_its_dependencies_along(launch: Launch) -> None:
    run = launch(start("applications:Broken"))
    run.ends_with(1)
    assert "broken on purpose" in run.err, run.told()
    assert re.search("^Db is down: shutdown$", run.out, re.MULTILINE), run.told()


@pytest.mark.rule("AP-02")
def test_the_death_of_a_permanent_application_is_exit_status_1(launch: Launch) -> None:
    run = launch(start("applications:permanent"))
    run.ends_with(1)
    assert re.search("^Web is down: shutdown$", run.out, re.MULTILINE), run.told()
    assert re.search("^Db is down: shutdown$", run.out, re.MULTILINE), run.told()
    assert "application Web (permanent) ended: 'shutdown'; the node stops" in run.err, run.told()


def test_a_class_that_is_no_program_is_a_usage_error(launch: Launch) -> None:
    run = launch(start("applications:NoProgram"))
    run.ends_with(2)
    assert "is a type, not a coroutine function" in run.err, run.told()
