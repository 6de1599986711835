"""Calls per second to an actor of Thespian, which is an OS process, from the program that started it."""

from __future__ import annotations

import socket
from time import perf_counter

from thespian.actors import Actor, ActorAddress, ActorSystem

CALLS = 2_000


class Echo(Actor):
    def receiveMessage(self, message: object, sender: ActorAddress) -> None:
        if isinstance(message, int):
            self.send(sender, message)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> float:
    # On a port of its own: the default one may lead to a system of somebody else.
    system = ActorSystem("multiprocTCPBase", {"Admin Port": free_port()})
    try:
        echo = system.createActor(Echo)
        for number in range(CALLS // 10):
            system.ask(echo, number)
        began = perf_counter()
        for number in range(CALLS):
            system.ask(echo, number)
        return CALLS / (perf_counter() - began)
    finally:
        system.shutdown()


if __name__ == "__main__":
    print(main())
