"""What the pages show is true: programs run and print what they say, commands and paths exist."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import otpnode
from otpnode import cli, process
from tests.docs.pages import PAGES, ROOT, Block, Snippet, blocks_of, snippets_of
from tests.support import PLUGIN

AT_ONCE = 2
SECONDS = 240

SNIPPETS = {snippet.where: snippet for page in PAGES for snippet in snippets_of(page)}
SKIPPED = {where: snippet.skipped for where, snippet in SNIPPETS.items() if snippet.skipped}
# A block that another one continues is run as part of that one, unless it says itself what it prints.
RUN = [
    where
    for where, snippet in SNIPPETS.items()
    if not snippet.skipped and (snippet.output is not None or not snippet.continued)
]
COMMANDS = [
    pytest.param(block, line, id=f"{block.where} {line[:40]}")
    for page in PAGES
    for block in blocks_of(page)
    if block.language == "console"
    for line in block.text.replace("\\\n", " ").splitlines()
    if line.startswith("$ ")
]

Done = subprocess.CompletedProcess[str]
Runs = dict[str, Future[Done]]


def run(snippet: Snippet, folder: Path) -> Done:
    """Run a program in a fresh interpreter."""
    folder.mkdir()
    file = folder / ("test_page.py" if snippet.kind == "pytest" else "page.py")
    file.write_text(snippet.source, encoding="utf-8")
    before = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGIN] if snippet.kind == "pytest" else ["-W", "error"]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *before, str(file)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Run the programs this session asks for, two at a time; all have ended before the first is looked at."""
    folder = tmp_path_factory.mktemp("pages")
    wanted = []
    for item in request.session.items:
        where = getattr(getattr(item, "callspec", None), "params", {}).get("where")
        if where in SNIPPETS and where not in wanted:
            wanted.append(where)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = {where: pool.submit(run, SNIPPETS[where], folder / str(n)) for n, where in enumerate(wanted)}
    return begun


@pytest.mark.os_processes
@pytest.mark.parametrize("where", RUN)
def test_a_program_runs_and_prints_what_the_page_says(where: str, runs: Runs) -> None:
    done, snippet = runs[where].result(), SNIPPETS[where]
    told = f"{where}\n{snippet.source}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
    assert done.returncode == snippet.exit_code, f"exit code {done.returncode}: {told}"
    if snippet.output is not None:
        assert done.stdout == snippet.output, told


def test_every_python_block_is_run_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    count = sum(block.language == "python" for page in PAGES for block in blocks_of(page))
    assert count == len(SNIPPETS)
    with capsys.disabled():
        for where, reason in SKIPPED.items():
            print(f" not run: {where}: {reason}")
    unseen = [where for where in SNIPPETS if where not in RUN and where not in SKIPPED]
    assert all(SNIPPETS[where].continued for where in unseen)


def test_every_block_names_its_language() -> None:
    known = {"python", "console", "text", "sh", "ini", "dockerfile", "toml"}
    wrong = [block.where for page in PAGES for block in blocks_of(page) if block.language not in known]
    assert not wrong


@pytest.mark.parametrize(("block", "line"), COMMANDS)
def test_a_command_can_be_given(block: Block, line: str) -> None:
    words = shlex.split(line[2:], comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words.pop(0)
    for stop in ("|", "&&", ";", "&", ">", "2>"):
        words = words[: words.index(stop)] if stop in words else words
    match words:
        case ["otpnode", *rest]:
            own = rest[: rest.index("--")] if "--" in rest else rest
            assert cli._parser().parse_args(own).command in ("start", "version")
        case ["make", *rest]:
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert {word for word in rest if "=" not in word} <= set(targets), block.where
        case ["python", script, *_] if script.startswith(("examples/", "benchmarks/")):
            assert (ROOT / script).is_file(), block.where


def in_words(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = in_words(page)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    paths = re.findall(r"`((?:otpnode|tests|examples|benchmarks|deploy|docs|scripts)/[\w./-]*)`", text)
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert not missing, f"{page.name}: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_a_page_have_a_heading(page: Path) -> None:
    wrong = []
    for target, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", in_words(page)):
        if "://" not in target:
            other = (page.parent / target) if target else page
            if anchor not in anchors(other):
                wrong.append(f"{target}#{anchor}")
    assert not wrong, f"{page.name}: {wrong}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, spelled as forges do."""
    heads = re.findall(r"^#+ (.*)$", in_words(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


# -- the reference ------------------------------------------------------------

_REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
_ENTRIES = {
    match[2]: (match[1] or "", match[3])
    for match in re.finditer(r"^#### `(await )?([\w.]+)\((.*?)\)(?: → .*)?`$", _REFERENCE, re.MULTILINE)
}
_ERRORS = {name for name in process.__all__ if isinstance(getattr(process, name), type)} - {"Pid", "Ref"}
_VERBS = [name for name in process.__all__ if inspect.isfunction(getattr(process, name))]
_TOP = ["run", "node", "stop", "carry"]


@pytest.mark.parametrize("name", [*_VERBS, *_TOP])
def test_the_reference_has_every_verb_with_its_signature(name: str) -> None:
    verb = getattr(otpnode if name in _TOP else process, name)
    awaited, parameters = _ENTRIES[f"otpnode.{name}" if name in _TOP else name]
    assert bool(awaited) == inspect.iscoroutinefunction(verb)
    assert shape(parameters) == [
        (one.name, one.kind, spelled(one.default)) for one in inspect.signature(verb).parameters.values()
    ]


def shape(parameters: str) -> list[tuple[str, object, str]]:
    """Read a signature as written on the page."""
    written = ast.parse(f"def f({parameters}): ...").body[0]
    scope: dict[str, object] = {}
    # Defaults are names on the page (`…` for "the node's"), so they are kept as text.
    for default in ast.walk(written):
        if isinstance(default, ast.arguments):
            default.defaults = [ast.Constant(ast.unparse(value)) for value in default.defaults]
            default.kw_defaults = [
                None if value is None else ast.Constant(ast.unparse(value)) for value in default.kw_defaults
            ]
    exec(compile(ast.fix_missing_locations(ast.Module([written], [])), "page", "exec"), scope)
    found = inspect.signature(scope["f"]).parameters.values()  # type: ignore[arg-type]
    return [(one.name, one.kind, one.default if isinstance(one.default, str) else "") for one in found]


def spelled(default: object) -> str:
    """Spell a default as the page does."""
    if default is inspect.Parameter.empty:
        return ""
    return "..." if type(default).__name__ == "Default" else repr(default)


@pytest.mark.parametrize("name", sorted(_ERRORS))
def test_the_reference_has_every_error(name: str) -> None:
    assert re.search(rf"^\| `{name}", _REFERENCE, re.MULTILINE)


def test_the_operations_page_has_every_option_of_start() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    usage = cli._parser()._subparsers._group_actions[0].choices["start"]  # type: ignore[union-attr,index]
    options = [word for action in usage._actions for word in action.option_strings if word.startswith("--")]
    assert [word for word in options if f"`{word}" not in text and word != "--help"] == []
