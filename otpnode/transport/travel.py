"""What may not leave its OS process, and where in a message it hides.

Some objects pickle and are meaningless elsewhere (an ``asyncio.Lock`` arrives unlocked,
with no waiters); they are refused by type. The rest refuse themselves, with an error
that names a type and no place: "cannot pickle '_thread.lock' object" somewhere in a
state of ten thousand entries helps nobody. The search for the place runs only after a
failure, so a message that travels pays for none of it.

Rejected: finding the place by pickling the parts one after another. It is quadratic,
runs user code again and again, and blames the container when sharing is the problem.
The pickler knows which object it was asked about last; an identity search finds its path.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import io
import queue
import sys
import threading
import types
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from functools import lru_cache

from otpnode.reasons import guarded

Root = tuple[str, object]
"""The name of a part of a message, and the part."""

_ONE_PROCESS: tuple[type, ...] = (
    *(asyncio.Future, asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore, asyncio.Queue),
    *(asyncio.Barrier, asyncio.TaskGroup, asyncio.Timeout, asyncio.Runner, asyncio.Handle),
    *(asyncio.AbstractEventLoop, asyncio.AbstractServer, asyncio.BaseTransport, asyncio.subprocess.Process),
    *(asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamReaderProtocol),
    *(type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event),
    *(threading.Semaphore, threading.Barrier, threading.Thread, threading.local, queue.Queue, queue.SimpleQueue),
    *(concurrent.futures.Future, concurrent.futures.Executor),
    *(contextvars.Context, contextvars.Token, contextvars.ContextVar),
)
_RUNNING = (types.GeneratorType, Coroutine, types.AsyncGeneratorType, types.FrameType, types.TracebackType)
_SCALARS = frozenset({type(None), bool, int, float, str, bytes, complex})
_LEAVES = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
_MAX_NODES = 100_000
_MAX_DEPTH = 64


@lru_cache(maxsize=1024)
def refusal(kind: type) -> str | None:
    """Say why no instance of `kind` may travel; None when pickle is to decide (SD-07).

    Guarantees:
        A subclass is refused with its base. In-memory files (``BytesIO``, ``StringIO``) are data.
    """
    # An asyncio future is told by this attribute (asyncio.isfuture); so is whatever stands in for a task.
    if issubclass(kind, _ONE_PROCESS) or hasattr(kind, "_asyncio_future_blocking"):
        return "belongs to one OS process"
    if issubclass(kind, _RUNNING):
        return "is running code of one OS process"
    if issubclass(kind, memoryview):
        return "shows memory of one OS process (send bytes(view))"
    # By name: socket is not needed for anything else, and the C base has no other public home.
    if any(base.__module__ == "_socket" and base.__name__ == "socket" for base in kind.__mro__):
        return "belongs to one OS process"
    if issubclass(kind, io.IOBase) and not issubclass(kind, (io.BytesIO, io.StringIO)):
        return "is a file open in one OS process"
    return None


def unimportable(func: object) -> str | None:
    """Say why another shard could not import `func` by name; None when it can (C9)."""
    if isinstance(func, functools.partial):
        return unimportable(func.func)
    owner = getattr(func, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return _unimportable_method(func, owner)
    module, name = getattr(func, "__module__", None), getattr(func, "__qualname__", None)
    if not callable(func) or type(module) is not str or type(name) is not str:
        return f"{_a(type(func))} is not a function importable by name"
    if _named(module, name) is func:
        return None
    if "<lambda>" in name:
        return f"{module}.{name} is a lambda, which another shard cannot import"
    if "<locals>" in name:
        return f"{module}.{name} is defined inside a function, where another shard cannot import it"
    return f"{module}.{name} does not name this very object, so another shard cannot import it"


def _unimportable_method(func: object, owner: object) -> str | None:
    name = str(getattr(func, "__name__", "?"))
    if not isinstance(owner, type):
        return f"{name} is a method bound to {_a(type(owner))}, and another shard would run it on a copy"
    why = unimportable(owner)
    if why is None and getattr(owner, name, None) != func:
        why = f"{owner.__qualname__}.{name} does not name this very method"
    return why


def _named(module: str, qualname: str) -> object:
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def where_and_why(roots: Sequence[Root], culprit: object, failure: BaseException, refused: bool) -> str:
    """Say in one line which part of a message cannot travel, and why.

    Args:
        roots: the parts of the message, by name.
        culprit: the object the pickler was asked about last.
        failure: what pickling raised.
        refused: whether `refusal` was the reason.

    Guarantees:
        Raises nothing on account of the message; bounded in time and length by `_MAX_NODES` and `_MAX_DEPTH`.
    """
    whole = roots[0][0] if len(roots) == 1 else "an argument"
    if isinstance(failure, RecursionError):
        return f"{whole} is nested too deeply"
    kind: type = type(culprit)
    try:
        place = _locate(roots, culprit)
    except Exception:
        # A container class of the message's own whose iteration raises: the type has to do without its place.
        place = None
    place = place or f"something inside {whole}"
    if refused:
        return f"{place} is {_a(kind)}, which {refusal(kind)}"
    if isinstance(culprit, (type, types.FunctionType)):
        why = unimportable(culprit)
        if why is not None:
            return f"{place} cannot be pickled: {why}"
    return f"{place} is {_a(kind)}, which cannot be pickled: {_told(failure)}"


def _told(failure: BaseException) -> str:
    line = " ".join(guarded(str, failure, 300).split())
    return f"{type(failure).__name__}: {line}"


def _a(kind: type) -> str:
    module = guarded(str, kind.__module__)
    name = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


def _locate(roots: Sequence[Root], culprit: object) -> str | None:
    """Return the shortest path to `culprit`, or to the first instance of it when it is a class."""
    # Breadth first; the list keeps every object alive, so that no id is used twice.
    nodes: list[tuple[str, object, int]] = [(name, part, 0) for name, part in roots]
    seen: set[int] = set()
    waiting = deque(nodes)
    while waiting:
        path, node, depth = waiting.popleft()
        if node is culprit or type(node) is culprit:
            return path
        if id(node) in seen or depth >= _MAX_DEPTH:
            continue
        seen.add(id(node))
        for step, child in _children(node):
            if type(child) in _SCALARS:
                continue
            if len(nodes) >= _MAX_NODES:
                return None
            nodes.append((path + step, child, depth + 1))
            waiting.append(nodes[-1])
    return None


def _children(node: object) -> Iterator[tuple[str, object]]:
    if isinstance(node, _LEAVES):
        return
    if isinstance(node, (tuple, list, deque)):
        for index, item in enumerate(node):
            yield f"[{index}]", item
    elif isinstance(node, dict):
        for index, (key, item) in enumerate(node.items()):
            yield f"{{key {index}}}", key
            yield f"[{guarded(repr, key, 60)}]", item
    elif isinstance(node, (set, frozenset)):
        for item in node:
            yield "{element}", item
    elif isinstance(node, types.MethodType):
        yield ".__self__", node.__self__
    elif isinstance(node, functools.partial):
        yield from ((".func", node.func), (".args", node.args), (".keywords", node.keywords))
    if isinstance(node, BaseException):
        yield ".args", node.args
    yield from _attributes(node)


def _attributes(node: object) -> Iterator[tuple[str, object]]:
    held = _peek(node, "__dict__")
    if isinstance(held, dict):
        for name, item in list(held.items()):
            yield f".{name}", item
    for kind in type(node).__mro__:
        # A msgspec.Struct lists its fields in __slots__ too.
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            item = _peek(node, f"_{kind.__name__.lstrip('_')}{name}" if _mangled(name) else name)
            if item is not None:
                yield f".{name}", item


def _mangled(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _peek(node: object, name: str) -> object:
    try:
        return getattr(node, name, None)
    except Exception:
        # A property or __getattr__ of the message's own class; the search goes on without that attribute.
        return None
