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
    from otpnode.behaviours.application.application import Application as Application
    from otpnode.behaviours.common import system as system
    from otpnode.behaviours.common.control import IGNORE as IGNORE
    from otpnode.behaviours.common.control import NO_REPLY as NO_REPLY
    from otpnode.behaviours.common.control import Continue as Continue
    from otpnode.behaviours.common.control import Init as Init
    from otpnode.behaviours.common.control import NoReply as NoReply
    from otpnode.behaviours.common.control import Reply as Reply
    from otpnode.behaviours.common.control import Sender as Sender
    from otpnode.behaviours.common.control import Status as Status
    from otpnode.behaviours.common.control import Stop as Stop
    from otpnode.behaviours.common.control import Timeout as Timeout
    from otpnode.behaviours.common.wire import reply as reply
    from otpnode.behaviours.naming import pg as pg
    from otpnode.behaviours.naming.registry import Registry as Registry
    from otpnode.behaviours.naming.registry import Via as Via
    from otpnode.behaviours.server.agent import Agent as Agent
    from otpnode.behaviours.server.gen_server import GenServer as GenServer
    from otpnode.behaviours.statem.events import Called as Called
    from otpnode.behaviours.statem.events import EventKind as EventKind
    from otpnode.behaviours.statem.events import EventTimeout as EventTimeout
    from otpnode.behaviours.statem.events import Keep as Keep
    from otpnode.behaviours.statem.events import NamedTimeout as NamedTimeout
    from otpnode.behaviours.statem.events import Next as Next
    from otpnode.behaviours.statem.events import NextEvent as NextEvent
    from otpnode.behaviours.statem.events import Postpone as Postpone
    from otpnode.behaviours.statem.events import Repeat as Repeat
    from otpnode.behaviours.statem.events import ReplyTo as ReplyTo
    from otpnode.behaviours.statem.events import StateTimeout as StateTimeout
    from otpnode.behaviours.statem.events import TimedOut as TimedOut
    from otpnode.behaviours.statem.gen_statem import GenStatem as GenStatem
    from otpnode.behaviours.supervision.dynamic_supervisor import DynamicSupervisor as DynamicSupervisor
    from otpnode.behaviours.supervision.partition_supervisor import PartitionSupervisor as PartitionSupervisor
    from otpnode.behaviours.supervision.specs import ChildInfo as ChildInfo
    from otpnode.behaviours.supervision.specs import ChildSpec as ChildSpec
    from otpnode.behaviours.supervision.specs import DynamicSpec as DynamicSpec
    from otpnode.behaviours.supervision.specs import SupervisorSpec as SupervisorSpec
    from otpnode.behaviours.supervision.specs import child as child
    from otpnode.behaviours.supervision.supervisor import Supervisor as Supervisor
    from otpnode.behaviours.tasks.map import TaskMap as TaskMap
    from otpnode.behaviours.tasks.task import Done as Done
    from otpnode.behaviours.tasks.task import Exited as Exited
    from otpnode.behaviours.tasks.task import Task as Task
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
    "GenServer": "otpnode.behaviours.server.gen_server",
    "GenStatem": "otpnode.behaviours.statem.gen_statem",
    "Called": "otpnode.behaviours.statem.events",
    "EventKind": "otpnode.behaviours.statem.events",
    "EventTimeout": "otpnode.behaviours.statem.events",
    "Keep": "otpnode.behaviours.statem.events",
    "NamedTimeout": "otpnode.behaviours.statem.events",
    "Next": "otpnode.behaviours.statem.events",
    "NextEvent": "otpnode.behaviours.statem.events",
    "Postpone": "otpnode.behaviours.statem.events",
    "Repeat": "otpnode.behaviours.statem.events",
    "ReplyTo": "otpnode.behaviours.statem.events",
    "StateTimeout": "otpnode.behaviours.statem.events",
    "TimedOut": "otpnode.behaviours.statem.events",
    "Registry": "otpnode.behaviours.naming.registry",
    "Via": "otpnode.behaviours.naming.registry",
    "Supervisor": "otpnode.behaviours.supervision.supervisor",
    "Application": "otpnode.behaviours.application.application",
    "DynamicSupervisor": "otpnode.behaviours.supervision.dynamic_supervisor",
    "PartitionSupervisor": "otpnode.behaviours.supervision.partition_supervisor",
    "DynamicSpec": "otpnode.behaviours.supervision.specs",
    "ChildInfo": "otpnode.behaviours.supervision.specs",
    "ChildSpec": "otpnode.behaviours.supervision.specs",
    "SupervisorSpec": "otpnode.behaviours.supervision.specs",
    "child": "otpnode.behaviours.supervision.specs",
    "Agent": "otpnode.behaviours.server.agent",
    "Done": "otpnode.behaviours.tasks.task",
    "Exited": "otpnode.behaviours.tasks.task",
    "Task": "otpnode.behaviours.tasks.task",
    "TaskMap": "otpnode.behaviours.tasks.map",
    "IGNORE": "otpnode.behaviours.common.control",
    "NO_REPLY": "otpnode.behaviours.common.control",
    "Continue": "otpnode.behaviours.common.control",
    "Init": "otpnode.behaviours.common.control",
    "NoReply": "otpnode.behaviours.common.control",
    "Reply": "otpnode.behaviours.common.control",
    "Sender": "otpnode.behaviours.common.control",
    "Status": "otpnode.behaviours.common.control",
    "Stop": "otpnode.behaviours.common.control",
    "Timeout": "otpnode.behaviours.common.control",
    "reply": "otpnode.behaviours.common.wire",
    **dict.fromkeys(_ERRORS, "otpnode.errors"),
}

_MODULES = {
    "pg": "otpnode.behaviours.naming.pg",
    "process": "otpnode.process",
    "system": "otpnode.behaviours.common.system",
}

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
