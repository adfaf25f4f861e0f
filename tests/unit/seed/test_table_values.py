"""What the library this one grew from gets wrong with values: each row of its table, done right."""

import itertools
import socket
import sys
import threading
import types
from typing import NamedTuple

import numpy as np
import pytest

import sauerkraut as skt
from tests.unit.seed.copies import again, take, taken


class Point(NamedTuple):
    x: int
    y: int


# --- 3: tuples


def test_tuples_come_back():
    def sample(*args, **kwargs):
        a, b, c, d = (3, 4), ([1, 2],), (), Point(1, 2)
        take()
        return a, b, c, d, args, kwargs

    expected = sample(1, [2], z=3)
    got = again()
    assert got == expected
    assert type(got[3]) is Point


# --- 4 and 5: values that cannot be copied or pickled


def test_values_that_cannot_be_deep_copied():
    lock, module, output = threading.Lock(), itertools, sys.stdout

    def sample():
        a, b, c = lock, module, output
        take()
        return a.locked(), b, c

    sample()
    assert again() == (False, itertools, sys.stdout)


def test_what_cannot_be_captured_is_named():
    with socket.socket() as sock:

        def sample(exclude=None, *, dead=False):
            connection = sock
            frame = skt.copy_current_frame(exclude_locals=exclude, exclude_dead_locals=dead)
            return frame or connection

        with pytest.raises(skt.CaptureError, match=r"local 'connection': socket\.socket"):
            sample()
        with pytest.raises(skt.CaptureError, match=r"sock.*socket\.socket"):
            sample(["connection"])
        frame = sample(["connection", "sock"])
        assert frame.excluded == ("connection", "sock")
        assert skt.run_frame(frame) is None


def test_a_dead_local_is_not_touched():
    class Untouchable:
        def __reduce_ex__(self, _):
            raise AssertionError

    def sample():
        _dead = Untouchable()
        return skt.copy_current_frame()

    assert sample().excluded == ("_dead",)


# --- 14: aliases


def test_names_for_one_object_stay_names_for_one_object():
    def sample():
        a = b = [1]
        array = np.arange(6.0)
        view = array[2:4]
        numbers = []
        for item in a:
            numbers.append(item)
            if item == 1:
                take()
                a.append(2)
        view += 10
        return a is b, numbers, array.tolist()

    expected = sample()
    assert expected == (True, [1, 2], [0, 1, 12, 13, 4, 5])
    assert again() == expected
    assert again() == expected


# --- 15 to 17: functions


def test_closures_and_super():
    x = 1

    class Base:
        def method(self, n):
            return n + 1

    class Derived(Base):
        def method(self, n):
            nonlocal x
            x += 1
            take()
            x += 10
            return super().method(n), x

    expected = Derived().method(3)
    assert expected == (4, 12)
    assert again() == expected
    assert x == 12  # the copy has its own


def test_functions_with_functions_inside():
    def sample(n):
        def double(x):
            return x * n

        def inner(y):
            return double(y) + n

        pairs = ((i, inner(i)) for i in range(2))
        take()
        return [*map(inner, range(3)), double(1), dict(e for e in [(1, 2)])], list(pairs)

    expected = sample(2)
    assert again() == expected


def decorate(function):
    def wrapper(*args):
        return function(*args)

    return wrapper


@decorate
def decorated(n):
    total = n
    take()
    return total + 1


def test_local_classes_and_decorated_functions():
    def sample():
        class Local:
            value = 3

            def get(self):
                return self.value

        one = Local()
        take()
        return one.get(), type(one) is Local

    assert sample() == again() == (3, True)
    assert decorated(4) == again() == 5


# --- 20: globals by reference

K = 18


def test_globals_are_those_of_the_module():
    global K

    def sample():
        take()
        return K

    sample()
    K = 107
    try:
        assert again() == 107
    finally:
        K = 18


# --- 22: changed code


def test_changed_code_is_refused():
    module = types.ModuleType("seed_changing")
    sys.modules["seed_changing"] = module
    try:
        source = "def work(take):\n    x = {}\n    take()\n    return x\n"
        exec(source.format(1), vars(module))
        module.work(take)
        assert again() == 1
        exec(source.format(2), vars(module))
        with pytest.raises(skt.CodeChanged, match="work"):
            again()
    finally:
        del sys.modules["seed_changing"]


# --- 23: arrays are not copied in a read


def test_arrays_are_blocks_of_their_own():
    def sample():
        array = np.arange(1 << 17)
        take()
        return array

    sample()
    data = skt.serialize_frame(taken[0])
    assert (1 << 20) < len(data) < (1 << 20) + 8192
    assert (skt.deserialize_frame(data, run=True) == np.arange(1 << 17)).all()


# --- 28: unbound stays unbound


def test_an_unbound_local_stays_unbound():
    def sample(flag):
        if flag:
            late = 1
        frame = skt.copy_current_frame(exclude_dead_locals=False)
        if frame is not None:
            return frame
        return late

    frame = sample(False)
    assert frame.unbound == ("late", "frame")
    with pytest.raises(UnboundLocalError):
        skt.run_frame(frame)
    assert skt.run_frame(frame, {"late": 4}) == 4
