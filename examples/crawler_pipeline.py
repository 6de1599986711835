"""Crawl a tree of Python files into a search index: a pipeline that is bounded, supervised, and loses nothing.

What it shows:

- *Back pressure.* The mailbox of a parser holds four files; who sends a fifth waits. So
  the reader walks the tree as fast as the parsers parse, and memory stays what it was.
  That limit is exact within a shard; between shards a parser that has run dry is trusted
  with more. So the reader also counts, and nobody has more than eight files that are not
  acknowledged: which bounds what a dead parser costs, too.
- *Stages under a supervisor*, each started after what it needs. A parser that dies is
  restarted alone; if the index dies, all that was in it is crawled again (``rest_for_one``).
- *At least once, and then idempotent.* The index acknowledges to the reader what is in
  it. What a dead parser leaves unacknowledged is given to its successor, and a page that
  comes twice is taken once. The oldest such file is blamed for the death, and one that is
  blamed for three is given up. (If its page was on the way, that replaces the verdict.)

    reader           walks the tree, with one feeder for each parser
      │ Parse(path, conversation)             waits when the mailbox is full
      ▼
    parser/0 … parser/N-1
      │ Parsed(page, queue, conversation)     waits when the mailbox is full
      ▼
    index ──(conversation, path, queue)──▶ its feeder, by the alias of the feeder's monitor

    otpnode start --schedulers auto --app-dir examples crawler_pipeline:main -- [FOLDER …]
    python examples/crawler_pipeline.py --schedulers 2 --crash-every 100 [FOLDER …]
    python examples/crawler_pipeline.py --sequential [FOLDER …]      (without otpnode, to compare)
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import hashlib
import json
import os
import signal
import sysconfig
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import otpnode
from otpnode import GenServer, Sender, Supervisor, child, process
from otpnode.pid import Pid
from otpnode.ref import Ref

INDEX = "index"

ROOM = 4
"""Files that wait at a parser: enough that it does not run dry while the reader's own shard parses a long one."""

AHEAD = 8
"""Files given to a parser and not acknowledged yet: those that wait, one being parsed, and what is on its way."""

TRIES = 3
"""After so many deaths of a parser on the same file it is given up."""


# -- the work itself: plain Python, the same with and without otpnode -----------


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know about one file: its words (identifiers), its links (imports), or why there are none."""

    path: str
    words: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    problem: str = ""


def walk(folders: Sequence[str]) -> Iterator[str]:
    """Find the Python files below `folders`, one after the other, as they are asked for."""
    for folder in folders:
        for parent, subfolders, names in os.walk(folder):
            subfolders[:] = sorted(set(subfolders) - {"site-packages", "dist-packages", "__pycache__"})
            yield from (os.path.join(parent, name) for name in sorted(names) if name.endswith(".py"))


def parse(path: str) -> Page:
    """Read one file; what can be wrong with a file is part of the answer, anything else is a crash."""
    try:
        with open(path, "rb") as source, warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source.read(), path)
    except (OSError, SyntaxError, ValueError) as error:
        return Page(path, problem=f"{type(error).__name__}: {error}")
    words: set[str] = set()
    links: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                links.update(alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                links.add(module)
            case ast.Name(id=str(word)) | ast.Attribute(attr=str(word)) | ast.arg(arg=str(word)):
                words.add(word)
            case ast.FunctionDef(name=str(word)) | ast.AsyncFunctionDef(name=str(word)) | ast.ClassDef(name=str(word)):
                words.add(word)
    return Page(path, tuple(sorted(words)), tuple(sorted(links)))


@dataclass
class Pages:
    """The index: which files have a word, and how many files import a module."""

    files: dict[str, str] = field(default_factory=dict)  # path to problem, empty for a good file
    postings: dict[str, list[str]] = field(default_factory=dict)
    links: Counter[str] = field(default_factory=Counter)

    def add(self, page: Page) -> None:
        """Take a page, once; a good one also after a verdict."""
        if not self.files.get(page.path, "none yet"):
            return
        self.files[page.path] = page.problem
        for word in page.words:
            self.postings.setdefault(word, []).append(page.path)
        self.links.update(page.links)

    def find(self, words: Sequence[str]) -> list[str]:
        """Return the files that have all `words`."""
        having = [set(self.postings.get(word, ())) for word in words]
        return sorted(set.intersection(*having)) if having else []

    def summary(self, wanted: Sequence[str]) -> dict[str, object]:
        """Return the result as JSON knows it; equal indexes have equal digests."""
        everything = sorted((word, sorted(paths)) for word, paths in self.postings.items())
        return {
            "files": len(self.files),
            "words": len(self.postings),
            "entries": sum(map(len, self.postings.values())),
            "links": dict(sorted(self.links.items(), key=lambda item: (-item[1], item[0]))),
            "problems": {path: problem for path, problem in sorted(self.files.items()) if problem},
            "digest": hashlib.sha256(json.dumps(everything).encode()).hexdigest(),
            "found": self.find(wanted),
        }


# -- the stages, from the end of the pipeline to its beginning --------------------


@dataclass(frozen=True)
class Parsed:
    """Brings a page to the index, to be acknowledged to `conversation`; `queue` files wait at its parser."""

    page: Page
    queue: int
    conversation: Ref


@dataclass(frozen=True)
class Known:
    """Asks the index for the paths it has."""


@dataclass(frozen=True)
class Summary:
    """Asks the index what came of it; `wanted` are words to look for."""

    wanted: tuple[str, ...]


class Index(GenServer[Pages, Known | Summary, object]):
    """The end of the pipeline: what it has acknowledged is in it."""

    def init(self) -> Pages:
        """Begin empty."""
        return Pages()

    async def handle_cast(self, request: Parsed, /) -> None:
        """Take a page, and say so to who waits for it."""
        self.state.add(request.page)
        await process.send(request.conversation, (request.conversation, request.page.path, request.queue))

    def handle_call(self, request: Known | Summary, sender: Sender, /) -> object:
        """Tell what is here."""
        match request:
            case Known():
                return set(self.state.files)
            case Summary(wanted):
                return self.state.summary(wanted)


@dataclass(frozen=True)
class Parse:
    """Asks a parser for a file; `fault` is what shall go wrong, for the show."""

    path: str
    conversation: Ref
    fault: str = ""


class Parser(GenServer[None, object, object]):
    """The middle: takes files as it can, and dies of what it did not expect."""

    mailbox_limit = ROOM

    async def handle_cast(self, request: Parse, /) -> None:
        """Parse a file and pass the page on."""
        page = parse(request.path)
        if request.fault == "crash":
            raise RuntimeError(f"a fault in the middle of {request.path}")
        if request.fault == "shard":
            os.kill(os.getpid(), signal.SIGKILL)
        # Parsing awaits nothing. Let the others of this shard, and what comes from other shards, have their turn.
        await asyncio.sleep(0)
        queue = cast(int, await process.process_info(cast(Pid, process.self()), "message_queue_len"))
        await Index.cast(INDEX, Parsed(page, queue, request.conversation))


@dataclass
class Crawl:
    """What the reader has seen: the figures, and the faults that it shall order."""

    parsers: int
    crash_every: int
    lose_shard: bool
    given: int = 0
    crashes: int = 0
    largest_queue: int = 0
    most_ahead: int = 0
    unacknowledged: int = 0
    per_parser: Counter[int] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)

    def fault(self, number: int, path: str) -> str:
        """Choose what shall go wrong with this file; nothing that has gone wrong before."""
        self.given += 1
        if self.tries[path]:
            return ""
        if self.lose_shard and number == self.parsers - 1 and self.per_parser[number] >= ROOM:
            self.lose_shard = False
            return "shard"
        return "crash" if self.crash_every and self.given % self.crash_every == 0 else ""


class Feeder:
    """The reader's side of one parser, whichever process that is at the time."""

    def __init__(self, number: int, paths: Iterator[str], crawl: Crawl) -> None:
        self.number, self.paths, self.crawl = number, paths, crawl
        self.again: deque[str] = deque()
        self.under_way: deque[str] = deque()

    async def run(self) -> None:
        """Feed the parser until there are no more files and all of its own are acknowledged."""
        while not await self.talk():
            await process.sleep(0.01)  # until its supervisor has restarted it

    async def talk(self) -> bool:
        """Feed one incarnation of the parser; True when all is done, False when it has died."""
        pid = process.whereis(f"parser/{self.number}")
        if pid is None:
            return False
        conversation = await process.monitor(pid, alias="demonitor")
        while (path := self.next_path()) is not None:
            self.under_way.append(path)
            self.crawl.unacknowledged += 1
            self.crawl.most_ahead = max(self.crawl.most_ahead, self.crawl.unacknowledged)
            # Here the reader waits for a slow parser, and the walk with it. (The dead take everything, up to AHEAD.)
            await Parser.cast(pid, Parse(path, conversation, self.crawl.fault(self.number, path)))
            if not await self.listen(conversation, most=AHEAD - 1):
                return False
        if not await self.listen(conversation, most=0):
            return False
        await process.demonitor(conversation, flush=True)
        return True

    def next_path(self) -> str | None:
        """Take what a dead parser has left, else walk on."""
        return self.again.popleft() if self.again else next(self.paths, None)

    async def listen(self, conversation: Ref, *, most: int) -> bool:
        """Take acknowledgements until at most so many are owed, and what is there; False when the parser has died."""
        while self.under_way:
            try:
                match await process.receive(None if len(self.under_way) > most else 0, ref=conversation):
                    case (_, str(path), int(queue)):
                        self.under_way.remove(path)
                        self.crawl.unacknowledged -= 1
                        self.crawl.largest_queue = max(self.crawl.largest_queue, queue)
                        self.crawl.per_parser[self.number] += 1
                    case ("DOWN", _, "process", _, reason):
                        await self.down(reason)
                        return False
            except TimeoutError:
                break
        return True

    async def down(self, reason: object) -> None:
        """Keep what is to be done again; blame the file that the parser died on."""
        self.crawl.crashes += 1
        blamed = self.under_way[0]
        self.crawl.tries[blamed] += 1
        self.crawl.unacknowledged -= len(self.under_way)
        if self.crawl.tries[blamed] == TRIES:
            page = Page(blamed, problem=f"given up, its parser died: {reason!r}")
            await Index.cast(INDEX, Parsed(page, 0, process.make_ref()))
            self.under_way.popleft()
        self.again.extendleft(reversed(self.under_way))
        self.under_way.clear()


async def reader(boss: Pid, folders: Sequence[str], parsers: int, crash_every: int, lose_shard: bool) -> None:
    """Walk the tree, once for all feeders, leaving out what the index has: a reader may have died before this one."""
    crawl = Crawl(parsers, crash_every, lose_shard)
    known = cast("set[str]", await Index.call(INDEX, Known()))
    paths = (path for path in walk(folders) if path not in known)
    async with asyncio.TaskGroup() as feeders:
        for number in range(parsers):
            feeders.create_task(Feeder(number, paths, crawl).run())
    await process.send(boss, crawl)


async def main(*argv: str) -> None:
    """Build the pipeline, wait until the reader is through, and report."""
    options = argument_parser().parse_args(argv)
    shards = process.schedulers()
    began = time.perf_counter()
    parsers = [child(Parser, name=f"parser/{number}", on=number % shards) for number in range(max(shards, 2))]
    plan = [options.folders, len(parsers), options.crash_every, options.lose_shard and shards > 1]
    stages = [
        child(Index, name=INDEX, on="local"),
        child(Supervisor, parsers, {"max_restarts": 100}, id="parsers"),
        child(reader, [process.self(), *plan], restart="transient", on="local"),
    ]
    tree = await Supervisor.start_link(stages, strategy="rest_for_one")
    crawled = cast(Crawl, await process.receive(match=lambda message: isinstance(message, Crawl)))
    result = cast("dict[str, object]", await Index.call(INDEX, Summary(tuple(options.find))))
    await Supervisor.stop(tree)
    report(result, options, time.perf_counter() - began, crawled)


# -- telling ----------------------------------------------------------------------


def report(result: dict[str, object], options: argparse.Namespace, seconds: float, crawl: Crawl | None) -> None:
    """Print what is in the index and, of a pipeline, how it went."""
    links = cast("dict[str, int]", result["links"])
    for module, files in list(links.items())[: options.top]:
        print(f"{files:>8,} files import {module}")
    print(f"{result['files']:,} files, {result['words']:,} words, {result['entries']:,} entries in {seconds:.2f} s")
    for path, problem in cast("dict[str, str]", result["problems"]).items():
        print(f"not indexed: {path}: {problem}")
    if options.find:
        print(f"with {' and '.join(options.find)}:", *cast("list[str]", result["found"]), sep="\n  ")
    if crawl is not None:
        print(f"files per parser: {[crawl.per_parser[number] for number in range(crawl.parsers)]}")
        # A parser that is just being restarted waits for its supervisor's word, and no mailbox is full meanwhile.
        bound = ROOM if process.schedulers() == 1 and not crawl.crashes else AHEAD
        print(f"longest queue at a parser: {crawl.largest_queue} files, bound {bound}; ", end="")
        print(f"the reader was up to {crawl.most_ahead} ahead of the index, bound {crawl.parsers * AHEAD}")
        print(f"parsers that died: {crawl.crashes}; files given to parsers: {crawl.given}")
    if options.json:
        told = result | {"seconds": seconds}
        if crawl is not None:
            told |= {name: getattr(crawl, name) for name in ("given", "crashes", "largest_queue", "most_ahead")}
        Path(options.json).write_text(json.dumps(told, indent=2), encoding="utf-8")


def sequential(options: argparse.Namespace) -> None:
    """Do the same job as a plain script: one file after the other."""
    began, pages = time.perf_counter(), Pages()
    for path in walk(options.folders):
        pages.add(parse(path))
    report(pages.summary(options.find), options, time.perf_counter() - began, None)


def argument_parser() -> argparse.ArgumentParser:
    """Return the arguments of the job itself."""
    parser = argparse.ArgumentParser(prog="crawler_pipeline", description="Index Python files.", add_help=False)
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_paths()["stdlib"]], help="(%(default)s)")
    parser.add_argument("--find", action="append", metavar="WORD", default=[], help="print the files that have it")
    parser.add_argument("--top", type=int, default=10, help="how many modules to print (%(default)s)")
    parser.add_argument("--crash-every", type=int, default=0, metavar="N", help="every Nth file crashes its parser")
    parser.add_argument("--lose-shard", action="store_true", help="the last parser takes its shard along, once")
    parser.add_argument("--json", metavar="FILE", help="also write the result to FILE")
    return parser


def launch() -> None:
    """Start the job from a script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    parser.add_argument("--sequential", action="store_true", help="a plain loop, without otpnode")
    options, argv = parser.parse_known_args()
    if options.sequential:
        return sequential(argument_parser().parse_args(argv))
    otpnode.run(main, *argv, schedulers=options.schedulers)


if __name__ == "__main__":
    launch()
