"""A script that can be loaded where it is started, but not in a worker."""

from __future__ import annotations

import otpnode
from otpnode import NodeDownError

if __name__ != "__main__":
    raise RuntimeError("only at home")


async def main() -> None:
    return


if __name__ == "__main__":
    try:
        otpnode.run(main, schedulers=4)
    except NodeDownError as error:
        print(f"cause: {error.cause}\nend of cause", flush=True)
