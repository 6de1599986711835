"""The pages as the tests see them: fenced blocks, the marks in front of them, and the programs they make.

A mark is an HTML comment on the line before a block, so that readers do not see it::

    <!-- snippet: continues -->       append to the program of the page's previous block
    <!-- snippet: body -->            the body of a main, run by otpnode.run
    <!-- snippet: cell -->            the body of a coroutine run by asyncio.run: what a notebook cell is
    <!-- snippet: pytest -->          a test module, run by pytest
    <!-- snippet: fails N -->         ends with exit code N
    <!-- snippet: output -->          before a text block: exactly what the block before it prints
    <!-- snippet: skip: reason -->    is not run

Several marks of one block are separated by commas.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "SEMANTICS.md", *sorted((ROOT / "docs").rglob("*.md"))]

_MARK = re.compile(r"^<!--\s*snippet:\s*(.*?)\s*-->$")
_FENCE = re.compile(r"^(\s*)(```+)\s*([\w+-]*)\s*$")
_HEAD = "import asyncio\n\nimport otpnode\nfrom otpnode import process\n\n\n"
_TAILS = {
    "body": '\n\nif __name__ == "__main__":\n    otpnode.run(main)\n',
    "cell": '\n\nif __name__ == "__main__":\n    asyncio.run(main())\n',
}
_WORDS = {"continues", "body", "cell", "pytest", "output", "fails", "skip"}


@dataclass
class Block:
    """One fenced block.

    Attributes:
        where: ``page:line`` of its first line.
        marks: mark → its argument, "" for none.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


@dataclass
class Snippet:
    """One program made of one or more blocks, and what is expected of it."""

    where: str
    source: str
    definitions: str
    kind: str = "script"
    exit_code: int = 0
    output: str | None = None
    continued: bool = False
    skipped: str = ""


def blocks_of(page: Path) -> list[Block]:
    """Read the fenced blocks of a page.

    Raises:
        ValueError: a fence that is not closed, or an unknown mark.
    """
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    marks: dict[str, str] = {}
    number = 0
    while number < len(lines):
        mark, fence = _MARK.match(lines[number].strip()), _FENCE.match(lines[number])
        if mark is not None:
            marks = _marks(mark[1], f"{page.name}:{number + 1}")
        elif fence is not None:
            end = next((n for n in range(number + 1, len(lines)) if lines[n].strip() == fence[2]), None)
            if end is None:
                raise ValueError(f"{page.name}:{number + 1}: the block is not closed")
            indent = len(fence[1])
            text = "".join(f"{line[indent:]}\n" for line in lines[number + 1 : end])
            found.append(Block(page, number + 2, fence[3], text, marks))
            marks = {}
            number = end
        elif marks and lines[number].strip():
            raise ValueError(f"{page.name}:{number + 1}: a mark with no block behind it")
        number += 1
    return found


def _marks(text: str, where: str) -> dict[str, str]:
    if text.startswith("skip"):
        reason = text.removeprefix("skip").lstrip(": ")
        if not reason:
            raise ValueError(f"{where}: a skip needs a reason")
        return {"skip": reason}
    marks = {}
    for part in text.split(","):
        word, _, argument = part.strip().partition(" ")
        if word not in _WORDS:
            raise ValueError(f"{where}: unknown mark {word!r}")
        marks[word] = argument
    return marks


def snippets_of(page: Path) -> list[Snippet]:
    """Make the programs of a page, in order."""
    made: list[Snippet] = []
    for block in blocks_of(page):
        if block.language == "python":
            made.append(_snippet(block, made[-1] if made else None))
        elif "output" in block.marks:
            if not made or made[-1].output is not None:
                raise ValueError(f"{block.where}: the output of nothing")
            made[-1].output = block.text
    return made


def _snippet(block: Block, before: Snippet | None) -> Snippet:
    marks = block.marks
    kind = next((word for word in ("body", "cell", "pytest") if word in marks), "script")
    code = block.text
    prefix = ""
    if "continues" in marks:
        if before is None:
            raise ValueError(f"{block.where}: continues nothing")
        prefix = before.definitions
        before.continued = True
    if kind in _TAILS:
        body = "async def main():\n" + textwrap.indent(code, "    ")
        source = (prefix + "\n\n" if prefix else _HEAD) + body + _TAILS[kind]
        definitions = prefix
    else:
        source = definitions = prefix + code
    return Snippet(
        where=block.where,
        source=source,
        definitions=definitions,
        kind=kind,
        exit_code=int(marks.get("fails") or 0),
        skipped=marks.get("skip", ""),
    )
