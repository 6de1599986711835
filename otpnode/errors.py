"""Every error otpnode raises, each saying what it is *not*.

All are importable from ``otpnode`` and ``otpnode.process``. Each survives pickle
unchanged, because errors are exit reasons and exit reasons cross shards.
"""

from __future__ import annotations

from otpnode.showing import shown

_CALL = 500
_REASON = 1000


class OtpnodeError(Exception):
    """Base of otpnode's errors. Not the base of `ProcessExit`, which is control flow."""


# -- naming a process ---------------------------------------------------------


class ProcessNotFoundError(OtpnodeError, LookupError):
    """No such process: a dead pid, an unknown name.

    Not `ShardDownError`: there the *place* asked for is missing. A process that
    dies while a message to it is under way raises nothing (SEMANTICS C1).
    """


class NameAlreadyRegisteredError(OtpnodeError):
    """The name is taken (RG-01). Not ``ValueError``, which a *bad* name raises."""


class AlreadyRegisteredError(NameAlreadyRegisteredError):
    """Another process, or the caller itself, has this key of a registry with unique keys (PG-02).

    Not a name of the node: its plain `NameAlreadyRegisteredError` does not know the holder.

    Attributes:
        pid: the process that has the key.
    """

    def __init__(self, pid: object) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        return f"the key is registered to {self.pid} already"


class NotInProcessError(OtpnodeError, RuntimeError):
    """The verb needs a current process and there is none (CT-05).

    Not the plain ``RuntimeError("no runtime")``, which says that no node runs.
    """


# -- limits and places --------------------------------------------------------


class UnserializableError(OtpnodeError, TypeError):
    """The value cannot travel to another shard exactly (SD-07); nothing was sent.

    Not `MessageTooLargeError`: there the value could travel were it smaller.
    """


class MessageTooLargeError(OtpnodeError, ValueError):
    """The encoded message exceeds ``--max-message``; nothing was sent."""


class ShardDownError(OtpnodeError):
    """The shard asked for is down, or died before it answered (SP-08).

    Not `ProcessNotFoundError`: no pid was involved. The child of a spawn that
    raised this may have run.
    """


class SystemLimitError(OtpnodeError):
    """The shard's process table is full (``--max-processes``)."""


class NodeDownError(OtpnodeError):
    """The node ended without a result: boot failure, crash loop, loss of main's shard.

    Not the exception of ``main``, which `otpnode.run` raises as it is.

    Attributes:
        cause: one line saying what ended the node.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


# -- exits --------------------------------------------------------------------


class ProcessExit(BaseException):
    """``raise ProcessExit(reason)`` ends the current process with `reason` (C18).

    A ``BaseException``, so that ``except Exception`` does not stop a death. Not
    an exit *signal* from somebody else: that arrives as ``asyncio.CancelledError``
    and its reason is kept by the runtime (AC-01).
    """

    def __init__(self, reason: object = "normal") -> None:
        super().__init__(reason)
        self.reason = reason


class RemoteError(OtpnodeError):
    """Stands for an exception of another shard that could not be rebuilt here (ER-02).

    Not the exception itself: ``isinstance`` against the original class is False.

    Attributes:
        type_name: ``module.qualname`` of the original class.
        text: ``str()`` of the original.
        repr_args: ``repr()`` of its args.
        traceback: its formatted traceback.
    """

    def __init__(self, type_name: str, text: str, repr_args: str = "()", traceback: str = "") -> None:
        super().__init__(type_name, text, repr_args, traceback)
        self.type_name = type_name
        self.text = text
        self.repr_args = repr_args
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}"


# -- behaviours ---------------------------------------------------------------


class CallExit(OtpnodeError):
    """A call ended without a reply: ``CallExit(reason, (server, request))`` (ER-05).

    Attributes:
        reason: ``'noproc'``, ``'noconnection'``, or the server's exit reason.
        call: ``(server, request)``.
    """

    def __init__(self, reason: object, call: object = None) -> None:
        super().__init__(reason, call)
        self.reason = reason
        self.call = call

    def __str__(self) -> str:
        return f"call {shown(self.call, _CALL)} ended: {shown(self.reason, _REASON)}"


class CallTimeoutError(CallExit, TimeoutError):
    """No reply in time; the server goes on and its late reply is dropped (GS-04).

    Not a sign that the request was not served.

    Attributes:
        detail: the callee's pid, and what it was doing when the time was over.
    """

    def __init__(self, call: object = None, detail: str = "") -> None:
        CallExit.__init__(self, "timeout", call)
        self.args = (call, detail)
        self.detail = detail

    def __str__(self) -> str:
        return f"call {shown(self.call, _CALL)} timed out" + (f": {self.detail}" if self.detail else "")


class CallCycleError(CallExit):
    """The call would wait for itself: reason ``'calling_self'`` or ``('cycle', pids)``."""


class StartError(OtpnodeError):
    """A behaviour did not start: ``StartError(reason)`` (GS-01).

    Attributes:
        reason: what `init` gave to ``Stop``, its exception, ``'ignore'``, ``'timeout'`` …
    """

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


class AlreadyStartedError(StartError):
    """The name belongs to a running process, and `init` was not run (GS-02).

    Attributes:
        pid: the process that has the name.
    """

    def __init__(self, pid: object) -> None:
        super().__init__(("already_started", pid))
        self.args = (pid,)
        self.pid = pid


class ChildError(OtpnodeError):
    """A supervisor refused a request about a child.

    Attributes:
        reason: ``'already_started'``, ``'already_present'``, ``'running'``, ``'not_found'`` or ``'max_children'``.
        pid: the child that is there, where there is one.
    """

    def __init__(self, reason: str, pid: object = None) -> None:
        super().__init__(reason, pid)
        self.reason = reason
        self.pid = pid


class TaskExit(OtpnodeError):
    """A task ended without a value: ``TaskExit(reason)``, its cause the exception behind the reason if there is one.

    Not the death of its owner, which a linked task brings about besides.

    Attributes:
        reason: the exit reason of the task; ``'timeout'`` for an item of `Task.map` that took too long.
        index: which item of `Task.map`, counted from 0; None for a task.
    """

    def __init__(self, reason: object, index: int | None = None) -> None:
        super().__init__(reason, index)
        self.reason = reason
        self.index = index

    def __str__(self) -> str:
        what = "the task" if self.index is None else f"item {self.index} of the map"
        return f"{what} ended: {self.reason!r}"


class TaskTimeoutError(TaskExit, TimeoutError):
    """A task was not done in time: the wait for it is over, and the task goes on.

    As an item's failure in `Task.map` not a wait that ended: there the item's process was ended too.
    """

    def __init__(self, index: int | None = None) -> None:
        TaskExit.__init__(self, "timeout", index)
        self.args = (index,)

    def __str__(self) -> str:
        return "the task was not done in time" if self.index is None else f"item {self.index} of the map took too long"
