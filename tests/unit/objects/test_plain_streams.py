"""Graphs of plain values and arrays of numbers are written in a shorter way: to the same effect."""

import copyreg
import ctypes
import pickle

import numpy as np
import pytest

from sauerkraut._native import Memory
from sauerkraut.errors import CaptureError
from sauerkraut.objects import arrays, common_memory, freezing, graph
from sauerkraut.objects.freezing import Freezing
from tests.processes import run_python
from tests.unit.objects import crossing

LARGE = 1024
"""Bytes from which arrays have a block of their own here."""


def shorter(*values):
    """What comes back of values that are written in the shorter way."""
    frozen = graph.freeze_plain(values, names="{}".format, arrays="copy", threshold=LARGE)
    assert frozen is not None
    return graph.thaw(frozen)


def longer(*values):
    """What comes back of values that are not."""
    return graph.thaw(graph.freeze(values, threshold=LARGE, anchors={"it": object()}))


def shortest(*values):
    """What comes back of values that are written as ever is right for them."""
    return graph.thaw(graph.freeze(values, threshold=LARGE))


def ranges(begin, stop, taken):
    over = iter(range(begin, stop))
    for _ in range(taken):
        next(over)
    return over


PLAIN = {
    "numbers of all kinds": lambda: [
        np.arange(5).astype(kind) for kind in ("?", *"bhilqBHILQfdFD")
    ],
    "an empty one": lambda: [np.empty((0, 3)), np.array(2.5)],
    "a small one in Fortran's order": lambda: [np.asfortranarray(np.arange(6.0).reshape(2, 3))],
    "a large one in Fortran's order": lambda: [np.asfortranarray(np.ones((40, 50)))],
    "a large one": lambda: [np.arange(1000.0).reshape(10, 100)],
    "scalars": lambda: [np.float64("nan"), np.float32(0.1), np.int64(-1), np.int32(7), np.bool_(1)],
    "deep inside": lambda: [{"a": [np.ones(3), (np.zeros(500), 1j)]}, "text", b"bytes", None],
    "what loops hold": lambda: [ranges(0, 9, 4), ranges(0, 10**30, 2), ranges(5, 5, 0)],
}


@pytest.mark.parametrize("of", PLAIN.values(), ids=PLAIN.keys())
def test_the_same_comes_back(of):
    for way in (shorter, longer):
        assert pickle.dumps(way(*of()), 5) == pickle.dumps(of(), 5)


def test_layout_and_type_come_back():
    read_only, large = np.asfortranarray(np.ones((4, 5))), np.asfortranarray(np.ones((40, 50)))
    read_only.flags.writeable = False
    for value in (read_only, large, np.arange(4, dtype=">i4"), np.arange(3, dtype="q")):
        for (back,) in (graph.thaw(graph.freeze([value], threshold=LARGE)), longer(value)):
            assert back.strides == value.strides
            assert back.flags.writeable == value.flags.writeable
            assert back.dtype is value.dtype or value.dtype.byteorder == ">"
            assert (back.dtype.char, back.dtype.str) == (value.dtype.char, value.dtype.str)


@pytest.mark.parametrize("size", [10, 1000])
def test_two_names_and_views_of_one_array(size):
    value = np.arange(float(size))
    held = [value, value, value[::2], value[3:], {"same": value}]
    for way in (shorter, longer):
        one, other, strided, rest, inside = way(*held)
        assert one is other is inside["same"]
        one[4] = -1.0
        assert strided[2] == -1.0
        assert rest[1] == -1.0


@pytest.mark.parametrize("size", [10, 1000])
def test_a_view_alone_brings_what_it_shows(size):
    value = np.arange(float(size))
    frozen = graph.freeze([value[2:4]], threshold=16)
    (back,) = graph.thaw(frozen)
    assert back.tolist() == [2.0, 3.0]
    (back,) = shorter(value[2:4])
    assert back.tolist() == [2.0, 3.0]


OTHERS = {
    "objects": lambda: np.array([object()]),
    "fields": lambda: np.zeros(2, "i4,f8"),
    "dates": lambda: np.zeros(2, "M8[s]"),
    "another byte order": lambda: np.zeros(2, ">f8"),
    "a derived class": lambda: np.ma.zeros(2),
    "memory of others": lambda: np.frombuffer(bytearray(16)),
    "memory of ctypes": lambda: np.ctypeslib.as_array((ctypes.c_double * 2)()),
    "a set": lambda: {1, 2},
    "globals": lambda: {"__builtins__": 1},
}


@pytest.mark.parametrize("of", OTHERS.values(), ids=OTHERS.keys())
def test_others_take_the_longer_way(of):
    assert graph.freeze_plain([of()], names="{}".format, arrays="copy", threshold=LARGE) is None


def restored(size):
    """An array over memory that was received, as after a restart or a move."""
    frozen = graph.freeze([np.arange(float(size))], threshold=LARGE)
    memory = Memory(8 * size)
    memoryview(memory)[:] = frozen.blocks[0].memory.tobytes()
    (value,) = graph.thaw((frozen.stream, [memory]))
    assert memoryview(memory).cast("d")[3] == 3.0
    value[3] = 33.0
    assert memoryview(memory).cast("d")[3] == 33.0  # it is that memory
    return value


def test_memory_that_came_back_is_known():
    value = restored(1000)
    state = Freezing(threshold=LARGE, name_of=lambda _: None)
    arrays.reduce_array(value, state)
    assert not common_memory.borrows(state)  # or all is written twice
    for way in (shorter, longer):
        one, rest = way(value, value[10:])
        one[20] = -1.0
        assert rest[10] == -1.0


def test_memory_of_the_program_s_own_that_came_back():
    """Who reads blocks into a buffer and hands it over still has the buffer."""
    frozen = graph.freeze([np.arange(1000.0)], threshold=LARGE)
    buffer = bytearray(8000 + arrays.ALIGNMENT)
    skip = -np.frombuffer(buffer, np.uint8).ctypes.data % arrays.ALIGNMENT
    block = memoryview(buffer)[skip : skip + 8000]
    block[:] = frozen.blocks[0].memory
    (value,) = graph.thaw((frozen.stream, [block]))
    for way in (shortest, longer):
        back, other = way(value, buffer)
        back[3] = 33.0
        assert np.frombuffer(other, np.uint8)[skip + 24 : skip + 32].view("d") == 33.0


def last_base(value):
    while getattr(value, "base", None) is not None:
        value = value.base
    return value


def test_the_owner_of_memory_that_came_back_is_that_again():
    held = restored(1000)
    for _ in range(3):
        frozen = graph.freeze([held, last_base(held)], threshold=LARGE)
        memory = Memory(8000)
        memoryview(memory)[:] = frozen.blocks[0].memory
        held, owner = graph.thaw((frozen.stream, [memory]))
        assert last_base(held) is owner
        held[7] += 1
        assert np.asarray(owner)[56:64].view("d") == held[7]
    assert held[7] == 10.0


def test_memory_that_came_back_under_another_owner():
    value = restored(1000)
    others = np.ctypeslib.as_array((ctypes.c_double * 1000).from_buffer(value))
    one, other = graph.thaw(graph.freeze([value, others], threshold=LARGE))
    other[7] = -7.0
    assert one[7] == -7.0


def test_in_another_process():
    value = np.arange(1000.0)
    result = crossing.elsewhere(
        [value, value[::2], np.float64(0.5), ranges(0, 9, 4)],
        "values[0][4] = -1; result = values[1][2], repr(values[2]), list(values[3])",
    )
    assert result == (-1.0, repr(np.float64(0.5)), [4, 5, 6, 7, 8])


def test_paths_of_blocks_name_the_variable():
    frozen = graph.freeze([{"field": np.zeros(1000)}], names="value {}".format, threshold=LARGE)
    assert [block.path for block in frozen.blocks] == ["value 0['field']"]


def test_nested_too_deep_takes_the_longer_way():
    deep: list = []
    for _ in range(40):
        deep = [deep, np.ones(2)]
    assert graph.freeze_plain([deep], names="{}".format, arrays="copy", threshold=LARGE) is None
    (back,) = graph.thaw(graph.freeze([deep]))
    assert back[1].tolist() == [1.0, 1.0]


SERVED = {
    "arrays": lambda: np.ones(2),
    "scalars of arrays": lambda: np.float64(2.5),
    "complex numbers": lambda: 1j,
    "ranges": lambda: range(3),
    "what loops hold": lambda: iter(range(3)),
    "what long loops hold": lambda: iter(range(1 << 70)),
}


@pytest.mark.parametrize("by", ["type", "subclass"])
@pytest.mark.parametrize("of", SERVED.values(), ids=SERVED.keys())
def test_what_the_user_registers_wins(of, by, monkeypatch):
    monkeypatch.setattr(freezing, "_user_by_type", {})
    monkeypatch.setattr(freezing, "_user_by_subclass", {})
    monkeypatch.setattr(freezing, "_of_static", {})
    freezing.register_reducer(type(of()), lambda _: (str, ("the user's",)), by=by)
    assert shortest(of(), 7) == ["the user's", 7]
    assert shortest([of()], np.float32(7)) == [["the user's"], np.float32(7)]


@pytest.mark.parametrize("cls", [np.float64, complex, range])
def test_what_the_user_registers_with_copyreg_is_asked(cls, monkeypatch):
    monkeypatch.setitem(copyreg.dispatch_table, cls, lambda _: (str, ("the user's",)))
    for way in (shortest, longer):
        assert way(cls(2), np.float32(7)) == ["the user's", np.float32(7)]


def test_an_error_of_what_is_registered_is_told_with_its_place(monkeypatch):
    def fails(_):
        raise ZeroDivisionError("no number")

    monkeypatch.setitem(copyreg.dispatch_table, np.float64, fails)
    with pytest.raises(CaptureError, match=r"value 0.*no number"):
        shortest(np.float64(2))


def test_a_class_that_cannot_be_hashed_is_refused_by_name():
    class Meta(type):
        def __eq__(cls, other):
            return NotImplemented

    class Unhashable(metaclass=Meta):
        pass

    with pytest.raises(CaptureError, match=r"value 0.*Unhashable.*unhashable type"):
        shortest(Unhashable())


def test_numpy_that_must_not_be_imported():
    run_python(
        "-c",
        "import sys; sys.modules['numpy'] = None\n"
        "from sauerkraut.objects import graph\n"
        "assert graph.thaw(graph.freeze([{1, 2}])) == [{1, 2}]",
    )
