"""Mutants of routing, names and framing."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, programs, unit

_NEIGHBOURS = "scheduler/neighbours.py"
_BULK = "transport/bulk.py"
_FRAMING = "transport/framing.py"
_DIRECTORY = "scheduler/directory.py"
_SHARDS = "conformance/test_in_memory.py"

_ROUTES = [
    Mutant(
        "SH-05",
        _NEIGHBOURS,
        "lost = self._lost.get(owner.shard) == owner.incarnation",
        "lost = False",
        unit(_SHARDS, "sh05"),
    ),
    Mutant(
        "SH-05",
        _NEIGHBOURS,
        "lost = self._lost.get(owner.shard) == owner.incarnation",
        "lost = True",
        unit(_SHARDS, "sh05"),
    ),
    Mutant("SP-08", _NEIGHBOURS, "        self.births.fail(shard, incarnation)\n", "", unit(_SHARDS, "sp08")),
    Mutant("SH-02", _NEIGHBOURS, "accept(Exit(pid, proc.pid, NOCONNECTION))", "pass", unit(_SHARDS, "sh02")),
    Mutant(
        "SH-02", _NEIGHBOURS, "accept(Down(record.target, proc.pid, ref, NOCONNECTION))", "pass", unit(_SHARDS, "sh02")
    ),
    Mutant("SH-03", "transport/mesh.py", "            peer.link.drain()\n", "", unit(_SHARDS, "sh03")),
    Mutant(
        "SP-09",
        "scheduler/births.py",
        "            self._disown(pending.birth, parent, pid)\n",
        "            pass\n",
        programs("sp09", only="loop"),
    ),
    Mutant(
        "SP-09",
        "process/spawning.py",
        "        await asyncio.wait({task})\n",
        "        await task\n",
        unit("races/test_r14_r23_births_with_names.py", "not_its_spawners_task"),
    ),
    Mutant(
        "SP-09",
        "process/spawning.py",
        "        shard.deaths.strike(proc, ABANDONED)\n        raise\n    return proc\n",
        "        shard.deaths.strike(proc, ABANDONED)\n        raise\n    _let_run(shard, proc)\n    return proc\n",
        programs("sp09", only="loop"),
    ),
    Mutant(
        "SP-09",
        "process/spawning.py",
        "        shard.router.post(Exit(birth.sender, child.pid, reason))\n",
        "        pass\n",
        unit("races/test_r14_r23_births_with_names.py", "killed_at or gives_up"),
    ),
    Mutant(
        "SP-05",
        "transport/strict.py",
        "        check_size(data, self._max_message, CALL)\n",
        "",
        unit("conformance/test_strict.py", "cap"),
    ),
    Mutant(
        "SP-05",
        "scheduler/births.py",
        "        check_size(call, self._shard.config.max_message, CALL)\n",
        "",
        unit("conformance/test_strict.py", "cap"),
    ),
    Mutant(
        "SH-05",
        "process/routing.py",
        "            self.post(Down(signal.to, signal.sender, signal.ref, reason))",
        "            pass",
        unit(_SHARDS, "sh05"),
    ),
    Mutant(
        "PI-02",
        "process/routing.py",
        "return way is not None and way[0].is_alive(way[1])",
        "return way is not None",
        programs("pi02", only="loop"),
    ),
    Mutant(
        "SH-11",
        "transport/mesh.py",
        "            self.on_corrupt(str(error))\n",
        "            pass\n",
        unit(_SHARDS, "sh11"),
    ),
    Mutant(
        "AC-10",
        "process/generators.py",
        "if proc is None or proc.done() else proc.context.copy()",
        "if True else Context()",
        programs("ac10", only="one"),
    ),
    Mutant(
        "AC-10",
        "process/generators.py",
        "if proc is None or proc.done() else",
        "if proc is None else",
        programs("ac10", only="one"),
    ),
]

_NAMES = [
    Mutant("RG-02", _DIRECTORY, "        if pid in self._names:", "        if False:", programs("rg02", only="loop")),
    Mutant(
        "RG-01",
        _DIRECTORY,
        'if name in self._pids or name in self._reserved:\n            return Verdict("taken")\n        return',
        'if name in self._reserved:\n            return Verdict("taken")\n        return',
        programs("rg01", only="loop"),
    ),
    Mutant(
        "RG-02",
        "process/registry.py",
        "        if pid in self._names:",
        "        if False:",
        programs("rg02", only="one"),
    ),
    Mutant(
        "RG-01",
        "process/registry.py",
        "        if name in self._pids:\n            raise taken(name, self._pids[name])\n        if pid",
        "        if pid",
        programs("rg01", only="one"),
    ),
    Mutant(
        "RG-06",
        _DIRECTORY,
        "return Verdict() if name is None else Verdict(changes=(self._take(name),))",
        "return Verdict()",
        programs("rg06", only="loop"),
    ),
    Mutant(
        "SH-04",
        _DIRECTORY,
        "names = sorted(self._by_owner.get(owner, ()))",
        "names = []",
        unit(_SHARDS, "sh02 or sh08"),
    ),
    Mutant(
        "RG-07",
        "scheduler/nameservice.py",
        "        self._publish()\n        answers, self._answers",
        "        answers, self._answers",
        programs("rg", only="loop"),
    ),
    Mutant(
        "SP-06", _DIRECTORY, "        self._reserved[name] = owner\n", "", unit("scheduler/test_directory.py", "reserv")
    ),
]

_FRAMES = [
    Mutant("SH-11", _FRAMING, "if not 0 < length <= most:", "if not 0 <= length <= most:", unit(_SHARDS, "sh11")),
    Mutant(
        "SH-11",
        _FRAMING,
        "if not 0 < length <= most:",
        "if not 0 < length < most:",
        unit("transport/test_framing.py", "cap"),
    ),
    Mutant(
        "SH-03",
        _FRAMING,
        "self._parts.append(chunk[at:] if at else chunk)",
        "self._parts.append(chunk)",
        unit("transport/test_framing.py", "split"),
    ),
    Mutant(
        "SH-03",
        _FRAMING,
        "            if stop > end:\n",
        "            if stop > end + 1:\n",
        unit("transport/test_framing.py", "split or tail"),
    ),
    Mutant(
        "SO-01",
        _BULK,
        "bulk.behind.append((kind, body))",
        "bulk.behind.appendleft((kind, body))",
        unit("transport/test_link.py", "contract"),
    ),
    Mutant(
        "SH-10",
        _BULK,
        "            self._bulks.append(bulk)\n        else:",
        "            self._bulks.appendleft(bulk)\n        else:",
        unit("transport/test_link.py", "contract"),
    ),
    Mutant(
        "SH-11",
        _BULK,
        'if size > self._most:\n            raise FrameError(f"a frame in pieces',
        'if False:\n            raise FrameError(f"a frame in pieces',
        unit("transport/test_link.py", "assembler"),
    ),
    Mutant(
        "SO-01",
        _BULK,
        "bulk = self._lanes.get(lane) if self._lanes else None",
        "bulk = None",
        unit("transport/test_link.py", "contract"),
    ),
]

TABLE = [*_ROUTES, *_NAMES, *_FRAMES]
