"""The verbs of processes: ``from otpnode import process``.

Everything a process can do to itself and to others, the same on one event loop and
across shards. Behaviours (`otpnode.GenServer` and its family) are built on these
names and on nothing else.
"""

from otpnode.errors import (
    AlreadyRegisteredError,
    AlreadyStartedError,
    CallCycleError,
    CallExit,
    CallTimeoutError,
    ChildError,
    MessageTooLargeError,
    NameAlreadyRegisteredError,
    NodeDownError,
    NotInProcessError,
    OtpnodeError,
    ProcessExit,
    ProcessNotFoundError,
    RemoteError,
    ShardDownError,
    StartError,
    SystemLimitError,
    TaskExit,
    TaskTimeoutError,
    UnserializableError,
)
from otpnode.pid import Pid
from otpnode.process import binding as binding
from otpnode.process.inspection import (
    erase,
    get,
    is_alive,
    node_name,
    process_flag,
    process_info,
    processes,
    put,
    schedulers,
    self,
    set_label,
    shard_of,
    subscribe_shards,
)
from otpnode.process.lifecycle import exit, link, spawn, spawn_link, spawn_monitor, unlink
from otpnode.process.messages import receive, send, send_nowait
from otpnode.process.monitoring import alias, demonitor, make_ref, monitor, unalias
from otpnode.process.naming import register, registered, unregister, whereis
from otpnode.process.requests import request
from otpnode.process.stopping import stop_node
from otpnode.process.threads import call_threadsafe
from otpnode.process.timing import cancel_timer, exit_after, read_timer, send_after, sleep, start_timer
from otpnode.ref import Ref

__all__ = [
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
    "Pid",
    "ProcessExit",
    "ProcessNotFoundError",
    "Ref",
    "RemoteError",
    "ShardDownError",
    "StartError",
    "SystemLimitError",
    "TaskExit",
    "TaskTimeoutError",
    "UnserializableError",
    "alias",
    "call_threadsafe",
    "cancel_timer",
    "demonitor",
    "erase",
    "exit",
    "exit_after",
    "get",
    "is_alive",
    "link",
    "make_ref",
    "monitor",
    "node_name",
    "process_flag",
    "process_info",
    "processes",
    "put",
    "read_timer",
    "receive",
    "register",
    "registered",
    "request",
    "schedulers",
    "self",
    "send",
    "send_after",
    "send_nowait",
    "set_label",
    "shard_of",
    "sleep",
    "spawn",
    "spawn_link",
    "spawn_monitor",
    "start_timer",
    "stop_node",
    "subscribe_shards",
    "unalias",
    "unlink",
    "unregister",
    "whereis",
]
