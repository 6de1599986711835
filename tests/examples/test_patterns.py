"""The three patterns of the specification print the same in every mode."""

from __future__ import annotations

import pytest

from tests.examples.running import MODES, command, run

EXPECTED = {
    "pool": "".join(f"{n} squared is {n * n}\n" for n in range(25))
    + "10 workers: "
    + ", ".join(f"worker_{i}" for i in range(10))
    + "\n",
    "monitor": (
        "10 / 4 returned 2.5\n"
        "10 / 0 failed: ZeroDivisionError: division by zero\n"
        "a forgetful one ended without a result: 'normal'\n"
        "an endless one, killed, ended without a result: 'killed'\n"
        "and main is alive: True\n"
    ),
    "link_cleanup": (
        "the resource answers 42\n"
        "session ended: 'normal'\n"
        "manager ended: 'normal'\n"
        "manager alive: False\n"
        "the resource answers 42\n"
        "session ended: RuntimeError('the session failed')\n"
        "manager ended: RuntimeError('the session failed')\n"
        "manager alive: False\n"
    ),
}

CRASHES = {"pool": 0, "monitor": 1, "link_cleanup": 1}
"""How many processes of an example end by an exception of their own; one that a link takes along is none of them."""


@pytest.mark.os_processes
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_prints_the_same_in_every_mode(name: str, mode: str) -> None:
    done = run(command(name, mode))
    assert done.stdout == EXPECTED[name]
    assert done.stderr.count("Traceback (most recent call last)") == CRASHES[name], done.stderr
