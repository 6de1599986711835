"""Examples of the specification of the process API, word for word. Nothing here may be tidied up."""

from __future__ import annotations

# -- Common Patterns ----------------------------------------------------------

WORKER_POOL = """\
# Spawn worker pool
workers = []
for i in range(10):
    pid = await process.spawn(worker_func, name=f"worker_{i}")
    workers.append(pid)

# Distribute work
for i, work_item in enumerate(work):
    worker = workers[i % len(workers)]
    await process.send(worker, work_item)
"""

MONITOR_PATTERN = """\
async def monitored_operation():
    pid, ref = await process.spawn_monitor(risky_operation)
    
    while True:
        msg = await process.receive(timeout=30)
        if msg[0] == 'DOWN' and msg[1] == ref:
            # Process died
            return handle_failure(msg[4])  # reason
        elif msg[0] == 'result':
            return msg[1]
"""  # noqa: W293

LINK_FOR_CLEANUP = """\
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
"""  # noqa: W293

# -- Debugging ----------------------------------------------------------------

PROCESS_DISCOVERY = """\
# List all processes
for pid in process.processes():
    print(f"Process: {pid}")
    
# Find specific process
db_pid = process.whereis("database")
if db_pid and process.is_alive(db_pid):
    print(f"Database running: {db_pid}")
"""  # noqa: W293

MESSAGE_TRACING = """\
async def traced_process():
    while True:
        msg = await process.receive()
        print(f"[{process.self()}] Received: {msg}")
        # Process message
"""

MONITORING_HEALTH = """\
async def health_monitor(targets):
    refs = {}
    for target in targets:
        refs[await process.monitor(target)] = target
    
    while True:
        msg = await process.receive()
        if msg[0] == 'DOWN':
            failed = refs[msg[1]]
            print(f"Process {failed} died: {msg[4]}")
"""  # noqa: W293

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
