"""Mutants of mailboxes and credits."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, programs, unit

_MAILBOX = "process/mailbox.py"
_MESSAGES = "process/messages.py"
_CREDIT = "transport/credit.py"
_NEIGHBOURS = "scheduler/neighbours.py"

_BOXES = [
    Mutant(
        "MB-07", _MAILBOX, ">= self.limit and not self.parked", ">= self.limit", unit("process/test_mailbox.py", "mb07")
    ),
    Mutant(
        "MB-03",
        _MAILBOX,
        "            waiting = self.blocked.popleft()\n",
        "            waiting = self.blocked.pop()\n",
        programs("mb03", only="one"),
    ),
    Mutant(
        "MB-01",
        _MAILBOX,
        "        self.queue.append(message)\n        if self.gate == PARKED:",
        "        self.queue.appendleft(message)\n        if self.gate == PARKED:",
        programs("mb01", "so01", only="loop"),
    ),
    Mutant(
        "MB-01",
        _MESSAGES,
        "                        box.queue.append(message)\n                        return\n",
        "                        box.queue.appendleft(message)\n                        return\n",
        programs("mb01", only="one"),
    ),
    Mutant(
        "MB-09",
        _MAILBOX,
        "        self.queue.append(entry)\n        self.exempt += 1\n",
        "        self.queue.append(entry)\n",
        unit("process/test_mailbox.py", "mb09"),
    ),
    Mutant(
        "MB-07", _MAILBOX, "        if self.blocked:\n            self._offer()\n", "", programs("mb07", only="one")
    ),
    Mutant(
        "MB-04",
        _MAILBOX,
        "        elif waiting.done() and not waiting.cancelled():\n",
        "        elif False:\n",
        unit("process/test_mailbox.py", "mb04"),
    ),
    Mutant(
        "RC-08",
        _MAILBOX,
        "stop = self.older if self.mark == ref else 0",
        "stop = 0",
        unit("conformance/test_marks.py", "rc08"),
    ),
    Mutant(
        "RC-08",
        _MAILBOX,
        "            self.older -= 1\n",
        "            pass\n",
        unit("process/test_mailbox.py", "rc08"),
    ),
    Mutant("MB-05", _MAILBOX, "self.grants.on_close()", "pass", programs("mb05", only="loop")),
    Mutant("MB-02", _MAILBOX, "self.grants.on_room(self.users, self.bound)", "pass", programs("mb", "rc", only="loop")),
    Mutant("MB-07", _MAILBOX, "self.grants.on_park(self.users, self.bound)", "pass", programs("mb07", only="loop")),
    Mutant(
        "MB-06", _MESSAGES, "if proc.mailbox.full and proc is not me and", "if proc.mailbox.full and", programs("mb06")
    ),
    Mutant(
        "MB-08", "process/blocking.py", "        if pid == initiator:\n            return True\n", "", programs("mb08")
    ),
    Mutant(
        "MB-08", "process/blocking.py", "            leaves(pid)\n", "            pass\n", programs("mb08", only="loop")
    ),
    Mutant(
        "MB-04",
        _MESSAGES,
        "            box.withdraw(waiting)\n",
        "            pass\n",
        unit("conformance/test_outside.py", "mb11"),
    ),
    Mutant("SD-02", _MESSAGES, "if pid is None or not shard.is_alive(pid):", "if pid is None:", programs("sd02")),
    Mutant(
        "RC-10", _MESSAGES, "    if box.receiving:\n        raise", "    if False:\n        raise", programs("rc10")
    ),
    Mutant("RC-01", _MESSAGES, "return 0 if queue else -1", "return len(queue) - 1", programs("rc", "mb01")),
    Mutant(
        "SD-08", _MESSAGES, "        return False\n    copy", "        pass\n    copy", programs("sd08", only="one")
    ),
    Mutant(
        "SD-07",
        _MESSAGES,
        "            if copy is not LOST:\n                await",
        "            if copy:\n                await",
        unit("conformance/test_strict.py", "strict"),
    ),
]

_CREDITS = [
    Mutant(
        "MB-02",
        _CREDIT,
        "if self.credits <= 0 or self.waiting:",
        "if self.credits < 0 or self.waiting:",
        programs("mb02", only="loop"),
    ),
    Mutant(
        "MB-02",
        _CREDIT,
        "        self.credits -= 1\n        return True",
        "        return True",
        programs("mb02", only="loop"),
    ),
    Mutant(
        "MB-03",
        _CREDIT,
        "        while self.credits > 0 and self.waiting:\n            first = self.waiting.popleft()",
        "        while self.credits > 0 and self.waiting:\n            first = self.waiting.pop()",
        programs("mb03", only="loop"),
    ),
    Mutant("MB-05", _CREDIT, "        while self.waiting:\n", "        while False:\n", programs("mb05", only="loop")),
    Mutant(
        "MB-07",
        _CREDIT,
        "            elif pair.outstanding <= 0:\n",
        "            elif False:\n",
        programs("mb07", only="loop"),
    ),
    Mutant(
        "MB-02",
        _CREDIT,
        "min(pair.window - pair.outstanding, self.limit - users - promised)",
        "pair.window - pair.outstanding",
        unit("models/test_credits.py", "mb02"),
    ),
    Mutant(
        "MB-08",
        _CREDIT,
        "            self.credits -= 1\n            waiting.set_result(True)\n",
        "            self.credits -= 1\n",
        programs("mb08", only="loop"),
    ),
    Mutant(
        "MB-04",
        _NEIGHBOURS,
        "                account.withdraw(waiting)\n",
        "                pass\n",
        unit("conformance/test_outside.py", "mb11"),
    ),
    Mutant(
        "MB-04",
        _CREDIT,
        "        elif waiting.done() and not waiting.cancelled() and waiting.result():\n",
        "        elif False:\n",
        unit("races/test_r15_to_r18_flow.py", "r16"),
    ),
    Mutant(
        "SD-07",
        "scheduler/arrivals.py",
        "        elif proc.mailbox.limit != UNBOUNDED:\n            self._count(peer, proc, 1)\n",
        "",
        programs("sd07", only="loop"),
    ),
    Mutant(
        "SD-08",
        _NEIGHBOURS,
        "        if account is not None and not account.take():\n            return False",
        "        if account is not None and not account.take():\n            pass",
        programs("sd08", only="loop"),
    ),
]

TABLE = [*_BOXES, *_CREDITS]
