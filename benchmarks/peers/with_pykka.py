"""Actors of Pykka, a thread each: ``ask`` or ``flood`` (of `tell`), so many per second."""

from __future__ import annotations

import sys
from time import perf_counter

import pykka


class Echo(pykka.ThreadingActor):
    def on_receive(self, message: object) -> object:
        return message


def ask(echo: pykka.ActorRef[Echo], count: int) -> float:
    began = perf_counter()
    for number in range(count):
        echo.ask(number)
    return count / (perf_counter() - began)


def flood(echo: pykka.ActorRef[Echo], count: int) -> float:
    began = perf_counter()
    for number in range(count - 1):
        echo.tell(number)
    echo.ask("all taken")
    return count / (perf_counter() - began)


PROGRAMS = {"ask": (ask, 40_000), "flood": (flood, 400_000)}


def main(kind: str) -> float:
    program, count = PROGRAMS[kind]
    echo = Echo.start()
    try:
        program(echo, count // 10)
        return program(echo, count)
    finally:
        echo.stop()


if __name__ == "__main__":
    print(main(sys.argv[1]))
