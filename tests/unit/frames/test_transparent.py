"""C code that is declared to pass the value of a call through."""

import functools
import operator
import sys
from contextvars import Context, copy_context

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut import CaptureError, Snapshot
from tests.unit.frames.pausing import Steps, pause


def resumed(kept):
    return Snapshot.from_bytes(kept[0].to_bytes()).resume()


@skt.transparent
@functools.lru_cache
def cached(n):
    pause(kept=cached_kept)
    return n * 2


cached_kept = []


def test_a_declared_callable_passes_the_value_through():
    assert skt.call(lambda: ("got", cached(4))) == ("got", 8)
    assert resumed(cached_kept) == ("got", 8)


class Worker:
    def work(self, n, kept):
        return pause(n + 1, kept)


def test_a_declared_function_of_numpy_passes_the_value_through():
    kept = []
    skt.transparent(np.piecewise)

    def program():
        return np.piecewise(np.ones(2), [[True, False]], [lambda x: pause(x * 3, kept)])

    expected = skt.call(program).tolist()
    assert resumed(kept).tolist() == expected == [3, 0]


def test_a_declared_class_stands_for_its_instances():
    kept = []
    skt.transparent(operator.methodcaller)
    program = operator.methodcaller("work", 3, kept)
    assert skt.call(lambda: ("got", program(Worker()))) == ("got", 4)
    assert resumed(kept) == ("got", 4)


def test_a_declared_method_is_known_however_it_is_bound():
    kept = []

    class Told(dict):
        def __missing__(self, key):
            return pause(key, kept)

    skt.transparent(dict.__getitem__)
    assert skt.call(lambda: [Told().__getitem__(3)]) == [3]
    assert resumed(kept) == [3]


@pytest.mark.parametrize("run", [Context.run, Context().run], ids=["method", "bound"])
def test_what_sets_a_context_cannot_be_declared(run):
    with pytest.raises(TypeError, match=r"Context.run calls in a context that is not captured"):
        skt.transparent(run)
    with pytest.raises(CaptureError, match=r"by .* Context.run, .* checkpoint outside of it$"):
        skt.call(lambda: copy_context().run(pause))


@pytest.mark.parametrize("wrong", [3, resumed, Steps().__next__])
def test_only_callables_in_c_can_be_declared(wrong):
    with pytest.raises(TypeError, match=r"cannot be called|Python function"):
        skt.transparent(wrong)


class Model:
    def __init__(self, size, kept):
        self.size = pause(size, kept)


def made_by_name(kept):
    made_here = Model
    return Model(3, kept).size + made_here(4, kept).size


def test_what_the_code_names_is_called_without_a_look_at_all_objects(monkeypatch):
    looked = []
    monkeypatch.setattr("gc.get_objects", lambda: looked.append(1) or [])
    kept = []
    assert skt.call(made_by_name, kept) == 7
    assert not looked
    assert [snapshot.resume() for snapshot in kept] == [7, 7]


def test_a_look_at_all_objects_that_fails_is_no_capture(monkeypatch):
    def fails():
        raise MemoryError

    kept = []
    made = [Model]
    monkeypatch.setattr("gc.get_objects", fails)
    try:
        size = skt.call(lambda: made[0](3, kept).size)
    except MemoryError:
        assert not kept
    else:  # from 3.13 on what is called shows without such a look
        assert sys.version_info >= (3, 13)
        assert size == kept[0].resume() == 3
