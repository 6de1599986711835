"""SIGINT at a script that runs on one loop, while something computes there and never awaits."""

from __future__ import annotations

import signal

import pytest

from tests.node.conftest import Launch
from tests.node.support import script

pytestmark = pytest.mark.os_processes

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


@LOOPS
@pytest.mark.parametrize("what", ["items", "processes", "children", "refuses"])
def test_the_second_sigint_ends_it_now(launch: Launch, what: str, loop: str) -> None:
    run = launch(script("one_loop", what, loop))
    run.line("^computing")
    run.kill(signal.SIGINT)
    run.line("^pressed")
    assert run.popen.poll() is None, f"the first signal was not orderly{run.told()}"
    run.kill(signal.SIGINT)
    run.ends_with(-signal.SIGINT)
    assert run.out.count("pressed") == 2, run.told()
    assert run.out.count("computing") == 1, f"something else began{run.told()}"
    assert run.out.count("KeyboardInterrupt at the caller") == 1, run.told()


@LOOPS
def test_the_third_sigint_ends_code_that_swallows_the_second(launch: Launch, loop: str) -> None:
    run = launch(script("one_loop", "swallows", loop))
    run.line("^computing")
    run.kill(signal.SIGINT)
    run.line("^pressed")
    run.kill(signal.SIGINT)
    run.line("^swallowed")
    run.kill(signal.SIGINT)
    run.ends_with(-signal.SIGINT)
