"""SV-07, FS-03: the deadline of a shutdown stands before the order to stop, so a busy child cannot outlast it."""

from __future__ import annotations

from typing import Any

import pytest

from otpnode import process
from otpnode.behaviours.server.gen_server import GenServer
from otpnode.behaviours.supervision.specs import child
from otpnode.behaviours.supervision.supervisor import Supervisor
from otpnode.process.current import here
from tests.behaviours.children import started, stopped, worker
from tests.behaviours.servers import SOON, on_a_node


class Spinning(GenServer[None]):
    """Answers the order to stop with a loop that never awaits."""

    trap_exits = True

    async def init(self, watcher: str) -> None:
        await process.send(watcher, ("started", "s", process.self()))

    def terminate(self, reason: object, /) -> None:
        while True:
            len(str(reason))


@pytest.mark.parametrize("where", ["local", 0])
@on_a_node
async def test_sv07_a_child_that_never_awaits_again_is_killed_at_the_deadline(where: Any) -> None:
    # 'local' is beside its supervisor, which cannot run either; 0 is beside this process, which has to wait too.
    sup = await Supervisor.start([child(Spinning, [process.self()], shutdown=0.1, on=where)])
    pid = (await started("s"))["s"]
    ref = await process.monitor(pid)
    await Supervisor.stop(sup)
    down: Any = await process.receive(SOON, ref=ref)
    assert down[4] == "killed"


@on_a_node
async def test_sv07_a_child_that_stops_in_time_leaves_no_deadline_behind() -> None:
    sup = await Supervisor.start([worker(process.self(), "w", shutdown=600.0, on="local")], on="local")
    await started("w")
    await Supervisor.stop(sup)
    await stopped("w")
    assert not here().timers
