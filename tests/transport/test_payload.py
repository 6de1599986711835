"""What arrives is equal and of the same type, or the sender gets an error that says where (SH-09, SD-07)."""

from __future__ import annotations

import datetime as dt
import io
import math
import pickle
import threading
import uuid
from collections import OrderedDict, defaultdict, deque
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpnode.transport import payload
from otpnode.transport.payload import PayloadError, dumps, loads
from tests.transport import shapes

LOCAL = 'send plain data instead, or spawn with on="local"'


def same(a: object, b: object) -> bool:
    """Tell whether both are equal and of the same type at every depth."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float) and isinstance(b, float):
        return a.hex() == b.hex()
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (set, frozenset)) and isinstance(b, (set, frozenset)):
        return a == b and sorted(str(type(x)) for x in a) == sorted(str(type(x)) for x in b)
    return a == b


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63 - 2, max_value=2**64 + 2)
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
)
KEYS = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    SCALARS | st.builds(shapes.Text, st.text()) | st.just(shapes.Level.HIGH) | st.binary().map(bytearray),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=3),
        st.builds(shapes.Point, st.integers(), st.tuples(st.integers())),
        st.builds(shapes.Order, st.integers(), st.lists(inner, max_size=2)),
        st.builds(shapes.Struct, st.tuples(st.integers()), inner.filter(lambda x: x == x)),
    ),
    max_leaves=20,
)


class TestRoundTrip:
    @given(VALUES)
    def test_nested_values(self, value: object) -> None:
        back = loads(dumps(value))
        # NaN inside a dataclass compares unequal to itself; pickle carries the bits.
        assert same(back, value) or "nan" in repr(value)

    @given(st.lists(SCALARS).map(tuple))
    def test_flat_tuples(self, value: tuple[object, ...]) -> None:
        assert same(loads(dumps(value)), value)

    @given(SCALARS)
    def test_scalars_from_a_memoryview(self, value: object) -> None:
        assert same(loads(memoryview(dumps(value))), value)

    @pytest.mark.parametrize(
        "value",
        [
            (),
            (1, (2, (3,))),
            {1, 2},
            frozenset({(1, 2)}),
            {(1, 2): [3], None: {}},
            2**64,
            2**63,
            -(2**63) - 1,
            math.inf,
            -0.0,
            b"",
            bytearray(b"x"),
            True,
            shapes.Text("x"),
            (shapes.Text("x"),),
            (shapes.Level.HIGH, True),
            shapes.Colour.RED,
            shapes.Order(1, [(1, 2)]),
            shapes.Slotted({1}),
            shapes.Point(1, (2,)),
            shapes.Struct((1, 2), [(3,)]),
            dt.datetime(2024, 2, 29, tzinfo=dt.UTC),
            dt.timedelta(days=-1),
            Decimal("1.10"),
            uuid.UUID(int=5),
            "pid_n1.0.1.2",
            ("ref_n1.0.1.2", "DOWN"),
            "\ud800 lone",
            ("\udfff", 1),
            OrderedDict(a=1),
            defaultdict(list, a=[1]),
            deque([1], maxlen=3),
            range(3),
            ...,
            1j,
            shapes.function,
            shapes.Plain,
            len,
            shapes.Plain.make,
        ],
        ids=shapes.named,
    )
    def test_matrix(self, value: object) -> None:
        assert same(loads(dumps(value)), value)

    def test_nan_keeps_its_bits(self) -> None:
        back = loads(dumps((math.nan, -0.0)))
        assert isinstance(back, tuple)
        assert math.isnan(back[0])
        assert math.copysign(1, back[1]) == -1

    def test_exception_keeps_type_args_and_notes(self) -> None:
        error = KeyError("k", 3)
        error.add_note("n")
        back = loads(dumps([error]))
        assert isinstance(back, list)
        assert (type(back[0]), back[0].args, back[0].__notes__) == (KeyError, ("k", 3), ["n"])

    def test_cycles_and_sharing_inside_one_message(self) -> None:
        cycle: list[object] = []
        shared = [1]
        cycle += [cycle, shared, shared]
        back = loads(dumps(cycle))
        assert isinstance(back, list)
        assert back[0] is back
        assert back[1] is back[2]

    def test_nothing_is_shared_between_messages(self) -> None:
        value = [object]
        first, second = dumps(value), dumps(value)
        assert first == second
        assert loads(first) is not loads(second)

    def test_in_memory_files_are_data(self) -> None:
        back = loads(dumps(io.BytesIO(b"abc")))
        assert isinstance(back, io.BytesIO)
        assert back.read() == b"abc"


class Nested:
    def __reduce__(self) -> tuple[object, ...]:
        return (loads, (dumps([1]),))


class TestLoads:
    @pytest.mark.parametrize(
        "data", [b"", b"\x81\xa1a\x01", b"\xc1", b"\xc7\x01\x01x", b"\x80", b"\x80\x05", b"\xa5ab", b"\x92\x01"]
    )
    def test_rubbish_is_a_payload_error(self, data: bytes) -> None:
        with pytest.raises(PayloadError):
            loads(data)

    @given(st.binary(max_size=30).filter(lambda data: data[:1] != b"\x80"))
    def test_any_bytes_give_a_value_or_a_payload_error(self, data: bytes) -> None:
        try:
            loads(data)
        except PayloadError:
            pass

    def test_missing_class(self) -> None:
        data = dumps(shapes.Plain(1)).replace(b"Plain", b"Plane")
        with pytest.raises(PayloadError, match="AttributeError") as told:
            loads(data)
        assert isinstance(told.value.__cause__, AttributeError)

    def test_setstate_that_raises_even_a_base_exception(self) -> None:
        with pytest.raises(PayloadError, match="Exiting: not here"):
            loads(dumps(shapes.Unloadable()))


def test_first_byte_tells_the_codec() -> None:
    assert dumps([1])[0] == pickle.dumps([1], 5)[0] == 0x80
    for value in (None, True, 0, -1, 2**40, 1.5, "x", "x" * 70_000, b"", (), ("a",), tuple(range(70_000))):
        assert dumps(value)[0] != 0x80
        assert dumps(value)[0] not in payload._NEVER_WRITTEN


def test_dumps_from_many_threads() -> None:
    failed: list[object] = []

    def work(number: int) -> None:
        for n in range(300):
            value = [number, {"n": n}]
            if loads(dumps(value)) != value:
                failed.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_dumps_inside_dumps() -> None:
    assert loads(dumps([Nested(), Nested()])) == [[1], [1]]
