"""Graphs of plain values and arrays of numbers are written in a shorter way: to the same effect."""

import ctypes
import pickle

import numpy as np
import pytest

from sauerkraut._native import Memory
from sauerkraut.objects import arrays, common_memory, graph
from sauerkraut.objects.freezing import Freezing
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
    freezing = Freezing(threshold=LARGE, name_of=lambda _: None)
    arrays.reduce_array(value, freezing)
    assert not common_memory.borrows(freezing)  # or all is written twice
    for way in (shorter, longer):
        one, rest = way(value, value[10:])
        one[20] = -1.0
        assert rest[10] == -1.0


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
