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
    from otpnode.behaviours import pg as pg
    from otpnode.behaviours import system as system
    from otpnode.behaviours.agent import Agent as Agent
    from otpnode.behaviours.application import Application as Application
    from otpnode.behaviours.control import IGNORE as IGNORE
    from otpnode.behaviours.control import NO_REPLY as NO_REPLY
    from otpnode.behaviours.control import Continue as Continue
    from otpnode.behaviours.control import Init as Init
    from otpnode.behaviours.control import NoReply as NoReply
    from otpnode.behaviours.control import Reply as Reply
    from otpnode.behaviours.control import Sender as Sender
    from otpnode.behaviours.control import Status as Status
    from otpnode.behaviours.control import Stop as Stop
    from otpnode.behaviours.control import Timeout as Timeout
    from otpnode.behaviours.dynamic_supervisor import DynamicSupervisor as DynamicSupervisor
    from otpnode.behaviours.events import Called as Called
    from otpnode.behaviours.events import EventKind as EventKind
    from otpnode.behaviours.events import EventTimeout as EventTimeout
    from otpnode.behaviours.events import Keep as Keep
    from otpnode.behaviours.events import NamedTimeout as NamedTimeout
    from otpnode.behaviours.events import Next as Next
    from otpnode.behaviours.events import NextEvent as NextEvent
    from otpnode.behaviours.events import Postpone as Postpone
    from otpnode.behaviours.events import Repeat as Repeat
    from otpnode.behaviours.events import ReplyTo as ReplyTo
    from otpnode.behaviours.events import StateTimeout as StateTimeout
    from otpnode.behaviours.events import TimedOut as TimedOut
    from otpnode.behaviours.gen_server import GenServer as GenServer
    from otpnode.behaviours.gen_statem import GenStatem as GenStatem
    from otpnode.behaviours.partition_supervisor import PartitionSupervisor as PartitionSupervisor
    from otpnode.behaviours.registry import Registry as Registry
    from otpnode.behaviours.registry import Via as Via
    from otpnode.behaviours.specs import ChildInfo as ChildInfo
    from otpnode.behaviours.specs import ChildSpec as ChildSpec
    from otpnode.behaviours.specs import DynamicSpec as DynamicSpec
    from otpnode.behaviours.specs import SupervisorSpec as SupervisorSpec
    from otpnode.behaviours.specs import child as child
    from otpnode.behaviours.supervisor import Supervisor as Supervisor
    from otpnode.behaviours.task import Done as Done
    from otpnode.behaviours.task import Exited as Exited
    from otpnode.behaviours.task import Task as Task
    from otpnode.behaviours.task_map import TaskMap as TaskMap
    from otpnode.behaviours.wire import reply as reply
    from otpnode.errors import AlreadyRegisteredError as AlreadyRegisteredError
    from otpnode.errors import AlreadyStartedError as AlreadyStartedError
    from otpnode.errors import CallCycleError as CallCycleError
    from otpnode.errors import CallExit as CallExit
    from otpnode.errors import CallTimeoutError as CallTimeoutError
    from otpnode.errors import ChildError as ChildError
    from otpnode.errors import MessageTooLargeError as MessageTooLargeError
    from otpnode.errors import NameAlreadyRegisteredError as NameAlreadyRegisteredError
    from otpnode.errors import NodeDownError as NodeDownError
    from otpnode.errors import NotInProcessError as NotInProcessError
    from otpnode.errors import OtpnodeError as OtpnodeError
    from otpnode.errors import ProcessExit as ProcessExit
    from otpnode.errors import ProcessNotFoundError as ProcessNotFoundError
    from otpnode.errors import RemoteError as RemoteError
    from otpnode.errors import ShardDownError as ShardDownError
    from otpnode.errors import StartError as StartError
    from otpnode.errors import SystemLimitError as SystemLimitError
    from otpnode.errors import TaskExit as TaskExit
    from otpnode.errors import TaskTimeoutError as TaskTimeoutError
    from otpnode.errors import UnserializableError as UnserializableError
    from otpnode.pid import Pid as Pid
    from otpnode.process.carry import carry as carry
    from otpnode.ref import Ref as Ref
    from otpnode.running import node as node
    from otpnode.running import run as run
    from otpnode.running import stop as stop

__version__ = "0.1.0"

_ERRORS = (
    "AlreadyRegisteredError",
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
    "TaskExit",
    "TaskTimeoutError",
    "UnserializableError",
)

_HOME = {
    "Pid": "otpnode.pid",
    "Ref": "otpnode.ref",
    "carry": "otpnode.process.carry",
    "node": "otpnode.running",
    "run": "otpnode.running",
    "stop": "otpnode.running",
    "GenServer": "otpnode.behaviours.gen_server",
    "GenStatem": "otpnode.behaviours.gen_statem",
    "Called": "otpnode.behaviours.events",
    "EventKind": "otpnode.behaviours.events",
    "EventTimeout": "otpnode.behaviours.events",
    "Keep": "otpnode.behaviours.events",
    "NamedTimeout": "otpnode.behaviours.events",
    "Next": "otpnode.behaviours.events",
    "NextEvent": "otpnode.behaviours.events",
    "Postpone": "otpnode.behaviours.events",
    "Repeat": "otpnode.behaviours.events",
    "ReplyTo": "otpnode.behaviours.events",
    "StateTimeout": "otpnode.behaviours.events",
    "TimedOut": "otpnode.behaviours.events",
    "Registry": "otpnode.behaviours.registry",
    "Via": "otpnode.behaviours.registry",
    "Supervisor": "otpnode.behaviours.supervisor",
    "Application": "otpnode.behaviours.application",
    "DynamicSupervisor": "otpnode.behaviours.dynamic_supervisor",
    "PartitionSupervisor": "otpnode.behaviours.partition_supervisor",
    "DynamicSpec": "otpnode.behaviours.specs",
    "ChildInfo": "otpnode.behaviours.specs",
    "ChildSpec": "otpnode.behaviours.specs",
    "SupervisorSpec": "otpnode.behaviours.specs",
    "child": "otpnode.behaviours.specs",
    "Agent": "otpnode.behaviours.agent",
    "Done": "otpnode.behaviours.task",
    "Exited": "otpnode.behaviours.task",
    "Task": "otpnode.behaviours.task",
    "TaskMap": "otpnode.behaviours.task_map",
    "IGNORE": "otpnode.behaviours.control",
    "NO_REPLY": "otpnode.behaviours.control",
    "Continue": "otpnode.behaviours.control",
    "Init": "otpnode.behaviours.control",
    "NoReply": "otpnode.behaviours.control",
    "Reply": "otpnode.behaviours.control",
    "Sender": "otpnode.behaviours.control",
    "Status": "otpnode.behaviours.control",
    "Stop": "otpnode.behaviours.control",
    "Timeout": "otpnode.behaviours.control",
    "reply": "otpnode.behaviours.wire",
    **dict.fromkeys(_ERRORS, "otpnode.errors"),
}

_MODULES = {"pg": "otpnode.behaviours.pg", "process": "otpnode.process", "system": "otpnode.behaviours.system"}

__all__ = [*_MODULES, *sorted(_HOME)]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(_MODULES[name])
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'otpnode' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
