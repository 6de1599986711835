"""Whether a trace is one that Erlang allows.

    python -m tests.beam.compare SCENARIO.json ORACLE.trace CANDIDATE.trace

What may differ is not of otpnode but of the world (SEMANTICS §23.2):

N1  neighbouring EXIT and DOWN items of one list are a set: the order of signals that
    different deaths cause is free, and so is EXIT against DOWN of one death.
N2  the result of an operation by an actor that dies in that very step is free.
N3  a scenario with concurrent steps must come to one of the recorded outcomes, or pass
    `tests.beam.invariants`: the outcomes are a sample.
"""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

from tests.beam.invariants import violations
from tests.beam.mappings import after_crash
from tests.beam.scenario import Scenario, load

_LIST = re.compile(r"(.* -> )\[(.*)\]$")
_STEP = re.compile(r"\d{3} ")
_DEATH = re.compile(r"      ! (\S+) died ")
_RESULT = re.compile(r"(\d{3} (\S+) .* -> )")


def items(body: str) -> list[str]:
    """Split what stands between brackets at its own commas."""
    out: list[str] = []
    depth, current = 0, ""
    for character in body:
        depth += character in "([{"
        depth -= character in ")]}"
        if character == "," and depth == 0:
            out.append(current)
            current = ""
        else:
            current += character
    return [*out, current] if current else out


def _sorted_runs(body: str) -> str:
    out: list[str] = []
    run: list[str] = []
    for item in items(body):
        if item.startswith(("(EXIT,", "(DOWN,")):
            run.append(item)
        else:
            out += [*sorted(run), item]
            run = []
    return f"[{','.join(out + sorted(run))}]"


def normalise(text: str, scenario: Scenario) -> str:
    """Return a trace in the form in which allowed ones are equal (N1, N2, and §23.4 after a crash)."""
    lines: list[str | None] = []
    for line in after_crash(text.rstrip("\n").split("\n"), scenario):
        found = _LIST.match(line)
        lines.append(found.group(1) + _sorted_runs(found.group(2)) if found else line)
    block = 0
    for index, shown in enumerate(list(lines)):
        if shown is None:
            continue
        if _STEP.match(shown) and (index == 0 or not (lines[index - 1] or "").startswith(shown[:4])):
            block = index
        death = _DEATH.match(shown)
        if death:
            _free_results(lines, block, index, death.group(1))
    return "\n".join(line for line in lines if line is not None)


def _free_results(lines: list[str | None], start: int, end: int, actor: str) -> None:
    """Forget what an actor's operations came to in the step in which it died (N2)."""
    for index in range(start, end):
        line = lines[index]
        result = _RESULT.match(line or "")
        if result and result.group(2) == actor:
            lines[index] = result.group(1) + "(died)"
        elif line is not None and line.startswith(f"      ~ {actor} step"):
            lines[index] = None


def outcomes(text: str, scenario: Scenario) -> list[str]:
    """Return the distinct traces of a file, normalised: more than one when it was recorded with ``--repeat``."""
    parts = re.split(r"^== outcome.*\n", text, flags=re.MULTILINE)
    return sorted({normalise(part, scenario) for part in parts if part.strip()})


def difference(oracle: str, candidate: str, scenario: Scenario) -> str:
    """Return how `candidate` differs from all that `oracle` allows; empty when it does not."""
    allowed = outcomes(oracle, scenario)
    for trace in outcomes(candidate, scenario):
        if trace in allowed:
            continue
        wrong = violations(trace, scenario) if scenario.concurrent else ["no recorded trace is equal"]
        if wrong:
            return "\n".join([*wrong, _shown(allowed, trace)])
    return ""


def _shown(allowed: list[str], trace: str) -> str:
    lines = trace.splitlines()

    def distance(other: str) -> int:
        return sum(1 for line in difflib.ndiff(other.splitlines(), lines) if line[:1] in "+-")

    closest = min(allowed, key=distance).splitlines()
    return "\n".join(difflib.unified_diff(closest, lines, "Erlang (closest)", "otpnode", lineterm="", n=4))


def steps(oracle: str, scenario: Scenario) -> int:
    """Count the steps that are compared: those of one outcome, up to where the comparison ends."""
    return sum(1 for line in outcomes(oracle, scenario)[0].split("\n") if _STEP.match(line))


def main(scenario: str, oracle: str, candidate: str) -> int:
    """Print the difference; the exit code says whether there is one."""
    found = difference(Path(oracle).read_text("utf-8"), Path(candidate).read_text("utf-8"), load(scenario))
    if found:
        print(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
