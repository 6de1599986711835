"""A module that takes long to import; it says when it has begun."""

from __future__ import annotations

import time

print("importing", flush=True)
time.sleep(2.0)


async def main() -> None:
    return
