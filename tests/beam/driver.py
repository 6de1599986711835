"""The driver: one actor at a time is told what to do, all is quiet, a line is printed."""

from __future__ import annotations

import asyncio
import random
import traceback
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import cast

from otpnode import process
from otpnode.process import Pid
from tests.beam.actor import Bag, Child, Order, actor, look
from tests.beam.crew import Crew, hush
from tests.beam.render import Names, step_text
from tests.beam.scenario import Placement, Scenario, Step, load

SETTLE_MS = 8
"""What an operation takes at most to be part of its step; longer sleeps and receives block (as in the oracle)."""

STUCK_SECONDS = 20.0
"""After this an operation that should not wait is printed as blocked: the comparison shows it."""

UNWATCHED = object()
FINAL = ("links", "monitors", "monitored_by", "name", "qlen", "trap")


class Drive:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, placement: Placement, crew: Crew, seed: int) -> None:
        self._scenario = scenario
        self._placement = placement
        self._crew = crew
        self._random = random.Random(f"{scenario.name}.{seed}")
        self._names = Names()
        self._watch: dict[str, str] = {}
        self._dead: dict[str, object] = {}
        self._pending: dict[int, tuple[int, str, str, object]] = {}
        """Order → step, actor, operation, its first argument."""
        self._results: dict[int, tuple[int, str, object]] = {}
        self._deaths: list[tuple[str, object]] = []
        self._overdue: set[int] = set()
        """Orders that nobody waits for any more."""
        self._orders = 0
        self._lines = [f"# {scenario.name}"]

    async def run(self) -> str:
        """Run the script; returns the trace. Leaves no actor behind."""
        try:
            for name in self._scenario.actors:
                pid = await process.spawn(actor, [name, self._crew.me], on=self._shard(name))
                await self._watch_over(name, pid)
            for number, step in enumerate(self._scenario.script, 1):
                await self._step(number, step)
            await self._final()
        except Exception:
            self._lines.append(f"RUNNER CRASH {traceback.format_exc()}")
        await self._clear_away()
        return "\n".join(self._lines) + "\n"

    def _shard(self, name: str) -> int:
        return self._scenario.shard_of(name, self._placement)

    async def _watch_over(self, name: str, pid: Pid) -> None:
        self._names.call(name, pid)
        self._watch[await process.monitor(pid)] = name

    async def _clear_away(self) -> None:
        for pid in self._names.pids.values():
            await process.exit(cast(Pid, pid), "kill")
        self._pending.clear()
        with suppress(RuntimeError):
            await self._quiet()

    # -- one step -------------------------------------------------------------

    async def _step(self, number: int, step: Step) -> None:
        if step[:2] == ["*", "par"]:
            steps = [cast(Step, each) for each in step[2:]]
            orders: dict[int, int | str] = {}
            for index in self._random.sample(range(len(steps)), len(steps)):
                orders[index] = await self._dispatch(number, steps[index], self._random.randrange(4))
            await self._finish(number, [(each, orders[index]) for index, each in enumerate(steps)])
            return
        if step[0] != "*":
            await self._finish(number, [(step, await self._dispatch(number, step, 0))])
            return
        if step[1] == "sleep":
            await asyncio.sleep(cast(float, step[2]) / 1000)  # sleep: the scenario says so
        else:
            await self._crew.crash(cast(int, step[2]))
            await self._crew.replace(cast(int, step[2]))
        await self._finish(number, [(step, "ok")])

    async def _dispatch(self, number: int, step: Step, jitter: int) -> int | str:
        """Give one order; returns its number, or what is printed where none can be given."""
        name, op, args = str(step[0]), str(step[1]), step[2:]
        if any(busy == name for _, busy, _, _ in self._pending.values()):
            return "busy (skipped)"
        if name in self._dead or name not in self._names.pids:
            return "dead (skipped)"
        given = [self._child(args)] if op == "spawn" else [self._names.resolve(each) for each in args]
        self._orders += 1
        self._pending[self._orders] = (number, name, op, given[0] if given else None)
        pid = cast(Pid, self._names.pids[name])
        await self._crew.order(process.shard_of(pid), pid, Order(self._orders, op, cast("list[object]", given), jitter))
        return self._orders

    def _child(self, args: Step) -> Child:
        name = str(args[0])
        options = dict(cast("dict[str, object]", args[1])) if len(args) > 1 else {}
        if "body" in options:
            ops = cast("list[Step]", options["body"])
            options["body"] = [[op, *(self._names.resolve(each) for each in rest)] for op, *rest in ops]
        return Child(name, self._shard(name), options)

    async def _finish(self, number: int, given: list[tuple[Step, int | str]]) -> None:
        await self._quiet()
        for step, order in given:
            if isinstance(order, str):
                result = order
            elif order in self._results:
                result = self._names.text(self._results.pop(order)[2])
            else:
                result = "(died)" if step[0] in self._dead else "(blocked)"
            self._lines.append(f"{step_text(number, step)} -> {result}")
            if step[1] == "spawn" and isinstance(order, int):
                self._label_untold(step)
        late = [(step, name, self._names.text(value)) for step, name, value in self._results.values()]
        self._lines += [f"      ~ {name} step {step} -> {text}" for step, name, text in sorted(late)]
        deaths = [(name, self._names.text(reason)) for name, reason in self._deaths]
        self._lines += [f"      ! {name} died {text}" for name, text in sorted(deaths)]
        self._results.clear()
        self._deaths.clear()

    def _label_untold(self, step: Step) -> None:
        """A spawner that died before `spawn` returned could not tell its monitor's ref: any ref of the dead will do."""
        label = cast("dict[str, str]", step[3]).get("monitor") if len(step) > 3 else None
        if label is not None and label not in self._names.refs:
            self._names.label(label, process.make_ref())

    # -- quiet ----------------------------------------------------------------

    async def _quiet(self) -> None:
        """Return when nothing can happen any more without another order."""
        stuck = monotonic() + STUCK_SECONDS
        before: dict[tuple[int, int], int] | None = None
        while True:
            now = await self._crew.look()
            heard = await self._hear()
            if heard or self._unfinished():
                now = None
            if now is not None and now == before:
                return
            if monotonic() > stuck:
                if not self._unfinished():
                    raise RuntimeError(f"not quiet within {STUCK_SECONDS} s")
                self._overdue.update(self._pending)
                return
            before = now

    def _unfinished(self) -> bool:
        return any(
            order not in self._overdue and not _may_wait(op, argument)
            for order, (_, _, op, argument) in self._pending.items()
        )

    async def _hear(self) -> bool:
        heard = False
        while True:
            try:
                message = await process.receive(0)
            except TimeoutError:
                return heard
            heard = True
            await self._on(cast("tuple[object, ...]", message))

    async def _on(self, message: tuple[object, ...]) -> None:
        match message:
            case ("result", int(order), value):
                waiting = self._pending.pop(order, None)
                if waiting is not None:
                    self._results[order] = (waiting[0], waiting[1], value)
            case ("ref", str(label), str(ref)):
                self._names.label(label, ref)
            case ("child", str(name), str(pid), unwatched) if name not in self._names.pids:
                if unwatched:
                    self._names.call(name, pid)
                    self._dead[name] = UNWATCHED
                else:
                    await self._watch_over(name, cast(Pid, pid))
            case ("DOWN", str(ref), "process", _, reason) if ref in self._watch:
                name = self._watch.pop(ref)
                self._dead[name] = reason
                self._deaths.append((name, reason))
                self._pending = {order: each for order, each in self._pending.items() if each[1] != name}

    # -- the end --------------------------------------------------------------

    async def _final(self) -> None:
        self._lines.append("-- final")
        for name, pid in sorted(self._names.pids.items()):
            if name in self._dead:
                if self._dead[name] is not UNWATCHED:
                    self._lines.append(f"   {name} dead {self._names.text(self._dead[name])}")
                continue
            shown = [f"{key}={self._names.text(await self._item(cast(Pid, pid), key))}" for key in FINAL]
            self._lines.append(f"   {name} alive {' '.join(shown)}")

    async def _item(self, pid: Pid, key: str) -> object:
        value = await look(pid, key, self._crew.me)
        if key == "monitored_by" and isinstance(value, Bag):
            return Bag([each for each in value.items if each in self._names.actors])
        return value


def _may_wait(op: str, argument: object) -> bool:
    """Tell whether an operation may outlast its step: a receive or a sleep of more than the settling time."""
    if op not in ("recv", "sleep"):
        return False
    return argument == "inf" or (isinstance(argument, (int, float)) and argument > SETTLE_MS)


async def drive(files: list[str], placement: Placement, repeat: int, out: str) -> None:
    """Run scenarios one after the other, as one process of shard 0; each trace goes to a file or is printed."""
    hush()
    crew = Crew()
    await crew.start()
    for file in files:
        scenario = load(file)
        seen: dict[str, int] = {}
        for seed in range(repeat):
            trace = await Drive(scenario, placement, crew, seed).run()
            seen[trace] = seen.get(trace, 0) + 1
        text = next(iter(seen))
        if repeat > 1:
            common = sorted(seen.items(), key=lambda each: -each[1])
            text = "".join(f"== outcome seen {count}/{repeat}\n{trace}" for trace, count in common)
        deliver(text, file, out)


def deliver(text: str, file: str, out: str) -> None:
    """Write a trace into the folder `out`, or print it."""
    if out:
        Path(out, f"{Path(file).stem}.trace").write_text(text, encoding="utf-8")
    else:
        print(text, end="", flush=True)


async def main(files: list[str], placement: Placement, repeat: int, out: str) -> str:
    """Run `drive` in a process whose mailbox has no bound (the actors' have the default); '' when all went well."""
    _, ref = await process.spawn_monitor(
        drive, [files, placement, repeat, out], on="local", mailbox_limit=None, label="driver"
    )
    reason = cast("tuple[object, ...]", await process.receive(ref=ref))[4]
    return "" if reason == "normal" else str(getattr(reason, "__otp_traceback__", "") or repr(reason))
