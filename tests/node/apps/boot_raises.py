"""A module that cannot be imported."""

from __future__ import annotations


def prepare() -> None:
    raise RuntimeError("the licence has run out")


prepare()


async def main() -> None:
    return
