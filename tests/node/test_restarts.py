"""A restart costs nobody else a file descriptor."""

from __future__ import annotations

import pytest

from tests.node.conftest import Launch
from tests.node.support import start

pytestmark = pytest.mark.os_processes


def test_restarts_leave_the_descriptors_of_supervisor_and_survivors_as_they_were(launch: Launch) -> None:
    launch(start("fds:main", schedulers=3, args=("3",))).passes()
