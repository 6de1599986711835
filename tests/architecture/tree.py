"""The package as its source reads, for the architecture tests: standard library only, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "otpnode"


@dataclass(frozen=True)
class Import:
    """One imported module, as exactly as the tree tells."""

    target: str
    line: int
    type_only: bool
    inside_function: bool


@dataclass(frozen=True)
class Module:
    """One source file of the package."""

    name: str
    path: Path
    tree: ast.Module
    source: str

    @property
    def where(self) -> str:
        """The path as one would type it."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@cache
def modules() -> dict[str, Module]:
    """Parse every file of the package, by module name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        source = path.read_text(encoding="utf-8")
        found[name] = Module(name, path, ast.parse(source, str(path)), source)
    return found


def python_files(*folders: str) -> list[Path]:
    """List the Python files of some top-level folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports_of(module: Module) -> list[Import]:
    """List what `module` imports of the package, wherever the statement stands."""
    found: list[Import] = []
    _collect(module, module.tree, found, type_only=False, inside_function=False)
    return [entry for entry in found if entry.target == "otpnode" or entry.target.startswith("otpnode.")]


def every_import_of(module: Module) -> list[Import]:
    """List what `module` imports from anywhere."""
    found: list[Import] = []
    _collect(module, module.tree, found, type_only=False, inside_function=False)
    return found


def _collect(module: Module, node: ast.AST, found: list[Import], *, type_only: bool, inside_function: bool) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            for target in _targets(module, child):
                found.append(Import(target, child.lineno, type_only, inside_function))
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.body:
                _collect(module, _wrapped(statement), found, type_only=True, inside_function=inside_function)
            for statement in child.orelse:
                _collect(module, _wrapped(statement), found, type_only=type_only, inside_function=inside_function)
        else:
            inside = inside_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            _collect(module, child, found, type_only=type_only, inside_function=inside)


def _wrapped(statement: ast.stmt) -> ast.Module:
    return ast.Module(body=[statement], type_ignores=[])


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _targets(module: Module, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Name the modules a statement imports: ``from a import b`` is ``a.b`` where that is a module."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    base = statement.module or ""
    if statement.level:
        package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
        kept = package[: len(package) - (statement.level - 1)]
        base = ".".join([*kept, base] if base else kept)
    for alias in statement.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in modules() else base


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach one another (Tarjan), each sorted; [] when there is no cycle."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for following in sorted(edges.get(node, ())):
            if following not in index:
                visit(following)
                low[node] = min(low[node], low[following])
            elif following in stack:
                low[node] = min(low[node], index[following])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1 or node in edges.get(node, ()):
                groups.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return groups
