"""A death is never lost because its reason cannot travel (ER-01 to ER-04)."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpnode.errors import (
    AlreadyStartedError,
    CallCycleError,
    CallExit,
    CallTimeoutError,
    ChildError,
    NodeDownError,
    ProcessExit,
    RemoteError,
    StartError,
)
from otpnode.reasons import MAX_TRACEBACK, is_quiet, mend, strip, traceback_text
from otpnode.transport.payload import dumps
from otpnode.transport.reason import dumps_reason, loads_reason
from tests.transport import shapes

E = TypeVar("E", bound=BaseException)


def there(reason: object) -> object:
    return loads_reason(dumps_reason(reason))


def died(exc: E) -> E:
    """Raise, catch and strip, as a process does."""
    try:
        raise exc
    except BaseException as caught:
        strip(caught)
    return exc


class TestValues:
    @pytest.mark.parametrize(
        "reason", ["normal", None, 3, ("shutdown", "x"), {"a": [1]}, ("noproc", ("f", 1)), (), b"x"]
    )
    def test_arrive_equal(self, reason: object) -> None:
        back = there(reason)
        assert back == reason
        assert type(back) is type(reason)

    @given(st.recursive(st.text() | st.integers() | st.none(), lambda x: st.lists(x).map(tuple) | st.lists(x)))
    def test_nested_values_arrive_equal(self, reason: object) -> None:
        assert there(reason) == reason

    def test_what_cannot_travel_is_replaced_by_its_repr(self) -> None:
        lock = threading.Lock()
        assert there(lock) == ("unserializable", repr(lock))
        assert there([lock]) == ("unserializable", repr([lock]))
        assert there("x" * 5000) == "x" * 5000
        assert there([lock, "y" * 5000]) == ("unserializable", repr([lock, "y" * 5000])[:1000])

    def test_an_orderly_end_stays_orderly(self) -> None:
        back = there(("shutdown", threading.Lock()))
        assert is_quiet(back)
        assert isinstance(back, tuple)
        assert back[1][0] == "unserializable"

    def test_repr_that_raises(self) -> None:
        back = there(shapes.Unshowable())
        assert isinstance(back, tuple)
        assert back[0] == "unserializable"
        assert "Unshowable" in back[1]

    def test_value_that_cannot_be_rebuilt_is_found_out_here(self) -> None:
        back = there(shapes.Unloadable())
        assert isinstance(back, tuple)
        assert back[0] == "unserializable"

    def test_deep_and_cyclic_reasons(self) -> None:
        deep: tuple[object, ...] = ()
        for _ in range(50_000):
            deep = (deep,)
        back = there(deep)
        while isinstance(back, tuple) and len(back) == 1:
            back = back[0]
        assert isinstance(back, tuple)
        assert back[0] == "unserializable"
        while deep:
            (inner,) = deep
            assert isinstance(inner, tuple)
            deep = inner
        cycle: list[object] = []
        cycle.append(cycle)
        back = there(cycle)
        assert isinstance(back, list)
        assert back[0] is back

    @pytest.mark.parametrize(
        "data", [b"", b"\x81", dumps(shapes.Unloadable()), dumps(shapes.Plain(1)).replace(b"Plain", b"Plane")]
    )
    def test_loads_never_raises(self, data: bytes) -> None:
        back = loads_reason(data)
        assert isinstance(back, tuple)
        assert back[0] == "undecodable"


class TestExceptions:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: RuntimeError("boom", 1),
            lambda: KeyError(("k", 2)),
            lambda: OSError(2, "no", "file"),
            lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
            lambda: StopIteration(3),
            lambda: SystemExit(4),
            lambda: KeyboardInterrupt(),
            lambda: asyncio.CancelledError(),
            lambda: ProcessExit(("shutdown", 1)),
            lambda: ValueError(float("nan"), shapes.Plain(1)),
            lambda: CallExit("noproc", ("pid_n.0.1.2", "get")),
            lambda: CallTimeoutError(("p", 1), "d"),
            lambda: CallCycleError("calling_self", ("p", 1)),
            lambda: StartError(ValueError("x")),
            lambda: AlreadyStartedError("pid_n.0.1.2"),
            lambda: ChildError("running", "pid_n.0.1.2"),
            lambda: NodeDownError("x"),
            lambda: RemoteError("a.B", "t", "()", "tb"),
            lambda: shapes.ForgetfulError("f"),
        ],
    )
    def test_same_type_args_notes_and_traceback(self, make: Callable[[], BaseException]) -> None:
        exc = make()
        exc.add_note("a note")
        died(exc)
        back = there(exc)
        assert type(back) is type(exc)
        assert repr(back.args) == repr(exc.args) or isinstance(exc.args[1], shapes.Plain)
        assert str(back) == str(exc) or isinstance(exc, ValueError)
        assert back.__notes__ == ["a note"]
        text = getattr(back, "__otp_traceback__")  # noqa: B009
        assert text == getattr(exc, "__otp_traceback__")  # noqa: B009
        assert "in died" in text

    def test_nested_in_tuples(self) -> None:
        back = there(("shutdown", (died(KeyError("k")), 1)))
        assert isinstance(back, tuple)
        assert is_quiet(back)
        assert (type(back[1][0]), back[1][0].args, back[1][1]) == (KeyError, ("k",), 1)
        assert "in died" in back[1][0].__otp_traceback__

    def test_unstripped_exception_gets_its_text_on_the_way(self) -> None:
        assert getattr(there(ValueError("v")), "__otp_traceback__") == "ValueError: v\n"  # noqa: B009

    def test_group_arrives_as_a_group(self) -> None:
        back = there(died(ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [KeyError("k")])])))
        assert isinstance(back, ExceptionGroup)
        assert isinstance(back.exceptions[0], ValueError)
        assert isinstance(back.exceptions[1], ExceptionGroup)

    def test_causes_become_text(self) -> None:
        try:
            try:
                raise KeyError("the cause")
            except KeyError as cause:
                raise ValueError("effect") from cause
        except ValueError as effect:
            exc = effect
            strip(exc)
        back = there(exc)
        assert isinstance(back, ValueError)
        assert back.__cause__ is None
        assert "KeyError: 'the cause'" in getattr(back, "__otp_traceback__")  # noqa: B009

    @pytest.mark.parametrize(
        "make",
        [
            lambda: shapes.CustomInitError(3, detail="d"),
            lambda: shapes.LossyError("x"),
            lambda: ValueError(threading.Lock()),
            lambda: ExceptionGroup("g", [shapes.CustomInitError(3, detail="d")]),
            lambda: type("LocalError", (Exception,), {"__module__": "nowhere"})("l"),
        ],
        ids=["init", "lossy", "args", "group", "local"],
    )
    def test_what_cannot_be_rebuilt_is_a_remote_error(self, make: Callable[[], BaseException]) -> None:
        exc = make()
        exc.add_note("a note")
        died(exc)
        back = there(exc)
        assert type(back) is RemoteError
        assert back.type_name == f"{type(exc).__module__}.{type(exc).__qualname__}"
        assert back.text == str(exc)
        assert back.repr_args == repr(exc.args)
        assert "in died" in back.traceback
        assert back.traceback == getattr(back, "__otp_traceback__")  # noqa: B009
        assert back.__notes__ == ["a note"]
        assert there(back) is not None
        assert type(there(back)) is RemoteError

    def test_mute_and_rigid_exceptions_travel(self) -> None:
        assert type(there(died(shapes.MuteError(1)))) is shapes.MuteError
        assert type(there(died(shapes.RigidError(1)))) in (shapes.RigidError, RemoteError)
        mute = shapes.MuteError(threading.Lock())
        back = there(died(mute))
        assert type(back) is RemoteError
        assert "cannot be shown" in back.text


class TestStrip:
    def test_keeps_text_and_drops_frames(self) -> None:
        class Local:
            pass

        def deep() -> weakref.ref[Local]:
            local = Local()
            kept.append(weakref.ref(local))
            raise ValueError("v")

        kept: list[weakref.ref[Local]] = []
        try:
            try:
                deep()
            finally:
                raise KeyError("k")
        except KeyError as caught:
            exc = caught
            strip(exc)
        gc.collect()
        assert exc.__traceback__ is None
        assert isinstance(exc.__context__, ValueError)
        assert exc.__context__.__traceback__ is None
        assert kept[0]() is None
        text = getattr(exc, "__otp_traceback__")  # noqa: B009
        assert "in deep" in text
        assert text.endswith("KeyError: 'k'\n")

    def test_first_text_stays(self) -> None:
        exc = died(ValueError("v"))
        first = getattr(exc, "__otp_traceback__")  # noqa: B009
        died(exc)
        assert getattr(exc, "__otp_traceback__") is first  # noqa: B009
        assert exc.__traceback__ is None

    def test_text_is_bounded_and_keeps_its_end(self) -> None:
        exc = died(ValueError("x" * 100_000 + "the end"))
        text = getattr(exc, "__otp_traceback__")  # noqa: B009
        assert len(text) == MAX_TRACEBACK
        assert text.startswith("Traceback")
        assert text.endswith("the end\n")

    def test_cycle_of_causes(self) -> None:
        a, b = ValueError("a"), ValueError("b")
        a.__cause__, b.__cause__ = b, a
        strip(a)
        assert "ValueError: a" in getattr(a, "__otp_traceback__")  # noqa: B009

    def test_group_members_are_stripped(self) -> None:
        inner = ValueError(1)
        try:
            raise inner
        except ValueError:
            pass
        died(ExceptionGroup("g", [inner]))
        assert inner.__traceback__ is None

    def test_odd_classes_never_break_it(self) -> None:
        for exc in (shapes.MuteError(1), shapes.RigidError(1)):
            assert died(exc).__traceback__ is None
            assert getattr(exc, "__otp_traceback__", "")


class TestMend:
    def test_copy_to_raise_leaves_the_original_alone(self) -> None:
        exc = KeyError("k")
        exc.add_note("mine")
        died(exc)
        fresh = mend(exc)
        assert fresh is not exc
        assert (type(fresh), fresh.args) == (KeyError, ("k",))
        with pytest.raises(KeyError):
            raise fresh
        assert exc.__traceback__ is None
        assert exc.__notes__ == ["mine"]
        assert fresh.__notes__[0] == "mine"
        assert "in died" in fresh.__notes__[1]
        assert len(fresh.__notes__) == 2

    def test_mending_twice_adds_one_note(self) -> None:
        assert len(mend(mend(died(ValueError(1)))).__notes__) == 1

    def test_an_init_of_its_own(self) -> None:
        exc = died(shapes.CustomInitError(3, detail="d"))
        fresh = mend(exc)
        assert fresh is not exc
        assert isinstance(fresh, shapes.CustomInitError)
        assert (fresh.code, fresh.args) == (3, ("3: d",))
        assert mend(died(shapes.LossyError("x"))).args == ("x!",)

    def test_what_cannot_be_copied_is_itself(self) -> None:
        class SingleError(Exception):
            def __new__(cls, *args: object) -> SingleError:
                return only

        only = Exception.__new__(SingleError)
        assert mend(only) is only


@pytest.mark.parametrize(
    ("reason", "quiet"),
    [
        ("normal", True),
        ("shutdown", True),
        (("shutdown", 1), True),
        ("killed", False),
        (("shutdown",), False),
        (("shutdown", 1, 2), False),
        (["shutdown", 1], False),
        (None, False),
    ],
)
def test_is_quiet(reason: object, quiet: bool) -> None:
    assert is_quiet(reason) is quiet


class Hostile(Exception):
    """Fails at whatever it is asked."""

    @property
    def __cause__(self) -> BaseException | None:
        raise RuntimeError("no cause")

    @__cause__.setter
    def __cause__(self, value: object) -> None:
        raise RuntimeError("no cause")

    def __copy__(self) -> Hostile:
        raise SystemExit("no copy")

    def __str__(self) -> str:
        raise SystemExit("no text")


class Tedious(Exception):
    """Its text takes seconds."""

    finished = 0

    def __str__(self) -> str:
        for _ in range(3 * 10**7):
            pass
        Tedious.finished += 1
        return "at last"


class TestCodeOfTheUsers:
    @pytest.mark.rule("ER-01")
    def test_a_class_that_fails_at_everything_is_stripped_and_mended(self) -> None:
        try:
            raise ValueError
        except ValueError as error:
            # Not raised itself: it would be the context of what a failing test shows.
            exc = Hostile("x").with_traceback(error.__traceback__)
        strip(exc)
        assert exc.__traceback__ is None
        assert "Hostile" in traceback_text(exc)
        assert mend(exc) is exc

    @pytest.mark.rule("ER-02")
    def test_a_text_that_takes_too_long_is_given_up(self) -> None:
        exc = died(Tedious("x"))
        assert "in died" in traceback_text(exc)
        assert "Tedious" in traceback_text(exc)
        assert isinstance(there(died(Tedious(lambda: None))), RemoteError)
        assert Tedious.finished == 0
