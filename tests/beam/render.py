"""Values as the oracle prints them."""

from __future__ import annotations

from otpnode import process
from otpnode.pid import is_pid
from otpnode.ref import is_ref
from tests.beam.actor import Bag, Raw
from tests.beam.mappings import uncaught
from tests.beam.scenario import Step


class Names:
    """Who is called what: pids by actor, refs by label, and back."""

    def __init__(self) -> None:
        self.pids: dict[str, str] = {}
        self.actors: dict[str, str] = {}
        self.refs: dict[str, str] = {}
        self.labels: dict[str, str] = {}

    def call(self, actor: str, pid: str) -> None:
        """Let `pid` be known as `actor`."""
        self.pids[actor] = pid
        self.actors[pid] = actor

    def label(self, label: str, ref: str) -> None:
        """Let `ref` be known as `label`."""
        self.refs[label] = ref
        self.labels[ref] = label

    # -- from the scenario ----------------------------------------------------

    def resolve(self, value: object) -> object:
        """Return what a value of the scenario means now; nothing known is a tuple no verb takes."""
        if isinstance(value, str):
            if value.startswith("@"):
                return self.pids.get(value[1:], ("$unresolved", value[1:]))
            return self.refs.get(value[1:], ("$unresolved", value[1:])) if value.startswith("#") else value
        if isinstance(value, list):
            return tuple(self.resolve(each) for each in value)
        if isinstance(value, dict):
            if "list" in value:
                return [self.resolve(each) for each in value["list"]]
            return {key: self.resolve(each) for key, each in value.items()}
        return value

    # -- to the trace ---------------------------------------------------------

    def text(self, value: object) -> str:
        """Return the canonical form of a value."""
        if isinstance(value, Raw):
            return value.text
        if isinstance(value, Bag):
            return "{" + ",".join(sorted(self.text(each) for each in value.items)) + "}"
        if isinstance(value, str):
            return self._word(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, tuple):
            if len(value) == 2 and value[1] == process.node_name():
                return f"({self.text(value[0])},node)"
            return "(" + ",".join(self.text(each) for each in value) + ")"
        if isinstance(value, list):
            return "[" + ",".join(self.text(each) for each in value) + "]"
        if isinstance(value, dict):
            return "{" + ",".join(f"{self.text(key)}:{self.text(value[key])}" for key in sorted(value)) + "}"
        if isinstance(value, BaseException):
            kind = uncaught(value)
            return repr(value) if kind is None else f"{kind[0]}({self.text(kind[1])})"
        return "undefined" if value is None else repr(value)

    def _word(self, word: str) -> str:
        if is_pid(word):
            return f"<{self.actors.get(word, '?')}>"
        return f"#{self.labels.get(word, '?')}" if is_ref(word) else word


def step_text(number: int, step: Step) -> str:
    """Return how a step is printed before its result."""
    actor, *rest = step
    return f"{number:03} {actor} {' '.join(_argument(each) for each in rest)}"


def _argument(value: object) -> str:
    if isinstance(value, list):
        return "(" + ",".join(_argument(each) for each in value) + ")"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_argument(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "undefined" if value is None else str(value)
