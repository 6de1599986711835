"""The shard a piece of code runs on: the key of what a shard keeps for all its processes to read.

What many processes of a shard read without a message has to stand in a module. Several
shards may share one OS process, and one shard follows another of the same number there,
so such a table is found by shard and incarnation, and its owner takes it away.
"""

from __future__ import annotations

from otpnode import process


def shard_here() -> str:
    """Return node, shard and incarnation of the caller, as its pid spells them: ``'n1.0.1'``.

    Raises:
        RuntimeError: no node runs here, or the caller is on a foreign thread.
    """
    # Outside a process there is no pid, but a ref is spelled alike.
    return (process.self() or process.make_ref())[4:].rpartition(".")[0]
