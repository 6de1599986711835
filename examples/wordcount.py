"""Count the identifiers of every Python file below some folders, on every core.

What it shows: CPU-bound work on all cores with nothing but processes and messages.
A coordinator (`main`) spawns a pool of workers, one per shard, and hands out files,
two in flight per worker, so that a worker never waits for the coordinator. A worker
catches nothing: a broken file ends it, its monitor tells the coordinator, and a new
worker takes over what the dead one had not begun. The loss of a whole shard is the
same message with the reason ``'noconnection'``, and the count is still right.

    otpnode start --schedulers auto --app-dir examples wordcount:main -- [FOLDER …]
    python examples/wordcount.py --schedulers 2 [FOLDER …]
    python examples/wordcount.py --sequential [FOLDER …]      (without otpnode, to compare)

Messages, coordinator to worker: ``('count', file_id, path)``, ``('stop',)``; worker to
coordinator: ``('counted', worker, file_id, {identifier: times})``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import logging
import os
import sys
import sysconfig
import time
import tokenize
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import otpnode
from otpnode import process
from otpnode.pid import Pid

log = logging.getLogger("wordcount")

IN_FLIGHT = 2
"""Files a worker has at once: one to count, one waiting, so that it never runs dry."""

SLICE_TOKENS = 2_000
"""After so many tokens (some 2 ms) a worker gives way to the others on its shard, the coordinator above all."""


# -- the work itself: plain Python, the same with and without otpnode -----------


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to count."""

    path: str
    size: int


def find_files(folders: Sequence[str]) -> list[SourceFile]:
    """List the Python files below `folders`, the largest first, so that the last ones to finish are short."""
    found: list[SourceFile] = []
    for folder in folders:
        for parent, subfolders, names in os.walk(folder):
            subfolders[:] = sorted(set(subfolders) - {"site-packages", "dist-packages", "__pycache__"})
            paths = (os.path.join(parent, name) for name in sorted(names) if name.endswith(".py"))
            found.extend(SourceFile(path, os.path.getsize(path)) for path in paths if os.path.isfile(path))
    return sorted(found, key=lambda file: -file.size)


def count_in_slices(path: str, counts: dict[str, int]) -> Iterator[None]:
    """Count the identifiers of one file into `counts`, with a pause after every slice of tokens.

    Raises:
        Exception: the file is broken; ``tokenize`` knows many ways.
    """
    with open(path, "rb") as source:
        for number, token in enumerate(tokenize.tokenize(source.readline), 1):
            if token.type == tokenize.NAME:
                counts[token.string] = counts.get(token.string, 0) + 1
            if number % SLICE_TOKENS == 0:
                yield


@dataclass
class Tally:
    """What has been counted so far."""

    mode: str
    schedulers: int
    files: list[SourceFile]
    counts: Counter[str] = field(default_factory=Counter)
    done: set[int] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    bytes_per_shard: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, file_id: int, counts: dict[str, int], shard: int) -> None:
        """Add the counts of one file, once: after the loss of a shard a file may be counted by two workers."""
        if file_id in self.done:
            return
        self.done.add(file_id)
        for word, times in counts.items():
            self.counts[word] += times
        self.bytes_per_shard[shard] += self.files[file_id].size

    def give_up_on(self, file_id: int) -> None:
        """Leave a broken file out."""
        self.done.add(file_id)
        self.broken.append(self.files[file_id].path)

    @property
    def finished(self) -> bool:
        """Tell whether every file is counted or broken."""
        return len(self.done) == len(self.files)


def sequential(folders: Sequence[str]) -> Tally:
    """Do the same job as a plain script: one file after the other."""
    began = time.perf_counter()
    tally = Tally("sequential", 0, find_files(folders))
    for file_id, file in enumerate(tally.files):
        counts: dict[str, int] = {}
        try:
            for _ in count_in_slices(file.path, counts):
                pass
        except Exception as error:  # whatever would end a worker
            log.warning("%s is broken: %s", file.path, error)
            tally.give_up_on(file_id)
        else:
            tally.add(file_id, counts, 0)
    tally.seconds = time.perf_counter() - began
    return tally


# -- the processes ----------------------------------------------------------------


async def worker(coordinator: Pid) -> None:
    """Count files until told to stop; end with the exception of a broken one."""
    me = process.self()
    while True:
        match await process.receive():
            case ("stop",):
                return
            case ("count", int(file_id), str(path)):
                counts: dict[str, int] = {}
                for _ in count_in_slices(path, counts):
                    await asyncio.sleep(0)
                await process.send(coordinator, ("counted", me, file_id, counts))
                # The next file may wait in the mailbox already; the coordinator first.
                await asyncio.sleep(0)


class Pool:
    """The coordinator's view of its workers: who has which files, oldest first."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.pending: deque[int] = deque(range(len(tally.files)))
        self.in_flight: dict[Pid, deque[int]] = {}

    async def grow(self) -> None:
        """Spawn one worker, monitored, and give it work."""
        coordinator = process.self()
        while True:
            try:
                pid, _ = await process.spawn_monitor(worker, [coordinator], label="wordcount worker")
                break
            except otpnode.ShardDownError:
                log.warning("the shard chosen for a worker went down; asking for another")
        self.in_flight[pid] = deque()
        await self.feed(pid)

    async def feed(self, pid: Pid) -> None:
        """Fill `pid` up to two files in flight."""
        files = self.in_flight[pid]
        while len(files) < IN_FLIGHT and self.pending:
            file_id = self.pending.popleft()
            if file_id in self.tally.done:
                continue
            try:
                await process.send(pid, ("count", file_id, self.tally.files[file_id].path))
            except otpnode.ProcessNotFoundError:
                # It has just died, and its DOWN is on the way; the file was not sent.
                self.pending.appendleft(file_id)
                return
            files.append(file_id)

    async def counted(self, pid: Pid, file_id: int, counts: dict[str, int]) -> None:
        """Take one result and give the worker its next file."""
        self.tally.add(file_id, counts, process.shard_of(pid))
        files = self.in_flight.get(pid)
        if files is not None:
            files.remove(file_id)
            await self.feed(pid)

    async def down(self, pid: Pid, reason: object) -> None:
        """Replace a dead worker; what it had not begun goes back to the others.

        Replies and DOWN of one worker come in the order it sent them, so the oldest
        file without a reply is the one it died on.
        """
        lost = self.in_flight.pop(pid)
        if isinstance(reason, BaseException) and lost:
            broken = lost.popleft()
            log.warning("%s is broken: %s", self.tally.files[broken].path, reason)
            self.tally.give_up_on(broken)
        else:
            log.warning("worker %s is gone: %r; %d files go to others", pid, reason, len(lost))
        self.pending.extendleft(reversed(lost))
        if not self.tally.finished:
            await self.grow()

    async def run(self) -> None:
        """Work until every file is counted or broken."""
        for _ in range(process.schedulers()):
            await self.grow()
        while not self.tally.finished:
            match await process.receive():
                case ("counted", str(pid), int(file_id), dict(counts)):
                    await self.counted(Pid(pid), file_id, counts)
                case ("DOWN", _, "process", str(pid), reason):
                    await self.down(Pid(pid), reason)
            show_progress(self.tally)
        for pid in self.in_flight:
            with contextlib.suppress(otpnode.ProcessNotFoundError):
                await process.send(pid, ("stop",))


async def main(*argv: str) -> None:
    """Count the files named by the arguments and print a report: the coordinator."""
    options = argument_parser().parse_args(argv)
    began = time.perf_counter()
    tally = Tally("otpnode", process.schedulers(), find_files(options.folders))
    await Pool(tally).run()
    tally.seconds = time.perf_counter() - began
    report(tally, options)


# -- telling ----------------------------------------------------------------------


def show_progress(tally: Tally) -> None:
    """Rewrite one line on a terminal."""
    if sys.stderr.isatty():
        done = sum(tally.bytes_per_shard.values()) / 1e6
        end = "\n" if tally.finished else ""
        sys.stderr.write(f"\r{len(tally.done)} of {len(tally.files)} files, {done:.1f} MB\x1b[K{end}")
        sys.stderr.flush()


def summary(tally: Tally, top: int) -> dict[str, object]:
    """Return the result as JSON knows it; equal counts have equal digests."""
    counts = json.dumps(sorted(tally.counts.items())).encode()
    return {
        "mode": tally.mode,
        "schedulers": tally.schedulers,
        "files": len(tally.files) - len(tally.broken),
        "bytes": sum(tally.bytes_per_shard.values()),
        "seconds": tally.seconds,
        "identifiers": sum(tally.counts.values()),
        "distinct": len(tally.counts),
        "top": ranking(tally)[:top],
        "digest": hashlib.sha256(counts).hexdigest(),
        "bytes_per_shard": {str(shard): done for shard, done in sorted(tally.bytes_per_shard.items())},
        "broken": sorted(tally.broken),
    }


def ranking(tally: Tally) -> list[tuple[str, int]]:
    """Order the identifiers, the most frequent first, equal ones by name."""
    return sorted(tally.counts.items(), key=lambda item: (-item[1], item[0]))


def report(tally: Tally, options: argparse.Namespace) -> None:
    """Print what was counted, how fast, and by which shards."""
    for word, times in ranking(tally)[: options.top]:
        print(f"{times:>10,}  {word}")
    total = sum(tally.bytes_per_shard.values())
    seconds = max(tally.seconds, 1e-9)
    print(f"{sum(tally.counts.values()):,} identifiers, {len(tally.counts):,} different ones")
    print(f"{len(tally.done) - len(tally.broken)} files, {total / 1e6:.1f} MB in {seconds:.2f} s:", end=" ")
    print(f"{len(tally.done) / seconds:.0f} files/s, {total / 1e6 / seconds:.2f} MB/s")
    for path in sorted(tally.broken):
        print(f"left out, broken: {path}")
    if tally.schedulers:
        for shard, done in sorted(tally.bytes_per_shard.items()):
            print(f"shard {shard}: {done / 1e6:.1f} MB ({100 * done / max(total, 1):.0f} %)")
    if options.json:
        Path(options.json).write_text(json.dumps(summary(tally, options.top), indent=2), encoding="utf-8")


def folder(text: str) -> str:
    """Accept a folder that exists."""
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"no such folder: {text}")
    return text


def argument_parser() -> argparse.ArgumentParser:
    """Return the arguments of the job itself."""
    parser = argparse.ArgumentParser(prog="wordcount", description="Count identifiers on every core.", add_help=False)
    standard_library = sysconfig.get_paths()["stdlib"]
    parser.add_argument(
        "folders", nargs="*", type=folder, default=[standard_library], help="default: Python's standard library"
    )
    parser.add_argument("--top", type=int, default=20, help="how many identifiers to print (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write the result to FILE")
    return parser


def launch() -> None:
    """Start the job from a script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    parser.add_argument("--sequential", action="store_true", help="a plain loop, without otpnode")
    launch_options, argv = parser.parse_known_args()
    if launch_options.sequential:
        options = argument_parser().parse_args(argv)
        report(sequential(options.folders), options)
    else:
        otpnode.run(main, *argv, schedulers=launch_options.schedulers)


if __name__ == "__main__":
    launch()
