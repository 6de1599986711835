"""§21.2 explored exhaustively; and the model sees it when a transition is wrong."""

from __future__ import annotations

import pytest

from otpnode.process.relations import LinkTable
from tests.models.links import Protocol


@pytest.mark.parametrize("ops", [1, 2])
def test_every_interleaving_of_the_link_protocol(ops: int) -> None:
    states, wrong = Protocol().explore(ops)
    assert not wrong
    assert states > (100 if ops == 1 else 5_000)


@pytest.mark.slow
def test_every_interleaving_of_three_operations_a_side() -> None:
    states, wrong = Protocol().explore(3)
    assert not wrong
    assert states > 100_000


class Reactivates(LinkTable):
    """LINK makes an inactive record active."""

    def linked(self, pid: str) -> None:
        super().linked(pid)
        self.records[pid].active = True


class AnyAck(LinkTable):
    """An ack ends an unlink whatever its id."""

    def acked(self, pid: str, unlink_id: int) -> None:
        record = self.records.get(pid)
        super().acked(pid, 0 if record is None else record.unlink_id)


class ForgetsAtOnce(LinkTable):
    """Unlink drops the record and waits for no ack."""

    def unlink(self, pid: str) -> int:
        unlink_id = super().unlink(pid)
        if unlink_id:
            self.drop(pid)
        return unlink_id


class ExitIgnoresState(LinkTable):
    """EXIT acts over an inactive link too."""

    def exited(self, pid: str) -> bool:
        return self.records.pop(pid, None) is not None


@pytest.mark.parametrize("table", [Reactivates, AnyAck, ForgetsAtOnce])
def test_the_model_sees_a_wrong_transition(table: type[LinkTable]) -> None:
    assert Protocol(table).explore(2)[1] or Protocol(table).explore(3)[1]


def test_the_model_sees_a_missing_answer() -> None:
    assert "a death was never told" in Protocol(noproc=False).explore(2)[1]
    assert "an unlink is never over" in Protocol(acks=False).explore(2)[1]


def test_the_model_sees_a_priority_lane() -> None:
    assert "an EXIT overtook a message" in Protocol(ordered=False).explore(2)[1]
