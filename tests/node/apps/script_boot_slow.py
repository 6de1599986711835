"""A script that takes long to load in a worker."""

from __future__ import annotations

import time

import otpnode

if __name__ != "__main__":
    print("importing", flush=True)
    time.sleep(2.0)


async def main() -> None:
    return


if __name__ == "__main__":
    otpnode.run(main, schedulers=2)
