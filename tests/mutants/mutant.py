"""What a mutant is: one line of the package made wrong, and the tests that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One wrong line.

    Attributes:
        rule: what it breaks.
        file: below ``otpnode/``.
        old: text that stands there exactly once.
        new: what stands there instead.
        tests: arguments of pytest: the selection that must fail.
    """

    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        changed = next((line.strip() for line in self.new.splitlines() if line not in self.old.splitlines()), "(gone)")
        return f"{self.rule} {self.file}: {changed}"


def programs(*names: str, only: str = "") -> tuple[str, ...]:
    """Select semantic programs whose names begin with one of `names`, on one loop and on two shards in memory."""
    where = f"{only}-" if only else "not pipe"
    return ("tests/semantics/test_rules.py", "-k", f"({' or '.join(names)}) and {where}")


def unit(file: str, words: str) -> tuple[str, ...]:
    """Select tests of one file by words of their names."""
    return (f"tests/{file}", "-k", words)
