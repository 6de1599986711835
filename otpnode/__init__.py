"""otpnode: Erlang's processes for Python, on every core.

::

    import otpnode
    from otpnode import process

    async def worker(n): ...

    async def main():
        await process.spawn(worker, [10])

    otpnode.run(main)                  # one event loop
    otpnode.run(main, schedulers=4)    # the same program on four OS processes

Importing this module costs next to nothing: every name loads what it needs when
it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otpnode import process as process
    from otpnode.pid import Pid as Pid
    from otpnode.process.carry import carry as carry
    from otpnode.ref import Ref as Ref
    from otpnode.running import node as node
    from otpnode.running import run as run
    from otpnode.running import stop as stop

__version__ = "0.1.0"

_ERRORS = (
    "AlreadyStartedError",
    "CallCycleError",
    "CallExit",
    "CallTimeoutError",
    "ChildError",
    "MessageTooLargeError",
    "NameAlreadyRegisteredError",
    "NodeDownError",
    "NotInProcessError",
    "OtpnodeError",
    "ProcessExit",
    "ProcessNotFoundError",
    "RemoteError",
    "ShardDownError",
    "StartError",
    "SystemLimitError",
    "UnserializableError",
)

_HOME = {
    "Pid": "otpnode.pid",
    "Ref": "otpnode.ref",
    "carry": "otpnode.process.carry",
    "node": "otpnode.running",
    "run": "otpnode.running",
    "stop": "otpnode.running",
    **dict.fromkeys(_ERRORS, "otpnode.errors"),
}

__all__ = ["process", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    if name == "process":
        return import_module("otpnode.process")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'otpnode' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
