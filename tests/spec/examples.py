"""The scaffolding that makes programs of the specification's examples: functions and data it only names.

A line ``{NAME}`` in a program stands for the text of that name in `tests.spec.quoted`.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from tests.spec import quoted


@dataclass(frozen=True)
class Example:
    """A program and what it prints.

    Attributes:
        section: where in the specification the quoted text stands.
        source: the program; run as ``__main__`` with the number of schedulers as its argument.
        prints: with every pid replaced, see `tests.spec.test_spec_examples`.
    """

    section: str
    source: str
    prints: str


HEAD = """\
import sys

import otpnode
from otpnode import process

"""

TAIL = """

if __name__ == "__main__":
    otpnode.run(main, schedulers=int(sys.argv[1]))
"""


def program(*parts: str) -> str:
    """Put a program together; ``{NAME}`` on a line of its own stands for quoted text, at that indentation."""
    source = HEAD + "\n".join(textwrap.dedent(part).strip("\n") + "\n" for part in parts) + TAIL
    lines = []
    for line in source.splitlines():
        name = line.strip().removeprefix("{").removesuffix("}")
        if line.strip() == f"{{{name}}}":
            indent = line[: len(line) - len(line.lstrip())]
            lines += textwrap.indent(getattr(quoted, name), indent).splitlines()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


QUIET = """
async def quiet(pid):
    # Wait until pid has dealt with everything that has arrived.
    calm = {"message_queue_len": 0, "status": "waiting"}
    while await process.process_info(pid, "message_queue_len", "status") != calm:
        await process.sleep(0.01)
"""

# -- the programs -------------------------------------------------------------

MONITORED = """
async def main():
    await process.register("asker")
    print(await monitored_operation())
"""

HANDLE_FAILURE = """
def handle_failure(reason):
    return f"failed: {reason!r}"


{MONITOR_PATTERN}

"""

EXAMPLES = {
    "worker pool": Example(
        "Common Patterns",
        program(
            """
            async def worker_func():
                while True:
                    item = await process.receive()
                    await process.send("collector", item * item)


            async def main():
                await process.register("collector")
                work = range(25)
                {WORKER_POOL}
                squares = [await process.receive(timeout=30) for _ in work]
                print(sorted(squares))
                print(len(workers), sorted(name for name in process.registered() if name != "collector"))
            """,
        ),
        f"{[n * n for n in range(25)]}\n10 {[f'worker_{i}' for i in range(10)]}\n",
    ),
    "monitor pattern, a result": Example(
        "Common Patterns",
        program(
            """
            async def risky_operation():
                await process.send("asker", ("result", 42))

            """,
            HANDLE_FAILURE,
            MONITORED,
        ),
        "42\n",
    ),
    "monitor pattern, a failure": Example(
        "Common Patterns",
        program(
            """
            async def risky_operation():
                raise ValueError("risky indeed")

            """,
            HANDLE_FAILURE,
            MONITORED,
        ),
        "failed: ValueError('risky indeed')\n",
    ),
    "link for cleanup": Example(
        "Common Patterns",
        program(
            """
            data = "select 1"


            async def resource_manager():
                await process.register("manager")
                verb, query = await process.receive()
                await process.send("user", ("answer", verb, query))
                await process.receive()


            {LINK_FOR_CLEANUP}
                print("used", result)
                raise RuntimeError("the user fails")


            async def main():
                user, user_ref = await process.spawn_monitor(with_resource, name="user")
                while (manager := process.whereis("manager")) is None and process.is_alive(user):
                    await process.sleep(0.01)
                print("DOWN", (await process.receive(timeout=30, ref=user_ref))[4])
                # Between shards a name is free a moment after its process is dead; only a DOWN would promise both.
                while process.is_alive(manager) or process.whereis("manager") is not None:
                    await process.sleep(0.01)
                print("manager alive:", process.is_alive(manager), process.whereis("manager"))
            """,
        ),
        "used ('answer', 'query', 'select 1')\nDOWN the user fails\nmanager alive: False None\n",
    ),
    "process discovery": Example(
        "Debugging",
        program(
            """
            async def database():
                await process.receive()


            async def main():
                await process.spawn(database, name="database")
                {PROCESS_DISCOVERY}
            """,
        ),
        "Process: <pid 1>\nProcess: <pid 2>\nDatabase running: <pid 2>\n",
    ),
    "message tracing": Example(
        "Debugging",
        program(
            QUIET,
            """

            {MESSAGE_TRACING}


            async def main():
                pid = await process.spawn(traced_process)
                await process.send(pid, ("hello", [1, 2]))
                await process.send(pid, "bye")
                await quiet(pid)
            """,
        ),
        "[<pid 1>] Received: ('hello', [1, 2])\n[<pid 1>] Received: bye\n",
    ),
    "monitoring health": Example(
        "Debugging",
        program(
            QUIET,
            """

            async def patient():
                order = await process.receive()
                if order == "crash":
                    raise ValueError("unwell")


            {MONITORING_HEALTH}


            async def main():
                targets = [await process.spawn(patient) for _ in range(3)]
                health = await process.spawn(health_monitor, [targets])
                while len(await process.process_info(health, "monitors")) < 3:
                    await process.sleep(0.01)
                await process.send(targets[0], "crash")
                await gone(health, targets[0])
                await process.exit(targets[1], "kill")
                await gone(health, targets[1])
                await process.send(targets[2], "retire")
                await gone(health, targets[2])


            async def gone(health, target):
                while target in await process.process_info(health, "monitors"):
                    await process.sleep(0.01)
                await quiet(health)
            """,
        ),
        "Process <pid 1> died: unwell\nProcess <pid 2> died: killed\nProcess <pid 3> died: normal\n",
    ),
    "process creation and message passing": Example(
        "Operations",
        program(
            """
            async def func():
                sender, message = await process.receive()
                await process.send(sender, (message, process.self()))


            async def main():
                {SPAWN}
                {IS_ALIVE}
                {PROCESSES}
                print(alive, pid in pids, len(pids))
                target, message = pid, (process.self(), "hello")
                {SEND}
                {RECEIVE}
                print(msg == ("hello", pid))
                {SPAWN_MONITOR}
                target = pid
                {SEND}
                {RECEIVE}
                print(msg == ("hello", pid))
                {RECEIVE}
                print(msg == ("DOWN", ref, "process", pid, "normal"))
                {IS_ALIVE}
                print(alive)
            """,
        ),
        "True True 2\nTrue\nTrue\nTrue\nFalse\n",
    ),
    "relationships and exits": Example(
        "Operations",
        program(
            """
            async def func():
                await process.receive()


            async def main():
                process.process_flag("trap_exits", True)
                {SPAWN_LINK}
                print(await process.process_info(process.self(), "links") == [pid])
                {UNLINK}
                print(await process.process_info(process.self(), "links"))
                {LINK}
                {MONITOR}
                {DEMONITOR}
                {MONITOR}
                reason = "enough"
                {EXIT}
                down = await process.receive(timeout=30, ref=ref)
                print(down == ("DOWN", ref, "process", pid, "enough"))
                {RECEIVE}
                print(msg == ("EXIT", pid, "enough"))
            """,
        ),
        "True\n[]\nTrue\nTrue\n",
    ),
    "registry and context": Example(
        "Operations",
        program(
            """
            async def main():
                {PROCESS_CONTEXT}
                me = pid
                name = "registrar"
                {REGISTER}
                {WHEREIS}
                {REGISTERED}
                print(pid == me, names)
                {UNREGISTER}
                {WHEREIS}
                {REGISTERED}
                print(pid, names)
                {SELF}
                print(pid == me)


            # Outside a process
            pid = process.self()  # Returns None
            if __name__ == "__main__":
                print(pid)
                sys.stdout.flush()
            """,
        ),
        "None\nTrue ['registrar']\nNone []\nTrue\n",
    ),
    "failure reasons": Example(
        "Exit Handling",
        program(
            """
            async def normal():
                pass


            async def abnormal():
                raise KeyError("lost")


            async def main():
                process.process_flag("trap_exits", True)
                for func in (normal, abnormal):
                    pid, ref = await process.spawn_monitor(func, link=True)
                    tag, down_ref, kind, down_pid, reason = await process.receive(timeout=30, ref=ref)
                    print(tag, down_ref == ref, kind, down_pid == pid, repr(reason))
                    tag, from_pid, reason = await process.receive(timeout=30)
                    print(tag, from_pid == pid, repr(reason))
            """,
        ),
        "DOWN True process True 'normal'\nEXIT True 'normal'\n"
        "DOWN True process True KeyError('lost')\nEXIT True KeyError('lost')\n",
    ),
}
