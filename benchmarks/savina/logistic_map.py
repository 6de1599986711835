"""LogisticMap: series x ← r·x·(1 − x), each term asked of a server that knows r.

Stresses calls, one at a time from many; `series`, and the `terms` of each.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, collect
from otpnode import GenServer, Sender, process

START_RATE, INCREMENT, X = 3.46, 0.0025, 0.5


class RateComputer(GenServer):
    """Knows a rate and computes terms with it."""

    def init(self, rate: float) -> float:
        return rate

    def handle_call(self, term: float, sender: Sender, /) -> float:
        return self.state * term * (1 - term)


async def one_series(number: int, boss: str, computer: str, terms: int) -> None:
    """Ask for term after term; report the last."""
    term = X
    for _ in range(terms):
        term = await RateComputer.call(computer, term)
    await process.send(boss, (number, term))


async def main(series: int, terms: int) -> object:
    """Return the last terms of all series."""
    computers = [
        await RateComputer.start_link([START_RATE + number * INCREMENT], on="spread") for number in range(series)
    ]
    for number, computer in enumerate(computers):
        await process.spawn_link(one_series, [number, process.self(), computer, terms])
    last = [term for _, term in sorted(await collect(series))]
    for computer in computers:
        await RateComputer.stop(computer)
    return last


def answer(series: int, terms: int) -> object:
    """The same arithmetic in a loop."""
    last = []
    for number in range(series):
        term, rate = X, START_RATE + number * INCREMENT
        for _ in range(terms):
            term = rate * term * (1 - term)
        last.append(term)
    return last


PROGRAM = Program(
    "LogisticMap",
    main,
    answer,
    {"series": 10, "terms": 3_000},
    {"series": 3, "terms": 20},
    erlang="logistic_map",
    note="servers on='spread'",
)
