"""BankTransaction: a teller has accounts pay each other; an account waits for the other's receipt.

Stresses servers that call servers; `accounts`, `transactions`, at most 50 of them under way.
Money goes to an account of a higher number only, so that no two wait for each other.
"""

from __future__ import annotations

from benchmarks.savina.program import Program, checksum, numbers
from otpnode import GenServer, Sender, process

UNDER_WAY = 50


class Account(GenServer):
    """Keeps a balance."""

    def init(self, balance: int) -> int:
        return balance

    async def handle_cast(self, request: tuple, /) -> None:
        match request:
            case ("pay", amount, other, teller):
                self.state -= amount
                await Account.call(other, ("credit", amount))
                await process.send(teller, "paid")

    def handle_call(self, request: tuple, sender: Sender, /) -> object:
        match request:
            case ("credit", amount):
                self.state += amount
                return "received"
            case _:
                return self.state


def payments(accounts: int, transactions: int) -> list[tuple[int, int, int]]:
    """Return who pays, who gets it, and how much."""
    random = numbers(accounts)
    made = []
    for _ in range(transactions):
        source = next(random) % (accounts * 8 // 10)
        made.append((source, source + max(1, next(random) % (accounts - source)), next(random) % 1_000))
    return made


async def main(accounts: int, transactions: int) -> object:
    """Be the teller; return the sum of all balances and their checksum."""
    pids = [await Account.start_link([1_000_000], on="spread") for _ in range(accounts)]
    under_way = 0
    for source, target, amount in payments(accounts, transactions):
        if under_way == UNDER_WAY:
            await process.receive()
            under_way -= 1
        await Account.cast(pids[source], ("pay", amount, pids[target], process.self()))
        under_way += 1
    for _ in range(under_way):
        await process.receive()
    balances = [await Account.call(pid, ("balance",)) for pid in pids]
    for pid in pids:
        await Account.stop(pid)
    return [sum(balances), checksum(balances)]


def answer(accounts: int, transactions: int) -> object:
    """Book every payment at once."""
    balances = [1_000_000] * accounts
    for source, target, amount in payments(accounts, transactions):
        balances[source] -= amount
        balances[target] += amount
    return [sum(balances), checksum(balances)]


PROGRAM = Program(
    "BankTransaction",
    main,
    answer,
    {"accounts": 100, "transactions": 15_000},
    {"accounts": 10, "transactions": 60},
    erlang="bank",
    note="servers on='spread'",
)
