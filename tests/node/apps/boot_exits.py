"""A module that leaves while it is imported: by ``sys.exit``, or without a word."""

from __future__ import annotations

import os
import sys

if os.environ["HOW"] == "word":
    sys.exit("not today")
os._exit(7)


async def main() -> None:
    return
