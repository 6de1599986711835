"""One child of a supervisor: starting it somewhere, and ending it for sure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal, cast

from otpnode import process
from otpnode.behaviours.common.callbacks import ending_by
from otpnode.behaviours.common.starting import flush_exit
from otpnode.behaviours.supervision.specs import ChildInfo, ChildSpec
from otpnode.errors import NameAlreadyRegisteredError, ShardDownError, StartError
from otpnode.pid import Pid, is_pid
from otpnode.reasons import NOCONNECTION, NOPROC

FIRST_DELAY = 0.05
LONGEST_DELAY = 2.0


class Child:
    """What a supervisor knows about one child."""

    __slots__ = ("attempt", "key", "pid", "restarting", "restarts", "spec", "unplaced")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.key: Hashable = spec.id
        """What its supervisor finds it by."""
        self.pid: Pid | None = None
        self.restarting = False
        self.restarts = 0
        self.attempt = 0
        """Which retry is awaited: an older one that still comes is stale."""
        self.unplaced = 0
        """How many starts in a row a lost shard has undone."""

    @property
    def idle(self) -> bool:
        """Whether it neither runs nor is about to."""
        return self.pid is None and not self.restarting

    def info(self) -> ChildInfo:
        """Return what `which_children` shows."""
        shown: Pid | Literal["restarting"] | None = "restarting" if self.restarting else self.pid
        return ChildInfo(self.spec.id, shown, self.spec.type, self.restarts)

    def gone(self) -> None:
        """It does not run, and nothing shall be done about it."""
        self.pid = None
        self.restarting = False
        self.attempt += 1

    async def start(self) -> None:
        """Start it; without a pid afterwards when its init said `IGNORE` (SV-06).

        Raises:
            StartError: it did not start, whatever the cause.
        """
        self.gone()
        try:
            self.pid = await start_process(self.spec)
        except StartError as error:
            lost_shard = isinstance(error.reason, ShardDownError) or _is(error.reason, NOCONNECTION)
            self.unplaced = self.unplaced + 1 if lost_shard else 0
            if not _is(error.reason, "ignore"):
                raise
        else:
            self.unplaced = 0

    def delay(self) -> float:
        """Return the seconds before the next try: none, unless it is the shards that fail (SV-10)."""
        return 0.0 if not self.unplaced else min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self.unplaced - 1, 10))

    async def stop(self) -> object:
        """End it, if it runs; returns the reason it ended with."""
        pid = self.pid
        self.gone()
        return None if pid is None else await stop_process(pid, self.spec.shutdown)


async def start_process(spec: ChildSpec) -> Pid:
    """Start the process of `spec` where it wants to be, else where it can.

    Raises:
        StartError: it did not start.
    """
    lost: ShardDownError | None = None
    wish = spec.on
    if isinstance(wish, str) and is_pid(wish) and not process.is_alive(wish):
        wish = "spread"
    # The supervisor's own shard is alive for certain: the last resort.
    for on in dict.fromkeys((wish, "spread", "local")):
        try:
            return await _start_at(spec, on)
        except ShardDownError as error:
            lost = error
    raise StartError(lost)


async def _start_at(spec: ChildSpec, on: str | int | None) -> Pid:
    where = {} if on is None else {"on": on}
    start_link = getattr(spec.start, "start_link", None)
    try:
        if start_link is not None:
            pid = await start_link(list(spec.args), dict(spec.kwargs), name=spec.name, **where)
        else:
            pid = await process.spawn_link(
                spec.start,
                list(spec.args),
                dict(spec.kwargs),
                cast("str | None", spec.name),
                label=str(spec.id),
                **where,  # type: ignore[arg-type]
            )
    except (StartError, ShardDownError):
        raise
    except NameAlreadyRegisteredError:
        raise StartError(("already_started", process.whereis(str(spec.name)))) from None
    except BaseException as error:
        # A start_link of the user's is a callback: what it raises ends the child's start, not the supervisor.
        raise StartError(ending_by(error).reason) from error
    if not is_pid(pid):
        raise StartError(("bad_return_value", pid))
    return cast(Pid, pid)


async def stop_process(pid: Pid, shutdown: float | str | None) -> object:
    """End a linked process and wait for its death (SV-07).

    Args:
        pid: whom.
        shutdown: as in `ChildSpec`.

    Returns:
        The reason it ended with.

    Guarantees:
        It is dead, even if it has unlinked itself; nothing of it is left in the mailbox.
    """
    ref = await process.monitor(pid)
    # Armed before the order, not awaited after it: a child that answers with a loop that never awaits holds this
    # process up as well, and only a deadline that stands already can end it (FS-03).
    deadline = process.exit_after(shutdown, pid, "kill") if isinstance(shutdown, (int, float)) else None
    await process.exit(pid, "kill" if shutdown == "brutal_kill" else "shutdown")
    down = await process.receive(ref=ref)
    if deadline is not None:
        await process.cancel_timer(deadline)
    reason = cast("tuple[object, ...]", down)[4]
    ended = await flush_exit(pid)
    # Dead before it was monitored: the link knows why.
    return ended[1] if ended is not None and _is(reason, NOPROC) else reason


def _is(reason: object, word: str) -> bool:
    return type(reason) is str and reason == word
