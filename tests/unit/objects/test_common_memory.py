"""What looks at the same bytes does so again, whatever it says it borrows them from."""

import array
import ctypes
import io
import mmap

import numpy as np
import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects import crossing
from tests.unit.objects.crossing import round_trip

THRESHOLDS = (10, 10**9)  # arrays in blocks, arrays in the stream


class Pair(ctypes.Structure):
    _fields_ = (("first", ctypes.c_double), ("rest", ctypes.c_double * 3))


class Exporter:
    """A class of some library: tells where its bytes are, not whose they are."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__


class Wrapper:
    """The same, but it keeps the array."""

    def __init__(self, array):
        self.array = array

    @property
    def __array_interface__(self):
        return self.array.__array_interface__


def doubles(*values):
    return (ctypes.c_double * len(values))(*values)


def pairs_of(make):
    """(owner, what shares its memory), each of eight doubles."""
    owner = make()
    return owner, np.frombuffer(owner)


OWNERS = {
    "ctypes array": lambda: pairs_of(lambda: doubles(*range(8))),
    "ctypes array, as_array": lambda: (c := doubles(*range(8)), np.ctypeslib.as_array(c)),
    "ctypes array, pointer": lambda: (
        c := doubles(*range(8)),
        np.ctypeslib.as_array(ctypes.cast(c, ctypes.POINTER(ctypes.c_double)), (8,)),
    ),
    "over a bytearray": lambda: (
        b := array.array("d", range(8)),
        (ctypes.c_double * 8).from_buffer(b),
    ),
    "over an array": lambda: (a := np.arange(8.0), (ctypes.c_double * 8).from_buffer(a)),
    "over a part": lambda: ((a := np.arange(12.0))[4:], (ctypes.c_double * 8).from_buffer(a, 32)),
    "array interface": lambda: (a := np.arange(8.0), np.asarray(Exporter(a))),
    "DLPack": lambda: (a := np.arange(8.0), np.from_dlpack(a)),
    "two exporters": lambda: (
        np.asarray(Exporter(a := np.arange(8.0))),
        np.asarray(Wrapper(a)),
    ),
    "memoryview of an array": lambda: (a := np.arange(8.0), np.asarray(memoryview(a))),
}


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("make", OWNERS.values(), ids=OWNERS)
def test_two_objects_over_the_same_bytes(make, order, threshold):
    made = make()
    before = [list(each) for each in made]
    back = round_trip(*made[::order], threshold=threshold)[::order]
    assert [list(each) for each in back] == before
    back[0][2] = -7.0
    assert back[1][2] == -7.0
    back[1][3] = -8.0
    assert back[0][3] == -8.0
    assert [list(each) for each in made] == before


def test_in_another_process():
    owner, view = pairs_of(lambda: doubles(*range(8)))
    given = [{"deep": [view[2:]]}, owner]
    body = "values[1][2] = 9.0; result = values[0]['deep'][0].tolist()"
    assert crossing.elsewhere(given, body) == [9.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_parts_of_a_structure():
    pairs = (Pair * 3)()
    pairs[1].first = 2.0
    one, rest = pairs[1], pairs[1].rest
    one.note = "kept"
    for given in ((pairs, one, rest), (rest, one, pairs)):
        found = dict(zip(("a", "b", "c"), round_trip(*given), strict=True))
        whole, part, inner = (found["a"], found["b"], found["c"])
        if given[0] is rest:
            whole, inner = inner, whole
        inner[2] = 5.0
        part.first = 4.0
        assert (whole[1].first, whole[1].rest[2], part.note) == (4.0, 5.0, "kept")
    (alone,) = round_trip(pairs[1].rest)
    assert list(alone) == [0.0, 0.0, 0.0]
    again = round_trip(*round_trip(pairs, one))
    again[1].first = 6.0
    assert again[0][1].first == 6.0


def test_an_array_over_a_part_of_a_structure():
    pairs = (Pair * 3)()
    pairs_back, rest, column = round_trip(
        pairs, np.ctypeslib.as_array(pairs[2].rest), np.frombuffer(pairs)[::4]
    )
    rest[1] = 5.0
    column[2] = 4.0
    assert (pairs_back[2].first, pairs_back[2].rest[1]) == (4.0, 5.0)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_an_array_over_a_bytes_io(threshold):
    file = io.BytesIO(bytes(range(64)))
    file.seek(5)
    view = np.frombuffer(file.getbuffer(), np.uint8)[8:]
    for given in ((file, view), (view, file)):
        back = round_trip(*given, threshold=threshold)
        file_back, view_back = back if given[0] is file else back[::-1]
        view_back[0] = 99
        assert file_back.getvalue() == bytes((*range(8), 99, *range(9, 64)))
        assert file_back.tell() == 5
    (alone,) = round_trip(view, threshold=threshold)
    assert alone.tolist() == list(range(8, 64))


def test_arrays_over_memory_alone_stay_blocks():
    frozen = graph.freeze([np.frombuffer(doubles(*range(100)))[10:20]], threshold=40)
    assert [block.memory.nbytes for block in frozen.blocks] == [80]


def test_what_would_come_back_apart_is_refused():
    exporter = Exporter(np.arange(8.0))
    data = np.arange(8.0)
    across = np.asarray(Exporter(np.lib.stride_tricks.as_strided(data[4:], (4,))))
    shared = mmap.mmap(-1, 64)
    number = ctypes.c_double(1.0)
    pointed = ctypes.pointer(number).contents
    for given, told in (
        ([np.asarray(exporter), exporter], r"Exporter and an array over its memory \(x\) would"),
        ([(ctypes.c_ubyte * 8).from_buffer(shared)], "its memory is that of mmap"),
        ([pointed], "its memory belongs to something that is not captured"),
        ([ctypes.c_double.from_address(ctypes.addressof(number))], "its memory belongs to"),
        (
            [np.frombuffer((ctypes.c_ubyte * 64).from_buffer(shared)), np.frombuffer(shared)],
            r"array \(x\) has memory in common with mmap.mmap",
        ),
    ):
        with pytest.raises(CaptureError, match=told):
            graph.freeze(given, names="xyz".__getitem__, threshold=10)
    assert len(across) == 4


def test_an_array_reaching_beyond_another_is_refused():
    data = doubles(*range(8))
    part = (ctypes.c_double * 4).from_buffer(data)
    whole = np.ctypeslib.as_array(ctypes.cast(data, ctypes.POINTER(ctypes.c_double)), (8,))
    over_part = np.frombuffer(part)
    back_whole, back_part = round_trip(whole, over_part)
    back_part[1] = -1.0
    assert back_whole[1] == -1.0
    owner = np.arange(4.0)
    beyond = Exporter(owner)
    beyond.__array_interface__ = {**owner.__array_interface__, "shape": (5,)}
    with pytest.raises(CaptureError, match=r"memory in common with numpy.ndarray"):
        graph.freeze([np.asarray(beyond), owner])


def test_a_root_over_memory_of_another_object():
    owner, view = pairs_of(lambda: doubles(*range(8)))
    from sauerkraut.objects import state

    with pytest.raises(CaptureError, match="would come back apart from it; pass a copy"):
        graph.freeze([state.state_of(view), owner], anchors={"x": view})


def test_memory_that_nobody_writes_to_may_come_back_apart():
    number = np.float64(3.0)
    back, view = round_trip(number, np.frombuffer(number))
    assert (back, view.tolist()) == (3.0, [3.0])
