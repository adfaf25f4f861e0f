"""Arrays of every dtype and class, over every kind of owner."""

import array
import ctypes
import mmap

import numpy as np
import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip

THRESHOLDS = (10, 10**9)  # everything in blocks, everything in the stream
DTYPES = [
    *("?", "i1", "u2", "i4", "u8", ">i2", "<u4", "f2", "f4", "f8", ">f8", "longdouble"),
    *("c8", "c16", ">c16", "clongdouble", "m8", "m8[ms]", "M8[D]", "M8[25us]", "S5", "S0", "U3"),
    *("V7", "O", "i4,f8", "(2,3)f4"),
    [("a", "f8", (2, 3)), ("b", [("c", "i2"), ("d", "S5")])],
    [("o", "O"), ("x", "f8")],
    {"names": ["a", "b"], "formats": ["i4", "f8"], "offsets": [4, 16], "itemsize": 32},
]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype, threshold):
    numbers = np.random.default_rng(1).integers(0, 2, (3, 4))
    made = np.zeros((3, 4), dtype)
    if made.dtype.names is None and made.dtype.kind != "V":
        made[...] = numbers.reshape(numbers.shape + (1,) * (made.ndim - 2))
    back, turned, part = round_trip(made, made.T, made[1:, ::2], threshold=threshold)
    for after, before in ((back, made), (turned, made.T), (part, made[1:, ::2])):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert after.dtype.fields == before.dtype.fields
        assert np.array_equal(after, before)
    if back.nbytes:
        assert np.may_share_memory(back, turned)
        assert np.may_share_memory(back, part)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_texts_of_any_length(threshold):
    if not hasattr(np, "dtypes") or not hasattr(np.dtypes, "StringDType"):
        return  # NumPy 1
    texts = np.array(["short", "x" * 1000, "äöü" * 50], np.dtypes.StringDType())
    missing = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    back, missing_back = round_trip(texts, missing, threshold=threshold)
    assert list(back) == list(texts)
    assert missing_back[1] is None
    with pytest.raises(CaptureError, match="a view of an array of StringDType cannot"):
        graph.freeze([texts[::2]])


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize(
    "owner",
    [
        lambda: bytearray(80),
        lambda: array.array("d", range(10)),
        lambda: (ctypes.c_double * 10)(*range(10)),
        lambda: memoryview(bytearray(80))[:],
        lambda: mmap.mmap(-1, 80),
        lambda: np.arange(10.0),
    ],
    ids=["bytearray", "array", "ctypes", "memoryview", "mmap", "ndarray"],
)
def test_every_owner(owner, threshold):
    whole = np.frombuffer(owner())
    whole[:] = np.arange(10.0)
    back, few, ints = round_trip(whole, whole[2:8:2], whole.view("i8"), threshold=threshold)
    assert np.array_equal(back, np.arange(10.0))
    back[2] = -1.0
    assert few[0] == -1.0
    assert ints[2] == np.float64(-1.0).view("i8")


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_masked_arrays_in_full(threshold):
    records = np.ma.array(
        [(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")], mask=[(0, 1), (1, 0)]
    )
    hard = np.ma.masked_array(np.arange(5.0), mask=np.arange(5) > 2, hard_mask=True, fill_value=-1)
    back, column, one, constant, hard_back, part = round_trip(
        records, records["a"], records[0], np.ma.masked, hard, hard[1:4], threshold=threshold
    )
    assert back.tolist() == records.tolist()
    assert np.shares_memory(back.data, column.data)
    assert one.tolist() == (1, None)
    assert type(one) is type(records[0])
    assert constant is np.ma.masked
    hard_back[4] = 9.0
    assert hard_back.tolist() == hard.tolist()
    assert hard_back.fill_value == -1
    hard_back[1] = 7.0
    assert part[0] == 7.0
    column[0] = 5
    assert back["a"][0] == 5


def test_scalars():
    scalars = [
        np.float32(1.5),
        np.longdouble(1) / 3,
        np.datetime64("2020", "D"),
        np.timedelta64(3, "h"),
        np.str_("a"),
        np.bytes_(b"a"),
        np.void(b"abc"),
        np.True_,
        np.array([(1, 2)], "i4,i4")[0],
    ]
    for after, before in zip(round_trip(*scalars), scalars, strict=True):
        assert type(after) is type(before)
        assert after == before
        assert after.dtype == before.dtype


def test_long_long_stays_what_it_is():
    """Of the same size as `long` here, and another type."""
    values = [np.longlong(4), np.dtype("Q"), np.zeros(2, [("x", "q")]), np.array(7)]
    scalar, dtype, records, other = round_trip(*values)
    assert type(scalar) is np.longlong
    assert dtype is np.dtype("Q")
    assert records["x"].dtype.char == "q"
    assert other.dtype is np.dtype(int)
