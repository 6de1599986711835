"""What a node runs: a target of the command line, or the main of a script.

A script's main travels as a reference to ``__main__``; each worker loads the script
the way multiprocessing's spawn does, as ``__mp_main__`` aliased to ``__main__``, so
that its ``if __name__ == "__main__"`` block does not run.
"""

from __future__ import annotations

import multiprocessing.spawn as mp_spawn
import os
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import cast

from otpnode.errors import UnserializableError
from otpnode.target import BOOT_FAILURE, TargetError, import_failed, load_target
from otpnode.transport.payload import PayloadError, dumps_call, loads_call

Main = tuple[Callable[..., object], tuple[object, ...]]

_HINT = "put it at the top level of a module or script and pass plain data, or run on one loop: schedulers=1"
_PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Program:
    """What to run on shard 0, and what every worker imports.

    Attributes:
        target: ``module:function`` of ``otpnode start``.
        argv: the strings for main.
        call: a script's main and its arguments, encoded.
        preparation: what ``multiprocessing.spawn.prepare`` needs to load the script; ``package`` is ours,
            the name of a ``__main__`` that it would leave out.
        reports: whether somebody waits for main's outcome.
    """

    target: str = ""
    argv: list[str] = field(default_factory=list)
    call: bytes = b""
    preparation: dict[str, object] | None = None
    reports: bool = False


class UnguardedRunError(RuntimeError):
    """``otpnode.run`` at the top level of a script that a worker is loading."""


class Loading:
    """Whether this worker is just loading the user's script: then `run` must not be called."""

    script: str | None = None


def of_script(main: Callable[..., object], args: tuple[object, ...]) -> Program:
    """Take down a script's main.

    Raises:
        UnserializableError: main or an argument cannot travel.
    """
    call = dumps_call(main, args, {}, {}, hint=_HINT)
    prepare = cast(Callable[[str], dict[str, object]], mp_spawn.get_preparation_data)
    preparation = {
        key: value
        for key, value in prepare("otpnode").items()
        if key in ("init_main_from_name", "init_main_from_path", "sys_path", "sys_argv", "dir", "orig_dir")
    }
    _check_home(main, preparation)
    return Program(call=call, preparation=preparation, reports=True)


def _check_home(main: Callable[..., object], preparation: dict[str, object]) -> None:
    """See to it that workers load the ``__main__`` that main is of; refuse one that no worker could load again.

    There a name would mean whatever a worker happens to call so in its own ``__main__``.
    """
    inner: object = main
    while isinstance(inner, partial):
        inner = inner.func
    if getattr(inner, "__module__", None) != "__main__":
        return
    # multiprocessing never loads a file called __main__.py again, because few guard what it does.
    name = str(preparation.get("init_main_from_name", ""))
    if name.endswith(".__main__"):
        preparation[_PACKAGE] = preparation.pop("init_main_from_name")
        return
    if name == "__main__":
        del preparation["init_main_from_name"]
        preparation["init_main_from_path"] = os.path.dirname(str(getattr(sys.modules["__main__"], "__file__", "")))
    path = preparation.get("init_main_from_path")
    loadable = "init_main_from_name" in preparation or (path is not None and os.path.exists(str(path)))
    if not loadable:
        raise UnserializableError(
            "workers cannot load main again: it comes from no file (python -c, standard input, an interactive "
            "session); put it into a module and import it, or run on one loop: schedulers=1"
        )


def load(program: Program, app_dir: str) -> Main:
    """Import the program in this worker and return main with its arguments.

    Raises:
        TargetError: it cannot be imported, or main is nothing to run.
    """
    if program.call:
        return _load_script(program)
    sys.path.insert(0, app_dir)
    return load_target(program.target), tuple(program.argv)


def _load_script(program: Program) -> Main:
    preparation = program.preparation or {}
    package = str(preparation.get(_PACKAGE, ""))
    names = (package, preparation.get("init_main_from_path"), preparation.get("init_main_from_name"), "the script")
    script = str(next(filter(None, names)))
    Loading.script = script
    try:
        prepare = cast(Callable[[dict[str, object]], None], mp_spawn.prepare)
        prepare(preparation)
        if package:
            _load_package(package)
        func, args, _, _ = loads_call(program.call)
    except UnguardedRunError as error:
        raise TargetError(BOOT_FAILURE, f"otpnode: {error}") from None
    except PayloadError as error:
        raise TargetError(BOOT_FAILURE, f"otpnode: main cannot be loaded in a worker: {error}") from None
    except BaseException as error:
        raise import_failed(script, error) from None
    finally:
        Loading.script = None
    return func, args


def _load_package(name: str) -> None:
    """Load the ``__main__`` of a package, as `prepare` does any other module."""
    main = ModuleType("__mp_main__")
    mp_spawn.old_main_modules.append(sys.modules["__main__"])
    main.__dict__.update(runpy.run_module(name, run_name="__mp_main__", alter_sys=True))
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
