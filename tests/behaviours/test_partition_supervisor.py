"""PartitionSupervisor: one child a shard, the right one for a key (SV-10, BEHAVIOURS "Supervisor")."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import otpnode
from otpnode import DynamicSupervisor, GenServer, PartitionSupervisor, Sender, Supervisor, child, process
from otpnode.behaviours.supervision.partition_supervisor import partition_of
from tests.behaviours.children import function_child, started, until
from tests.behaviours.servers import on_a_node
from tests.support import ROOT


class Store(GenServer[dict[Any, Any], Any, Any]):
    """Keeps pairs; knows where it is."""

    def init(self, size: int = 0) -> dict[Any, Any]:
        return {}

    def handle_call(self, request: Any, sender: Sender, /) -> Any:
        match request:
            case ("get", key):
                return self.state.get(key)
            case "where":
                return process.shard_of(process.self() or "")
            case "who":
                return process.self()
        raise ValueError(request)

    def handle_cast(self, request: Any, /) -> None:
        key, value = request
        self.state[key] = value


# -- who is responsible for a key ---------------------------------------------


@on_a_node
async def test_sv10_there_is_one_partition_a_shard_pinned_there() -> None:
    sup = await PartitionSupervisor.start([child(Store)], name="kvs")
    shards = process.schedulers()
    infos = await PartitionSupervisor.which_children(sup)
    assert [info.id for info in infos] == list(reversed(range(shards)))
    assert [process.shard_of(str(info.pid)) for info in infos] == list(reversed(range(shards)))
    assert PartitionSupervisor.partitions("kvs") == shards
    assert await PartitionSupervisor.count_children("kvs") == {
        "specs": shards,
        "active": shards,
        "supervisors": 0,
        "workers": shards,
    }
    await PartitionSupervisor.stop("kvs")


@on_a_node
async def test_sv10_a_key_keeps_its_partition_and_restarts_change_nothing() -> None:
    sup = await PartitionSupervisor.start([child(Store)], partitions=5, name="kvs")
    keys = ["a", "b", b"a", 1, 2.5, None, ("a", 1), *(f"key {n}" for n in range(50))]
    for key in keys:
        await Store.cast(PartitionSupervisor.via("kvs", key), (key, key))
    for key in keys:
        assert await Store.call(PartitionSupervisor.via("kvs", key), ("get", key)) == key
    by_id = {info.id: info.pid for info in await PartitionSupervisor.which_children(sup)}
    for key in keys:
        assert await Store.call(PartitionSupervisor.via("kvs", key), "who") == by_id[partition_of(key, 5)]
    assert {partition_of(key, 5) for key in keys} == set(range(5))
    victim = by_id[partition_of("a", 5)]
    await process.exit(str(victim), "kill")

    async def is_back() -> bool:
        return process.whereis(f"kvs/{partition_of('a', 5)}") not in (None, victim)

    await until(is_back)
    via = PartitionSupervisor.via("kvs", "a")
    assert await Store.call(via, ("get", "a")) is None
    assert await Store.call(via, "where") == partition_of("a", 5) % process.schedulers()
    assert sum(info.restarts for info in await PartitionSupervisor.which_children(sup)) == 1
    await PartitionSupervisor.stop(sup)


@on_a_node
async def test_sv10_a_partition_is_a_server_wherever_one_is_asked_for() -> None:
    await PartitionSupervisor.start([child(DynamicSupervisor)], partitions=3, name="pools")
    assert (await PartitionSupervisor.count_children("pools"))["supervisors"] == 3
    where = PartitionSupervisor.via("pools", "alice")
    await DynamicSupervisor.start_child(where, child(function_child, [process.self(), "f"]))
    await started("f")
    counts = [await DynamicSupervisor.count_children(f"pools/{k}") for k in range(3)]
    assert [count["specs"] for count in counts] == [int(k == partition_of("alice", 3)) for k in range(3)]
    with pytest.raises(otpnode.CallExit) as caught:
        await Store.call(PartitionSupervisor.via("nobody", "alice"), "who")
    assert caught.value.reason == "noproc"
    await Store.cast(PartitionSupervisor.via("nobody", "alice"), ("a", 1))
    with pytest.raises(otpnode.StartError, match="no process can be started under the name"):
        await Store.start(name=PartitionSupervisor.via("pools", "alice"))
    await PartitionSupervisor.stop("pools")


@on_a_node
async def test_sv10_the_number_is_known_while_all_partitions_are_down() -> None:
    sup = await PartitionSupervisor.start([child(Store)], partitions=7, name="kvs")
    for info in await PartitionSupervisor.which_children(sup):
        assert info.pid is not None
        await Supervisor.terminate_child(sup, info.id)
    assert PartitionSupervisor.partitions("kvs") == 7
    with pytest.raises(otpnode.CallExit) as caught:
        await Store.call(PartitionSupervisor.via("kvs", "a"), "who")
    assert caught.value.reason == "noproc"
    assert [info.pid for info in await PartitionSupervisor.which_children(sup)] == [None] * 7
    await PartitionSupervisor.stop(sup)
    assert PartitionSupervisor.partitions("kvs") == 0


# -- what is refused ----------------------------------------------------------


@on_a_node
async def test_sv10_bad_partitions_are_refused_and_nothing_starts() -> None:
    good = [child(Store)]
    with pytest.raises(ValueError, match="needs a name"):
        await PartitionSupervisor.start(good)
    with pytest.raises(ValueError, match="takes one child"):
        await PartitionSupervisor.start([*good, child(Store, id="b")], name="kvs")
    with pytest.raises(ValueError, match="names of their own"):
        await PartitionSupervisor.start([child(Store, name="kv")], name="kvs")
    for wrong in (0, -1, 1.5, True, "all", 5000):
        with pytest.raises(ValueError, match="partitions is"):
            await PartitionSupervisor.start(good, partitions=wrong, name="kvs")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="child"):
        await PartitionSupervisor.start([Store], name="kvs")
    assert process.whereis("kvs") is None


# -- the hash -----------------------------------------------------------------


def test_sv10_equal_keys_have_the_same_partition() -> None:
    for one, other in (
        (1, 1.0),
        (1, True),
        (0, -0.0),
        (0, False),
        (("a", 1), ("a", 1.0)),
        (-3, -3.0),
        (2**70, 2.0**70),
    ):
        assert partition_of(one, 1 << 60) == partition_of(other, 1 << 60)


def test_sv10_different_keys_are_told_apart() -> None:
    keys = [
        "a",
        b"a",
        ("a",),
        (("a",),),
        ("a", ""),
        ("", "a"),
        "1",
        1,
        1.5,
        None,
        "",
        (),
        b"",
        "n",
        ("1:sa",),
        "\ud800",
    ]
    assert len({partition_of(key, 1 << 60) for key in keys}) == len(keys)


def test_sv10_keys_spread_over_the_partitions() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[partition_of(f"user-{number}", 8)] += 1
    assert min(counts) > 800


@pytest.mark.parametrize("key", [["a"], {"a": 1}, object(), ("a", {1}), frozenset({1}), print])
def test_sv10_keys_without_a_stable_hash_are_refused_by_name(key: object) -> None:
    inner = key[1] if isinstance(key, tuple) else key
    with pytest.raises(TypeError, match=f"{type(inner).__name__}.*give a str"):
        PartitionSupervisor.via("kvs", key)


def test_sv10_the_hash_is_the_same_in_every_interpreter() -> None:
    program = (
        "from otpnode.behaviours.supervision.partition_supervisor import partition_of as p\n"
        "print([p(key, 1000) for key in ('alice', b'bob', 42, -1.5, None, ('a', 1))])"
    )
    wanted = str([partition_of(key, 1000) for key in ("alice", b"bob", 42, -1.5, None, ("a", 1))])
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.strip() == wanted
