"""What holds in every trace, whatever the order of concurrent steps: SEMANTICS §23.3, as far as a trace shows it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tests.beam.scenario import Scenario

_STEP = re.compile(r"\d{3} (\S+) (\S+)(.*) -> (.*)$")
_LATE = re.compile(r"      ~ (\S+) step \d+ -> (.*)$")
_DEATH = re.compile(r"      ! (\S+) died (.*)$")
_MESSAGE = re.compile(r"\(([a-z]),(\d+)\)")
_DOWN = re.compile(r"\(\w+,(#\w+),process,")
_ALIVE = re.compile(r"   (\S+) alive links=\{(.*?)\} monitors=\{(.*?)\} monitored_by=\{(.*?)\} ")
_DEAD = re.compile(r"   (\S+) dead (.*)$")
_PID = re.compile(r"<([^>]*)>")


def violations(trace: str, scenario: Scenario) -> list[str]:
    """Return what a trace of concurrent steps breaks."""
    lines = trace.split("\n")
    return [*_fifo(lines), *_downs(lines), *_deaths(lines), *_final(lines), *_shape(lines, scenario)]


def _shape(lines: list[str], scenario: Scenario) -> Iterator[str]:
    """Check that every step is there, and nothing waits that should not (I7)."""
    if "-- final" not in lines:
        yield "the trace has no end"
    numbers = {line[:3] for line in lines if _STEP.match(line)}
    if len(numbers) != len(scenario.script):
        yield f"{len(scenario.script)} steps, but {len(numbers)} in the trace"
    for line in lines:
        step = _STEP.match(line)
        if step and step.group(4) == "(blocked)" and step.group(2) != "recv":
            yield f"I7: blocked: {line}"


def _taken(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each actor with what it has taken out of its mailbox, in order."""
    for line in lines:
        step = _STEP.match(line)
        if step and step.group(2) in ("flush", "recv"):
            yield step.group(1), step.group(4)
        late = _LATE.match(line)
        if late:
            yield late.group(1), late.group(2)


def _fifo(lines: list[str]) -> Iterator[str]:
    """I1: messages ``(sender, n)`` of one sender come in the order of sending, each once."""
    last: dict[tuple[str, str], int] = {}
    for actor, text in _taken(lines):
        for sender, number in _MESSAGE.findall(text):
            if int(number) <= last.get((sender, actor), -1):
                yield f"I1: {actor} took ({sender},{number}) after ({sender},{last[sender, actor]})"
            last[sender, actor] = int(number)


def _downs(lines: list[str]) -> Iterator[str]:
    """I2 and I4: a monitor fires once at most, and not after demonitor with flush."""
    fired: Counter[str] = Counter()
    ended: set[tuple[str, str]] = set()
    for line in lines:
        step = _STEP.match(line)
        if step is None:
            continue
        actor, op, rest, result = step.groups()
        if op in ("flush", "recv"):
            for ref in _DOWN.findall(result):
                fired[ref] += 1
                if fired[ref] > 1:
                    yield f"I2: {ref} fired twice"
                if (actor, ref) in ended:
                    yield f"I4: {ref} fired at {actor} after demonitor"
        elif op == "demonitor" and "flush" in rest and result in ("true", "false"):
            ended.add((actor, rest.split()[0]))


def _deaths(lines: list[str]) -> Iterator[str]:
    """Check that each actor dies once at most, of what the end of the trace says."""
    died: dict[str, str] = {}
    for line in lines:
        death = _DEATH.match(line)
        if death:
            if death.group(1) in died:
                yield f"{death.group(1)} died twice"
            died[death.group(1)] = death.group(2)
    finally_dead = {found.group(1): found.group(2) for line in lines if (found := _DEAD.match(line))}
    if died != finally_dead:
        yield f"deaths {died} and at the end {finally_dead}"


def _final(lines: list[str]) -> Iterator[str]:
    """I3, I6: links are mutual and between the living; monitors are known at both ends."""
    links: dict[str, list[str]] = {}
    watching: Counter[tuple[str, str]] = Counter()
    watched: Counter[tuple[str, str]] = Counter()
    for line in lines:
        alive = _ALIVE.match(line)
        if alive:
            actor = alive.group(1)
            links[actor] = _PID.findall(alive.group(2))
            watching.update((actor, other) for other in _PID.findall(alive.group(3)))
            watched.update((other, actor) for other in _PID.findall(alive.group(4)))
    for actor, others in links.items():
        for other in others:
            if actor not in links.get(other, ()):
                yield f"I3/I6: {actor} is linked with {other}, which does not know or is dead"
    watching = Counter({pair: count for pair, count in watching.items() if pair[1] in links})
    if watching != watched:
        yield f"I2: watching {dict(watching)}, watched {dict(watched)}"
