"""Mutants of exits, links, monitors and deaths."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, programs, unit

_EXITS = "process/exits.py"
_RELATIONS = "process/relations.py"
_RECEPTION = "process/reception.py"
_DEATHS = "process/deaths.py"
_LIFECYCLE = "process/lifecycle.py"
_SPAWNING = "process/spawning.py"
_REQUESTS = "process/requests.py"

_SIGNALS = [
    Mutant("LK-08", _EXITS, "    if is_text(reason, NORMAL):\n", "    if False:\n", programs("lk08")),
    Mutant("EX-02", _EXITS, "return Die(KILLED)", "return Die(reason)", programs("ex02")),
    Mutant(
        "EX-01",
        _EXITS,
        "if is_text(reason, NORMAL) and sender != receiver:",
        "if is_text(reason, NORMAL):",
        programs("ex01"),
    ),
    Mutant(
        "EX-01", _EXITS, "if is_text(reason, KILL):", "if is_text(reason, KILL) and not trapping:", programs("ex01")
    ),
    Mutant("MO-11", _EXITS, "    if proc.monitors:\n", "    if False:\n", programs("mo11")),
    Mutant("MO-01", _EXITS, "    if proc.monitored_by:\n", "    if False:\n", programs("mo01")),
    Mutant(
        "EX-01",
        "transport/codec.py",
        "{Exit: 4, Exit2: 5}",
        "{Exit: 5, Exit2: 5}",
        programs("ex01", "lk01", only="loop"),
    ),
    Mutant("EX-06", _LIFECYCLE, "raise ProcessExit(verdict.reason)", "return", programs("ex06")),
    Mutant(
        "EX-12",
        _LIFECYCLE,
        "Exit2(shard.system_pid if me is None else me.pid, target, reason)",
        "Exit2(shard.system_pid, target, reason)",
        programs("ex12"),
    ),
]

_LINKS = [
    Mutant(
        "LK-01",
        _RELATIONS,
        "self.records[pid] = LinkRecord()\n            return True",
        "self.records[pid] = LinkRecord()\n            return False",
        programs("lk01"),
    ),
    Mutant(
        "LK-07",
        _RELATIONS,
        "        if pid not in self.records:",
        "        if pid not in self.active():",
        unit("process/test_relations.py", "lk07"),
    ),
    Mutant("LK-07", _RELATIONS, " and record.unlink_id == unlink_id:", ":", unit("process/test_relations.py", "lk07")),
    Mutant(
        "LK-05",
        _RELATIONS,
        "        record.active = False",
        "        record.active = True",
        programs("lk05", only="loop"),
    ),
    Mutant(
        "LK-05",
        _RELATIONS,
        "pop(pid, None)\n        return record is not None and record.active",
        "pop(pid, None)\n        return record is not None",
        programs("lk05", only="loop"),
    ),
    Mutant(
        "LK-07",
        _RELATIONS,
        "        record.active = True\n        record.unlink_id = 0\n",
        "        record.unlink_id = 0\n",
        programs("lk07", only="loop"),
    ),
    Mutant(
        "LK-04", _RECEPTION, "self._shard.router.post(Exit(signal.to, signal.sender, NOPROC))", "pass", programs("lk04")
    ),
    Mutant(
        "LK-07",
        _RECEPTION,
        "self._shard.router.post(UnlinkAck(signal.to, signal.sender, signal.unlink_id))",
        "pass",
        programs("lk07", only="loop"),
    ),
    Mutant("LK-05", _LIFECYCLE, "        other.links.drop(me.pid)", "        pass", programs("lk05", only="one")),
    Mutant(
        "LK-05",
        _LIFECYCLE,
        "me.shard.router.post(UnlinkId(me.pid, target, unlink_id))",
        "pass",
        programs("lk05", "lk07", only="loop"),
    ),
    Mutant("SP-03", _SPAWNING, "links_of(proc).linked(birth.sender)", "pass", programs("sp03")),
    Mutant("SP-03", _SPAWNING, "links_of(me).linked(pid)", "pass", programs("sp03")),
]

_MONITORS = [
    Mutant("SP-04", _SPAWNING, "proc.monitored_by = {birth.ref: birth.sender}", "pass", programs("sp04")),
    Mutant(
        "MO-03",
        _RECEPTION,
        "self._shard.router.post(Down(signal.to, signal.sender, signal.ref, NOPROC))",
        "pass",
        programs("mo03"),
    ),
    Mutant("MO-11", _RECEPTION, "proc.monitored_by.pop(signal.ref, None)", "pass", programs("mo11", "mo07")),
    Mutant(
        "MO-08",
        _RECEPTION,
        "proc.monitors.pop(signal.ref, None) if proc is not None",
        "proc.monitors.get(signal.ref) if proc is not None",
        programs("mo08"),
    ),
    Mutant(
        "AL-02",
        _RECEPTION,
        'if record.alias in ("demonitor", "reply_demonitor"):',
        'if record.alias == "reply_demonitor":',
        programs("al02"),
    ),
    Mutant("AL-02", _RECEPTION, 'elif record.alias == "reply_demonitor":', "elif False:", programs("al02")),
    Mutant(
        "AL-01",
        _RECEPTION,
        'proc.aliases.get(ref) == "reply":',
        "False:",
        programs("al01"),
    ),
    Mutant(
        "MB-09",
        _RECEPTION,
        "        proc.mailbox.put_exempt((record.tag,",
        "        proc.mailbox.put((record.tag,",
        programs("mb09"),
    ),
    Mutant(
        "AL-05",
        _RECEPTION,
        "            box.put_exempt(message)\n\n    def _timer",
        "            box.put(message)\n\n    def _timer",
        programs("al05", "mb09"),
    ),
    Mutant("MO-07", "process/mailbox.py", "if not keep(message):", "if False:", programs("mo07")),
    Mutant(
        "GS-03",
        "process/messages.py",
        "me.askers.pop(ref, None)",
        "me.askers.get(ref)",
        unit("leaks/test_tables.py", "server_keeps"),
    ),
    Mutant(
        "GS-03",
        "process/messages.py",
        "            watched_by(me).pop(ref, None)\n",
        "",
        unit("leaks/test_tables.py", "server_keeps"),
    ),
    Mutant(
        "GS-03",
        _RECEPTION,
        "proc.monitors.pop(ref, None) is not None:\n            del self._shard.aliases[ref]\n",
        "proc.monitors.pop(ref, None) is not None:\n",
        unit("leaks/test_tables.py", "server_keeps"),
    ),
    Mutant(
        "GS-03",
        _RECEPTION,
        "            if proc.askers:\n",
        "            if False:\n",
        unit("leaks/test_tables.py", "server_keeps"),
    ),
    Mutant("GS-03", _REQUESTS, "if ref in me.monitors:", "if False:", programs("gs03", only="one")),
    Mutant(
        "GS-04",
        _REQUESTS,
        "                    _forget(shard, me, ref)\n                    raise\n",
        "                    raise\n",
        programs("gs04", only="one"),
    ),
    Mutant(
        "GS-04",
        "process/runqueue.py",
        "            self._shard.deadlines.nurse()\n",
        "            self._shard.deadlines.young.clear()\n",
        unit("process/test_requests.py", "gs04"),
    ),
    Mutant(
        "MO-12",
        "process/monitoring.py",
        "MonitorRecord(pid, shown, tag,",
        'MonitorRecord(pid, shown, "DOWN",',
        programs("mo12"),
    ),
    Mutant("MO-10", "process/monitoring.py", "    if pid == me.pid:\n        return ref\n", "", programs("mo10")),
]

_DYING = [
    Mutant("EX-07", _DEATHS, "if kill and proc.grace is not None:", "if False:", unit("process/test_exits.py", "ex07")),
    Mutant(
        "RG-06",
        _DEATHS,
        "self._shard.names.release(proc.pid, partial(self._tell, proc))",
        "self._tell(proc), self._shard.names.release(proc.pid, lambda: None)",
        programs("rg06", "ex10"),
    ),
    Mutant("AC-06", _DEATHS, "return CANCELLED", "return NORMAL", programs("ac06")),
    Mutant("MB-05", _DEATHS, "            proc.box.close()", "            pass", programs("mb05")),
    Mutant("TM-04", _DEATHS, "shard.timers.pop(ref).deadline.cancel()", "pass", unit("process/test_timers.py", "tm04")),
    Mutant("CT-02", _DEATHS, "            child.cancel()", "            pass", programs("ct02")),
    Mutant("PI-02", _DEATHS, "shard.serials.release(proc.serial)", "pass", programs("pi02", only="loop")),
    Mutant(
        "AC-05",
        _DEATHS,
        "overdue = self._abandon if kill else self._overdue",
        "overdue = self._overdue",
        unit("process/test_exits.py", "ac05"),
    ),
    Mutant("ER-01", _DEATHS, "        strip(error)\n", "        pass\n", programs("er01")),
    Mutant("EX-09", _DEATHS, "        return NORMAL\n", "        return CANCELLED\n", programs("ex09")),
    Mutant(
        "AC-08",
        _DEATHS,
        "        proc.state = DEAD\n        proc.cut_off = True",
        "        proc.state = DEAD",
        programs("ac08"),
    ),
]

TABLE = [*_SIGNALS, *_LINKS, *_MONITORS, *_DYING]
