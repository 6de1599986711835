"""The house rules, read from the source: size, quiet, state, and what may stand where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, Module, every_import_of, modules, python_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
"""Lines of code; the docstring does not count."""

LATE_IMPORTS: dict[str, set[str] | None] = {
    "otpnode/__init__.py": None,  # the façade: names load what they need on first use
    "otpnode/process/__init__.py": None,
}
"""Files that may import inside functions: what they may (None: anything)."""

LATE_ANYWHERE = {"uvloop"}
"""The choice of event loop is made when a loop is made, not on import."""

MAY_PRINT = {"otpnode/cli.py"}

MAY_FORK = {"otpnode/scheduler/child.py"}

STATE: dict[str, set[str]] = {
    # Who is calling, by context and by thread: the one file of ambient state.
    "otpnode/process/current.py": {"RUNNING", "HOSTS", "CURRENT"},
    # The variables a program declares at module level, as it declares its functions.
    "otpnode/behaviours/common/wire.py": {"SERVING"},
    "otpnode/process/carry.py": {"CARRIED"},
    # What all processes of a shard read without a message; keyed by shard, removed by the process that keeps it.
    "otpnode/behaviours/naming/replica.py": {"REPLICAS"},
    "otpnode/behaviours/naming/scope.py": {"VIEWS"},
}
"""Module-level state, each with its reason."""

MAY_SLEEP = ("tests/node/", "tests/stress/", "tests/examples/", "tests/support.py", "tests/conftest.py")
"""Where a test has to wait for an operating system; `eventually` lives there."""

FOR_EVER = 60
"""A sleep of so many seconds stands for work without end, one of 0 for a turn of the loop."""

MUTABLE_CALLS = {
    "list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict", "local",
    "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "ContextVar",
}  # fmt: skip
MUTATORS = {
    "append", "appendleft", "extend", "insert", "pop", "popleft", "popitem", "remove", "discard",
    "add", "update", "setdefault", "clear",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    """Walk over every function, methods and inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def parsed(path: Path) -> ast.Module:
    """Parse a file that need not be of the package."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def where(path: Path, line: int) -> str:
    """Spell a place as editors take it."""
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


def every_module() -> list[object]:
    """Return each module as a parameter that is named after it."""
    return [pytest.param(module, id=module.where) for module in modules().values()]


def test_files_are_short() -> None:
    long = []
    for path in python_files("otpnode", "examples", "benchmarks", "tests", "scripts"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            long.append(f"{where(path, lines)}: more than {MAX_FILE_LINES} lines")
    assert not long, "\n".join(long)


def code_lines(function: Function) -> int:
    """Count the lines of a function less its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_functions_are_short() -> None:
    long = [
        f"{where(path, function.lineno)}: {function.name} has {code_lines(function)} lines"
        for path in python_files("otpnode", "examples", "benchmarks")
        for function in functions(parsed(path))
        if code_lines(function) > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("module", every_module())
def test_imports_stand_at_the_top(module: Module) -> None:
    allowed = LATE_IMPORTS.get(module.where, set())
    late = [
        f"{module.where}:{entry.line} imports {entry.target} inside a function"
        for entry in every_import_of(module)
        if entry.inside_function
        and allowed is not None
        and entry.target not in allowed
        and entry.target not in LATE_ANYWHERE
    ]
    assert not late, "\n".join(late)


@pytest.mark.parametrize("module", every_module())
def test_nothing_prints(module: Module) -> None:
    if module.where in MAY_PRINT:
        return
    calls = [
        f"{module.where}:{node.lineno}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls, f"print: {calls}"


def is_empty(body: list[ast.stmt]) -> bool:
    """Tell whether a block does nothing."""
    return all(
        isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in body
    )


def is_broad(kind: ast.expr | None) -> bool:
    """Tell whether a handler takes everything."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in kinds)


@pytest.mark.parametrize("module", every_module())
def test_no_error_is_swallowed(module: Module) -> None:
    wrong = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                wrong.append(f"{module.where}:{node.lineno}: a bare except")
            elif is_broad(node.type) and is_empty(node.body):
                wrong.append(f"{module.where}:{node.lineno}: a broad except that does nothing")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", every_module())
def test_only_the_child_module_forks(module: Module) -> None:
    if module.where in MAY_FORK:
        return
    wrong = [
        f"{module.where}:{node.lineno}"
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"fork", "forkpty"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any(n.name == "fork" for n in node.names))
    ]
    assert not wrong, f"os.fork: {wrong}"


@pytest.mark.parametrize("module", every_module())
def test_what_is_public_has_a_docstring(module: Module) -> None:
    missing = [] if ast.get_docstring(module.tree) else [f"{module.where}: the module"]
    for node in module.tree.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if not node.name.startswith("_") and not is_overload(node) and ast.get_docstring(node) is None:
            missing.append(f"{module.where}:{node.lineno}: {node.name}")
    assert not missing, "no docstring:\n" + "\n".join(missing)


def is_overload(node: ast.stmt) -> bool:
    """Tell whether a definition is only a signature for the type checker."""
    decorators = getattr(node, "decorator_list", [])
    return any(getattr(one, "attr", getattr(one, "id", "")) == "overload" for one in decorators)


def is_constant(name: str) -> bool:
    """Tell whether a name is spelled as a constant."""
    return name == "__all__" or name.upper() == name


def made(value: ast.expr | None) -> str:
    """Say what kind of mutable thing an expression makes: '', 'empty' or 'filled'."""
    if isinstance(value, (ast.List, ast.Set)):
        return "filled" if value.elts else "empty"
    if isinstance(value, ast.Dict):
        return "filled" if value.keys else "empty"
    if isinstance(value, (ast.ListComp, ast.SetComp, ast.DictComp)):
        return "filled"
    if isinstance(value, ast.Call):
        name = getattr(value.func, "attr", getattr(value.func, "id", ""))
        if name in MUTABLE_CALLS:
            return "filled" if value.args and name != "ContextVar" else "empty"
    return ""


def mutated_names(tree: ast.Module) -> set[str]:
    """Name what functions of a module change in place or rebind."""
    names: set[str] = set()
    for function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                names.update(node.names)
            elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                names.add(getattr(node.value, "id", ""))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                names.add(getattr(node.func.value, "id", ""))
    return names


def module_state(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Find names that a module holds state in: a table written once and only read is a constant."""
    mutated = mutated_names(tree)
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        kind = made(node.value)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if kind and isinstance(target, ast.Name):
                is_table = kind == "filled" and is_constant(target.id) and target.id not in mutated
                if not is_table:
                    yield target.id, node.lineno
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Global):
            yield from ((name, inner.lineno) for name in inner.names)


@pytest.mark.parametrize("module", every_module())
def test_a_module_holds_no_state(module: Module) -> None:
    allowed = STATE.get(module.where, set())
    found = [f"{module.where}:{line}: {name}" for name, line in module_state(module.tree) if name not in allowed]
    assert not found, "module-level state; give it to an object, or a reason in the table:\n" + "\n".join(found)


def test_no_work_is_left_for_later() -> None:
    mark = re.compile("|".join(rf"\b{word}\b" for word in ("TO" + "DO", "FIX" + "ME", "X" + "XX")))
    left = [
        where(path, number)
        for path in python_files("otpnode", "examples", "benchmarks", "tests", "scripts")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if mark.search(line)
    ]
    assert not left, f"left for later: {left}"


def sleeps(tree: ast.AST) -> Iterator[ast.Call]:
    """Find the calls of ``time.sleep`` and ``asyncio.sleep`` that hope something is done in time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep":
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in {"time", "asyncio", "anyio"}:
                seconds = node.args[0] if node.args else None
                value = seconds.value if isinstance(seconds, ast.Constant) else None
                if not (isinstance(value, (int, float)) and (value == 0 or value >= FOR_EVER)):
                    yield node


def test_no_test_sleeps_where_it_can_wait() -> None:
    """A sleep that is itself the subject says so on its line: ``# sleep: why``."""
    found = []
    for path in python_files("tests"):
        if path.relative_to(ROOT).as_posix().startswith(MAY_SLEEP):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for call in sleeps(parsed(path)):
            if "# sleep:" not in lines[call.lineno - 1]:
                found.append(where(path, call.lineno))
    assert not found, f"await a condition instead of sleeping: {found}"


def test_every_module_can_be_imported() -> None:
    names = [name for name in modules() if not name.endswith("__main__")]
    program = (
        "import importlib, sys, traceback\n"
        "failed = 0\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except BaseException:\n"
        "        failed = 1\n"
        "        print('cannot import', name)\n"
        "        traceback.print_exc(limit=-1, file=sys.stdout)\n"
        "sys.exit(failed)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
