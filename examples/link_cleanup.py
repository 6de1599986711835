"""A link: what belongs together ends together.

What it shows: a session owns a resource manager by `spawn_link`. A session that
crashes needs no clean-up code: the manager dies with it, for the same reason,
wherever both live. A session that ends well ends ``'normal'``, which stops nobody, so
it says goodbye. (otpnode also logs the crash, on stderr.)

    otpnode start --schedulers 2 --app-dir examples link_cleanup:main
    python examples/link_cleanup.py --schedulers 2
"""

from __future__ import annotations

import argparse

import otpnode
from otpnode import process
from otpnode.pid import Pid


async def resource_manager(records: dict[str, int]) -> None:
    """Answer queries until told to close."""
    while True:
        match await process.receive():
            case ("close",):
                return
            case ("query", str(client), str(key)):
                await process.send(client, ("answer", records[key]))


async def session(observer: Pid, must_fail: bool) -> None:
    """Use a resource, show it to the observer, then end well or badly."""
    manager = await process.spawn_link(resource_manager, [{"answer": 42}])
    await process.send(manager, ("query", process.self(), "answer"))
    match await process.receive():
        case ("answer", answer):
            await process.send(observer, ("using", manager, answer))
    await process.receive(match=lambda message: message == ("go on",))
    if must_fail:
        raise RuntimeError("the session failed")
    await process.send(manager, ("close",))


def is_using(message: object) -> bool:
    """Tell the session's news from the DOWN that may follow it at once."""
    return isinstance(message, tuple) and message[0] == "using"


async def watch_session(must_fail: bool) -> None:
    """Run one session and print how it and its manager ended."""
    pid, session_ref = await process.spawn_monitor(session, [process.self(), must_fail])
    match await process.receive(match=is_using):
        case ("using", str(manager), answer):
            print("the resource answers", answer)
    manager_ref = await process.monitor(manager)
    await process.send(pid, ("go on",))
    # Two processes end in no particular order; each DOWN is asked for by its ref.
    for who, ref in (("session", session_ref), ("manager", manager_ref)):
        match await process.receive(timeout=30, ref=ref):
            case ("DOWN", _, "process", _, reason):
                print(f"{who} ended: {reason!r}")
    print("manager alive:", process.is_alive(manager))


async def main(*argv: str) -> None:
    """Show a session that ends well and one that crashes."""
    await watch_session(must_fail=False)
    await watch_session(must_fail=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedulers", type=int, default=1, help="OS processes to use (%(default)s)")
    otpnode.run(main, schedulers=parser.parse_args().schedulers)
