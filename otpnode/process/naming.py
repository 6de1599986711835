"""The verbs of names."""

from __future__ import annotations

from otpnode.errors import ProcessNotFoundError
from otpnode.pid import Pid, is_pid
from otpnode.process.current import HOSTS, here
from otpnode.process.entry import entered, outside
from otpnode.process.registry import check_name


async def register(name: str, pid: Pid | None = None) -> None:
    """Give `name` to a process: the caller's, or `pid` of any shard.

    Args:
        name: a non-empty ``str``, not ``'undefined'``, not spelled like a pid or ref.
        pid: whom; defaults to the caller.

    Raises:
        NameAlreadyRegisteredError: the name is taken, even by the same process (RG-01).
        ProcessNotFoundError: `pid` is dead.
        ValueError: a bad name, or the process has a name already (RG-02).
        NotInProcessError: no `pid`, and the caller is no process.

    Guarantees:
        When it returns, every shard's `whereis` answers it (SEMANTICS RG-07).
    """
    shard, me = await entered("register")
    check_name(name)
    if pid is None:
        if me is None:
            raise outside("register")
        pid = me.pid
    elif not is_pid(pid):
        raise TypeError(f"register takes a pid, not {pid!r}")
    if not shard.is_alive(pid):
        raise ProcessNotFoundError(f"cannot register {name!r}: {pid} is not alive")
    await shard.names.register(name, pid)


async def unregister(name: str) -> None:
    """Take `name` away from whoever has it.

    Raises:
        ProcessNotFoundError: nobody has it (RG-04).
    """
    shard, _ = await entered("unregister")
    await shard.names.unregister(name)


def whereis(name: str) -> Pid | None:
    """Return the pid registered as `name`, or None.

    Guarantees:
        None once DOWN or EXIT of the process that had it has been seen by anyone
        (SEMANTICS RG-06). Plain, and never asks another shard.
    """
    if not HOSTS:
        return None
    return here().names.whereis(name)


def registered() -> list[str]:
    """Return the registered names of the whole node (RG-09)."""
    if not HOSTS:
        return []
    shard = here()
    return [name for name in shard.names.registered() if shard.names.whereis(name) not in shard.hidden]
