"""How a behaviour is started: its starter waits until `init` is done (GS-01, GS-02).

Both sides meet under a ref that only they know, because the starter's plain mailbox
must see nothing of it, also when a child task of it starts something (RC-10)::

    starter                                   child
    spawn(body, [(me, token, parent), …])
    ref = monitor(child, 'reply_demonitor')
    send(child, (token, ref))         ──────▶ waits for it, or for the starter's death
                                              init …
    receive(ref=ref)                  ◀────── (ref, 'started')    or 'failed', 'ignored', ('taken', pid)

After ``'failed'``, ``'ignored'`` and ``'taken'`` they meet a second time, so that the
starter has a monitor that tells it the true reason, and so that the child's name is
free when the starter hears of it.

A name of the node comes with the spawn. Any other `Name` the child claims for itself,
between the meeting and init: who gives such names watches the process that has one,
so it must exist, and nobody can claim one for somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, cast

from msgspec import UNSET, Struct, UnsetType

from otpnode import process
from otpnode.behaviours.common.callbacks import is_struck
from otpnode.behaviours.common.control import Name
from otpnode.behaviours.common.wire import exit_message
from otpnode.errors import (
    AlreadyRegisteredError,
    AlreadyStartedError,
    NameAlreadyRegisteredError,
    NotInProcessError,
    ProcessExit,
    ProcessNotFoundError,
    StartError,
)
from otpnode.pid import Pid
from otpnode.reasons import mend
from otpnode.ref import Ref

ANCESTORS = "$ancestors"
"""Key of the process dictionary: who started a process of a behaviour, and who started that one in turn."""
MAX_ANCESTORS = 32

STARTED = "started"
FAILED = "failed"
IGNORED = "ignored"
TAKEN = "taken"


class Options(Struct, frozen=True):
    """How the process of a behaviour is made; the fields are arguments of ``process.spawn``, and `timeout`."""

    on: str | int
    label: str
    name: str | Name | None = None
    timeout: float | None = None
    mailbox_limit: int | UnsetType | None = UNSET
    trap_exits: bool = False


class Birthplace(NamedTuple):
    """What a child is told of its start: the first argument of its body."""

    starter: Pid
    token: Ref
    parent: Pid | None
    name: Name | None = None
    ancestors: tuple[Pid, ...] = ()


def ancestors() -> list[Pid]:
    """Return who started the calling process, the nearest first, as far as behaviours started each other."""
    known = process.get(ANCESTORS)
    return list(known) if isinstance(known, tuple) else []


# -- the starter's side -------------------------------------------------------


async def launch(body: Callable[..., object], args: list[object], options: Options, *, link: bool) -> Pid:
    """Start ``body(birthplace, *args)`` and wait until it says that it has begun.

    Args:
        body: a coroutine function, importable by name if it is to run on another shard.
        args: its arguments after the `Birthplace`.
        options: how its process is made.
        link: whether it is linked to the caller, which is then its parent.

    Returns:
        The pid.

    Raises:
        StartError: the reason `init` failed with, ``'ignore'``, ``'timeout'``, or what killed the child.
        AlreadyStartedError: the name is taken; `body` did not run.
        UnserializableError, ShardDownError, SystemLimitError, ValueError: as ``process.spawn``.
        NotInProcessError: outside a process.

    Guarantees:
        Whenever this raises, the child is dead and its name is free. With `link` a
        failed init also sends its reason over the link; no EXIT is left behind by
        ``'timeout'`` and by a child killed during init (SEMANTICS GS-01, GS-02), except
        where the process's own `receive`, beside a child task that starts something, has it.
    """
    me = process.self()
    if me is None:
        raise NotInProcessError("start_link needs a process to link to; use start(), or call it from inside a process")
    token = process.make_ref()
    claim = options.name if isinstance(options.name, Name) else None
    place = Birthplace(me, token, me if link else None, claim, (me, *ancestors())[:MAX_ANCESTORS])
    pid = await _spawned(body, [place, *args], options, link=link)
    try:
        word = await _meet(pid, token, options.timeout)
    except TimeoutError:
        await _abort(pid, link=link)
        raise StartError("timeout") from None
    except asyncio.CancelledError:
        await _abort(pid, link=link)
        raise
    if len(word) == 2 and word[1] == STARTED:
        return pid
    reason = await _reason(pid, token, word)
    holder = _holder(word)
    if link and (holder is not None or len(word) != 2):
        await flush_exit(pid)
    if holder is not None:
        raise AlreadyStartedError(holder)
    raise_start(reason)


async def _spawned(body: Callable[..., object], args: list[object], options: Options, *, link: bool) -> Pid:
    """Spawn; a caller that gives up while the child is being made elsewhere leaves none that waits for it."""
    if link or process.schedulers() == 1:
        # A linked one ends by itself, `'abandoned'` (SP-09); and inside a loop nothing is waited for.
        return await _spawn(body, args, options, link=link)
    spawning = asyncio.create_task(_spawn(body, args, options, link=link))
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        if not is_struck():
            await asyncio.shield(asyncio.create_task(_undo(spawning)))
        raise


async def _undo(spawning: asyncio.Task[Pid]) -> None:
    try:
        pid = await spawning
    except (Exception, asyncio.CancelledError):
        # Nothing was made.
        return
    await _abort(pid, link=False)


async def _spawn(body: Callable[..., object], args: list[object], options: Options, *, link: bool) -> Pid:
    spawn = process.spawn_link if link else process.spawn
    name = options.name if isinstance(options.name, str) else None
    limits: dict[str, Any] = {} if options.mailbox_limit is UNSET else {"mailbox_limit": options.mailbox_limit}
    while True:
        try:
            return await spawn(
                body,
                args,
                name=name,
                on=options.on,
                label=options.label,
                trap_exits=options.trap_exits,
                **limits,
            )
        except NameAlreadyRegisteredError:
            holder = process.whereis(name or "")
            if holder is not None:
                raise AlreadyStartedError(holder) from None
        # Reserved for a process that is just being made, or given back this instant: the next look tells.
        await asyncio.sleep(0)


async def _meet(pid: Pid, token: Ref, timeout: float | None = None) -> tuple[object, ...]:
    """Give the child an address for its word; returns ``(ref, word)`` or its DOWN."""
    ref = await process.monitor(pid, alias="reply_demonitor")
    try:
        try:
            await process.send(pid, (token, ref))
        except ProcessNotFoundError:
            # It is dead already, and the monitor says why.
            timeout = None
        return cast("tuple[object, ...]", await process.receive(timeout, ref=ref))
    except BaseException:
        await process.demonitor(ref, flush=True)
        raise


async def _reason(pid: Pid, token: Ref, word: tuple[object, ...]) -> object:
    """Wait for the death of a child that did not start, and return why."""
    if len(word) != 2:
        return word[4]
    down = await _meet(pid, token)
    return "ignore" if word[1] == IGNORED else down[-1]


def _holder(word: tuple[object, ...]) -> object:
    """Return who has the name the child wanted, None when that is not why it did not start."""
    said = word[1] if len(word) == 2 else None
    return said[1] if isinstance(said, tuple) else None


async def _abort(pid: Pid, *, link: bool) -> None:
    """Kill a child that is not wanted any more, leaving nothing of it in the mailbox."""
    if link:
        await process.unlink(pid)
    ref = await process.monitor(pid, alias="reply_demonitor")
    await process.exit(pid, "kill")
    await process.receive(ref=ref)
    if link:
        await flush_exit(pid)


async def flush_exit(pid: Pid) -> tuple[Pid, object] | None:
    """Take the ``('EXIT', pid, reason)`` of a dead process out of the caller's mailbox, if it is there."""

    def from_it(message: object) -> bool:
        found = exit_message(message)
        return found is not None and found[0] == pid

    try:
        return exit_message(await process.receive(0, from_it))
    except (TimeoutError, RuntimeError):
        # RuntimeError: a child task may not look there beside the process's own receive (RC-10), which has it by now.
        return None


def raise_start(reason: object) -> NoReturn:
    """Raise the `StartError` of a behaviour that did not start."""
    if isinstance(reason, BaseException):
        raise StartError(reason) from mend(reason)
    raise StartError(reason)


# -- the child's side ---------------------------------------------------------


class Cradle:
    """A child's line to its starter, until it has begun."""

    def __init__(self, place: Birthplace) -> None:
        self._starter = place.starter
        self._token = place.token
        self._name = place.name
        process.put(ANCESTORS, place.ancestors)
        self._ref: Ref | None = None

    async def wait(self) -> None:
        """Wait for the starter's address, then take the name; does not return to a child that cannot have it."""
        await self._meet()
        if self._name is None:
            return
        try:
            await self._name.claim()
        except AlreadyRegisteredError as error:
            self._say((TAKEN, error.pid))
            await self._end("normal")
        except Exception as error:
            await self.failed(error)

    async def _meet(self) -> None:
        """Wait for the starter's address; when the starter dies first, nobody needs an answer."""
        watch = await process.monitor(self._starter)

        def is_word(message: object) -> bool:
            if type(message) is not tuple or len(message) < 2:
                return False
            return message[0] == self._token or (len(message) == 5 and message[1] == watch)

        message = cast("tuple[object, ...]", await process.receive(match=is_word))
        self._ref = cast(Ref, message[1]) if message[0] == self._token else None
        await process.demonitor(watch, flush=True)

    def started(self) -> None:
        """Say that the child has begun."""
        self._say(STARTED)

    async def failed(self, reason: object) -> NoReturn:
        """Say that the child ends with `reason`, and end; the reason itself travels as its exit."""
        self._say(FAILED)
        await self._end(reason)

    async def ignored(self) -> NoReturn:
        """Say that nothing shall run, and end."""
        self._say(IGNORED)
        await self._end("normal")

    def _say(self, word: object) -> None:
        if self._ref is not None:
            process.send_nowait(self._ref, (self._ref, word))

    async def _end(self, reason: object) -> NoReturn:
        if self._ref is not None:
            await self._meet()
        raise ProcessExit(reason)
