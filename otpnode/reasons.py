"""Exit reasons: the words everybody knows, and how an exception becomes one.

A reason outlives its process, and one object is handed to every local receiver
of the death (ER-04). An exception as it was raised is unfit for that: its
traceback pins the frames, and with them the locals, of a dead process (ER-01),
and raising it again in place writes into what others hold. So `strip` turns the
traceback into text when the process dies, and `mend` makes a copy for whoever
wants to raise it.

Rejected: keeping the traceback and calling ``traceback.clear_frames``. It clears
locals of frames that may still run (a shared exception, a parent's frames) and
still keeps every code object and frame alive.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator

from otpnode.errors import OtpnodeError
from otpnode.showing import TakesTooLong, class_name, shown, timed, unshown

NORMAL = "normal"
KILL = "kill"
KILLED = "killed"
SHUTDOWN = "shutdown"
NOPROC = "noproc"
NOCONNECTION = "noconnection"
CANCELLED = "cancelled"
FAILED_TO_START = "failed_to_start_child"

MAX_TRACEBACK = 16 * 1024
"""Longest traceback text kept, in characters."""
_HEAD = 4 * 1024
_HEAVY = 256 * 1024
"""Characters from which on the text of an exception is not made whole."""
_SHOWN = 1000
_TRACEBACK = "__otp_traceback__"
_MAX_CHAIN = 1000
_CAUSE = BaseException.__dict__["__cause__"].__get__
_CONTEXT = BaseException.__dict__["__context__"].__get__
_MEMBERS = BaseExceptionGroup.__dict__["exceptions"].__get__


def is_quiet(reason: object) -> bool:
    """Tell whether `reason` is an orderly end: ``'normal'``, ``'shutdown'`` or ``('shutdown', _)``.

    Guarantees:
        Never runs user code: only an exact ``str`` or a ``tuple`` is looked into.
    """
    if type(reason) is str:
        return reason in (NORMAL, SHUTDOWN)
    return type(reason) is tuple and len(reason) == 2 and type(reason[0]) is str and reason[0] == SHUTDOWN


def is_failed_start(reason: object) -> bool:
    """Tell whether `reason` is the end of a supervisor that could not start its children.

    It is quiet to those who are linked to it, but a program that ends of it has not done its work.
    """
    if not is_quiet(reason) or type(reason) is not tuple:
        return False
    why: object = reason[1]
    return type(why) is tuple and len(why) == 3 and type(why[0]) is str and why[0] == FAILED_TO_START


def guarded(render: Callable[[object], str], value: object, limit: int = 1000) -> str:
    """Return ``render(value)[:limit]`` as an exact ``str``, or a stand-in when it raises.

    `render` is ``str`` or ``repr``: both run code of the dead process's program.

    Guarantees:
        Raises nothing, and cuts off what takes too long (ER-02: a death is never lost because
        its reason cannot be shown).
    """
    try:
        # str and repr may return an instance of a subclass, which overrides slicing and need not be importable.
        return str.__str__(timed(lambda: render(value)))[:limit]
    except BaseException as failure:
        return unshown(value, failure)


def traceback_text(exc: BaseException) -> str:
    """Return the traceback `strip` has kept, else the present one with its causes (ER-02).

    Guarantees:
        At most `MAX_TRACEBACK` characters, keeping the end, where the exception is. Raises nothing.
    """
    kept = _kept_text(exc)
    if kept is not None:
        return kept
    try:
        text = _brief(exc) if _is_heavy(exc) else str.__str__("".join(traceback.format_exception(exc)))
    except BaseException as failure:
        text = f"{class_name(exc)}: <traceback that cannot be shown: {class_name(failure)}>\n"
    if len(text) > MAX_TRACEBACK:
        cut = "\n  [... cut ...]\n"
        text = text[:_HEAD] + cut + text[len(text) - (MAX_TRACEBACK - _HEAD - len(cut)) :]
    return text


def _is_heavy(exc: BaseException) -> bool:
    """Tell whether the text of `exc` or of a cause would be made of something huge, or by code that takes too long."""
    return any(len(shown(link, _HEAVY)) == _HEAVY or not _is_prompt(link) for link in _chain(exc))


def _is_prompt(link: BaseException) -> bool:
    try:
        timed(lambda: str(link))
    except TakesTooLong:
        return False
    except BaseException:
        # It fails at once, and whoever writes the text copes with that.
        return True
    return True


def _brief(exc: BaseException) -> str:
    frames = "".join(traceback.format_tb(exc.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{shown(exc, _SHOWN)}\n"


def strip(exc: BaseException) -> None:
    """Keep the traceback of `exc` as text in ``exc.__otp_traceback__`` and let go of its frames (ER-01).

    The text is written the first time only, so that the place of the first death
    survives a reason's way through links and supervisors.

    Guarantees:
        Raises nothing, whatever the class of `exc` does. Afterwards neither `exc` nor
        its causes, contexts and group members hold a frame.
    """
    if _kept_text(exc) is None:
        text = traceback_text(exc)
        try:
            setattr(exc, _TRACEBACK, text)
        except BaseException:
            # A class that refuses attributes: the instance dict is still there, its __setattr__ is what said no.
            _plant(exc, text)
    for link in _chain(exc):
        BaseException.with_traceback(link, None)


def mend(exc: BaseException) -> BaseException:
    """Return a fresh copy of `exc` to raise, its kept traceback added as a note (ER-04).

    Not a deep copy: args and attributes are the same objects. An exception that
    cannot be copied is returned as it is, so that the caller always has something
    of the right class to raise.

    Guarantees:
        `exc` is unchanged if a copy could be made. Raises nothing.
    """
    try:
        fresh = _copied(exc)
        text = _kept_text(exc)
        if text is not None:
            note = "\n".join(("the original traceback:", text.rstrip("\n")))
            if note not in getattr(fresh, "__notes__", ()):
                fresh.add_note(note)
    except BaseException:
        return exc
    return fresh


def _copied(exc: BaseException) -> BaseException:
    try:
        fresh = copy.copy(exc)
    except Exception:
        fresh = _rebuilt(exc)
    if type(fresh) is not type(exc) or fresh is exc or not _same_items(fresh.args, exc.args):
        fresh = _rebuilt(exc)
    notes = getattr(exc, "__notes__", None)
    if notes is not None:
        fresh.__notes__ = list(notes)
    fresh.__cause__ = exc.__cause__
    fresh.__suppress_context__ = exc.__suppress_context__
    return fresh


def _rebuilt(exc: BaseException) -> BaseException:
    # The way round an __init__ whose signature differs from args, where copy's cls(*args) fails or lies.
    fresh = type(exc).__new__(type(exc), *exc.args)
    if type(fresh) is not type(exc):
        raise OtpnodeError("not a copy")
    fresh.args = exc.args
    fresh.__dict__.update(exc.__dict__)
    return fresh


def _same_items(ours: tuple[object, ...], theirs: tuple[object, ...]) -> bool:
    return len(ours) == len(theirs) and all(a is b for a, b in zip(ours, theirs, strict=True))


def _kept_text(exc: BaseException) -> str | None:
    try:
        text = getattr(exc, _TRACEBACK, None)
    except BaseException:
        return None
    return text if type(text) is str else None


def _plant(exc: BaseException, text: str) -> None:
    try:
        BaseException.__setattr__(exc, _TRACEBACK, text)
    except (AttributeError, TypeError):
        # Nowhere to keep it: the reason still travels, without its traceback.
        return


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield `exc` and every exception that hangs on it, each once."""
    seen: set[int] = set()
    waiting: list[object] = [exc]
    while waiting and len(seen) < _MAX_CHAIN:
        link = waiting.pop()
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        # Past what a class may have made of these names.
        waiting += (_CAUSE(link), _CONTEXT(link))
        if isinstance(link, BaseExceptionGroup):
            waiting += _MEMBERS(link)
