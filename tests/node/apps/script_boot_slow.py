"""A script that a worker is not done loading before it is ended."""

from __future__ import annotations

import time

import otpnode

if __name__ != "__main__":
    print("importing", flush=True)
    time.sleep(600)


async def main() -> None:
    return


if __name__ == "__main__":
    otpnode.run(main, schedulers=2)
