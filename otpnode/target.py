"""``app:main`` → the callable, with errors that name which half is wrong."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from importlib import import_module
from inspect import isclass, iscoroutinefunction

USAGE = 2
BOOT_FAILURE = 3


class TargetError(Exception):
    """The program cannot be started.

    Attributes:
        code: the exit code: 2 when the command line names nothing, 3 when importing it failed.
        text: what to print, whole.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def split_target(target: str) -> tuple[str, str]:
    """Split ``module:attribute``.

    Raises:
        TargetError: it is not of that form.
    """
    module, colon, attribute = target.partition(":")
    if not module or not colon or not attribute:
        raise TargetError(USAGE, f"otpnode: {target!r} is not of the form module:function; try app:main")
    if "/" in module:
        folder, name = os.path.split(module.removesuffix(".py"))
        raise TargetError(
            USAGE, f"otpnode: {module!r} is a path, and a module is wanted; try --app-dir {folder} {name}:{attribute}"
        )
    return module, attribute


def load_target(target: str) -> Callable[..., object]:
    """Import the program.

    Raises:
        TargetError: no such module or attribute, not a coroutine function (2), or the import raised (3).
    """
    name, attribute = split_target(target)
    try:
        found: object = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            hint = "leave out .py" if name.endswith(".py") else "look at the spelling, or give its folder by --app-dir"
            raise TargetError(USAGE, f"otpnode: there is no module {name!r}; {hint}") from None
        raise import_failed(name, error) from None
    except BaseException as error:
        raise import_failed(name, error) from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(USAGE, f"otpnode: module {name!r} has no attribute {attribute!r}") from None
    # A class that is a program, as an application is, says by its `main` how it runs.
    return check_main(getattr(found, "main", found) if isclass(found) else found, target)


def check_main(main: object, target: str) -> Callable[..., object]:
    """Return `main` if it can be run.

    Raises:
        TargetError: it is not a coroutine function.
    """
    if not callable(main) or not (iscoroutinefunction(main) or iscoroutinefunction(getattr(main, "__call__", None))):  # noqa: B004
        kind = type(main).__name__
        raise TargetError(USAGE, f"otpnode: {target} is a {kind}, not a coroutine function; write `async def`")
    return main


def import_failed(name: str, error: BaseException) -> TargetError:
    """Make the error of a program whose import raised: its traceback, without our own frames."""
    # The frames of otpnode and of the import machinery tell the user nothing about the program.
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return TargetError(BOOT_FAILURE, f"otpnode: importing {name!r} failed\n{text}")


def _is_machinery(filename: str) -> bool:
    ours = (__file__, "otpnode/scheduler/program.py", "multiprocessing/spawn.py", "/runpy.py")
    return "importlib" in filename or filename.startswith("<frozen runpy") or filename.endswith(ours)
