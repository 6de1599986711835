"""The examples of the specification of the process API, word for word, and the scaffolding that makes them programs.

`quoted` marks the words of the specification: nothing between ``quoted(`` and its end was changed. The rest, functions
and data the specification only names, is ours.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass


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


def program(*parts: str, **quoted: str) -> str:
    """Put a program together; ``{name}`` on a line of its own stands for quoted text, at that indentation."""
    source = HEAD + "\n".join(textwrap.dedent(part).strip("\n") + "\n" for part in parts) + TAIL
    lines = []
    for line in source.splitlines():
        name = line.strip().strip("{}")
        if line.strip() == f"{{{name}}}" and name in quoted:
            indent = line[: len(line) - len(line.lstrip())]
            lines += textwrap.indent(quoted[name], indent).splitlines()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


# -- Common Patterns ----------------------------------------------------------

WORKER_POOL = '''\
# Spawn worker pool
workers = []
for i in range(10):
    pid = await process.spawn(worker_func, name=f"worker_{i}")
    workers.append(pid)

# Distribute work
for i, work_item in enumerate(work):
    worker = workers[i % len(workers)]
    await process.send(worker, work_item)
'''

MONITOR_PATTERN = '''\
async def monitored_operation():
    pid, ref = await process.spawn_monitor(risky_operation)
    
    while True:
        msg = await process.receive(timeout=30)
        if msg[0] == 'DOWN' and msg[1] == ref:
            # Process died
            return handle_failure(msg[4])  # reason
        elif msg[0] == 'result':
            return msg[1]
'''  # noqa: W293

LINK_FOR_CLEANUP = '''\
async def with_resource():
    # Spawn resource manager
    resource_pid = await process.spawn_link(resource_manager)
    
    try:
        # Use resource
        await process.send(resource_pid, ('query', data))
        result = await process.receive()
    finally:
        # If we die, resource_manager dies too (linked)
        pass
'''  # noqa: W293

# -- Debugging ----------------------------------------------------------------

PROCESS_DISCOVERY = '''\
# List all processes
for pid in process.processes():
    print(f"Process: {pid}")
    
# Find specific process
db_pid = process.whereis("database")
if db_pid and process.is_alive(db_pid):
    print(f"Database running: {db_pid}")
'''  # noqa: W293

MESSAGE_TRACING = '''\
async def traced_process():
    while True:
        msg = await process.receive()
        print(f"[{process.self()}] Received: {msg}")
        # Process message
'''

MONITORING_HEALTH = '''\
async def health_monitor(targets):
    refs = {}
    for target in targets:
        refs[await process.monitor(target)] = target
    
    while True:
        msg = await process.receive()
        if msg[0] == 'DOWN':
            failed = refs[msg[1]]
            print(f"Process {failed} died: {msg[4]}")
'''  # noqa: W293

# -- Operations ---------------------------------------------------------------

SPAWN = "pid = await process.spawn(func, args=None, kwargs=None, name=None, mailbox=True)"
SPAWN_LINK = "pid = await process.spawn_link(func, args=None, kwargs=None, name=None)"
SPAWN_MONITOR = "pid, ref = await process.spawn_monitor(func, args=None, kwargs=None, name=None)"
SEND = "await process.send(target, message)"
RECEIVE = "msg = await process.receive(timeout=None, match=None)"
LINK = "await process.link(pid)"
UNLINK = "await process.unlink(pid)"
MONITOR = "ref = await process.monitor(pid)"
DEMONITOR = "await process.demonitor(ref, flush=False)"
REGISTER = "await process.register(name, pid=None)"
UNREGISTER = "await process.unregister(name)"
WHEREIS = "pid = process.whereis(name)"
REGISTERED = "names = process.registered()"
SELF = "pid = process.self()"
IS_ALIVE = "alive = process.is_alive(pid)"
PROCESSES = "pids = process.processes()"
EXIT = "await process.exit(pid, reason)"

PROCESS_CONTEXT = """\
# Inside a process
pid = process.self()  # Returns current PID
"""

# -- the programs -------------------------------------------------------------

QUIET = """
async def quiet(pid):
    # Wait until pid has dealt with everything that has arrived.
    while await process.process_info(pid, "message_queue_len", "status") != {
        "message_queue_len": 0,
        "status": "waiting",
    }:
        await process.sleep(0.01)
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
            WORKER_POOL=WORKER_POOL,
        ),
        f"{[n * n for n in range(25)]}\n10 {[f'worker_{i}' for i in range(10)]}\n",
    ),
    "monitor pattern": Example(
        "Common Patterns",
        program(
            """
            async def risky_operation():
                await process.send("asker", ("begun", process.self()))
                order = await process.receive()
                if order == "crash":
                    raise ValueError("risky indeed")
                await process.send("asker", ("result", 42))
                await process.receive()


            def handle_failure(reason):
                return f"failed: {reason!r}"


            {MONITOR_PATTERN}


            async def asker(main_pid):
                await process.register("asker")
                await process.send(main_pid, await monitored_operation())


            async def ordered(order):
                ref = (await process.spawn_monitor(asker, [process.self()]))[1]
                while process.whereis("asker") is None:
                    await process.sleep(0.01)
                await process.send("asker", ("order", order))
                return await process.receive(timeout=30), await process.receive(timeout=30, ref=ref)


            async def dispatch():
                # Stands between the asker and the operation, which knows nobody but the name "asker".
                pass


            async def main():
                for order in ("work", "crash"):
                    print(await once(order))


            async def once(order):
                pid, ref = await process.spawn_monitor(asker, [process.self()])
                target = None
                while target is None:
                    for one in process.processes():
                        info = await process.process_info(one, "current", "status")
                        if info and "risky_operation" in str(info["current"]) and info["status"] == "waiting":
                            target = one
                    await process.sleep(0.01)
                await process.send(target, order)
                answer = await process.receive(timeout=30, match=lambda message: isinstance(message, (int, str)))
                await process.receive(timeout=30, ref=ref)
                if process.is_alive(target):
                    await process.exit(target, "kill")
                    while process.is_alive(target):
                        await process.sleep(0.01)
                return answer
            """,
            MONITOR_PATTERN=MONITOR_PATTERN,
        ),
        "42\nfailed: ValueError('risky indeed')\n",
    ),
}
