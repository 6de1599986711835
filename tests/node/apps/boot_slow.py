"""A module whose import does not come to its end; it says when it has begun."""

from __future__ import annotations

import time

print("importing", flush=True)
time.sleep(600)


async def main() -> None:
    return
