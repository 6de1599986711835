"""A script whose author has forgotten the guard."""

from __future__ import annotations

import otpnode


async def main() -> None:
    return


otpnode.run(main, schedulers=4)
