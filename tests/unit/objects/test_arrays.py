"""Arrays as views of memory: what shared memory shares it again."""

import array
import mmap

import numpy as np
import pytest

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from tests.unit.objects import crossing
from tests.unit.objects.crossing import round_trip

SMALL, LARGE = 10**9, 100  # thresholds: everything in the stream, everything in blocks


def views_of(base):
    """Ten forms of views of a (6, 8) float array."""
    return {
        "slice": base[1:4, 2:],
        "reversed": base[::-1, ::-2],
        "transposed": base.T,
        "broadcast": np.broadcast_to(base[2], (3, 8)),
        "strided": np.lib.stride_tricks.as_strided(base, (3, 3), (64, 16)),
        "field": base.view([("re", "f8"), ("im", "f8")])["im"],
        "reinterpreted": base.view(np.int64),
        "zero-d": base[3, 4, ...],
        "empty": base[2:2],
        "read-only": read_only(base[:2]),
    }


def read_only(view):
    view = view.view()
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("threshold", [SMALL, LARGE])
@pytest.mark.parametrize("order", ["base first", "views first", "views only"])
def test_ten_view_forms_alias_again(threshold, order):
    base = np.arange(48.0).reshape(6, 8)
    views = views_of(base)
    values = {
        "base first": [base, *views.values()],
        "views first": [*views.values(), base],
        "views only": list(views.values()),
    }[order]
    back = round_trip(*values, threshold=threshold)
    for before, after in zip(values, back, strict=True):
        assert after.dtype == before.dtype
        assert after.shape == before.shape
        assert after.flags.writeable == before.flags.writeable
        assert np.array_equal(after, before)
        if before.size and before.shape:
            assert [s for n, s in zip(after.shape, after.strides, strict=True) if n > 1] == [
                s for n, s in zip(before.shape, before.strides, strict=True) if n > 1
            ]
    by_name = dict(zip(views, back[1:] if order == "base first" else back, strict=False))
    by_name["slice"][...] = -7.0
    base[1:4, 2:] = -7.0
    for name, view in views_of(base).items():
        assert np.array_equal(by_name[name], view), name


@pytest.mark.parametrize("threshold", [SMALL, LARGE])
def test_aliasing_in_another_process(threshold):
    base = np.arange(400.0).reshape(20, 20)
    result = crossing.elsewhere(
        [base[::2], {"deep": [base]}, base.T],
        "values[0][:] = 0; result = values[1]['deep'][0].tobytes(), values[2].tobytes()",
        threshold=threshold,
    )
    base[::2] = 0
    assert result == (base.tobytes(), base.T.tobytes())


@pytest.mark.parametrize("threshold", [SMALL, LARGE])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_owners_of_any_axis_order(threshold, axes):
    owner = np.empty_like(np.arange(60.0).reshape(3, 4, 5).transpose(axes))
    owner[...] = np.random.default_rng(1).random(owner.shape)
    assert owner.base is None
    view = owner[1:, ::-1]
    back, back_view = round_trip(owner, view, threshold=threshold)
    assert np.array_equal(back, owner)
    assert back.strides == owner.strides
    assert np.shares_memory(back, back_view)
    assert np.array_equal(back_view, view)


def test_few_rows_of_a_large_array_cost_few_rows():
    large = np.arange(10_000_000, dtype=np.float32).reshape(-1, 1000)
    frozen = graph.freeze([large[5:8], large[7:9]], threshold=1000)
    (block,) = frozen.blocks
    assert block.memory.nbytes == 4 * 4000
    a, b = graph.thaw(frozen)
    assert np.array_equal(a, large[5:8])
    assert np.shares_memory(a, b)
    in_stream = graph.freeze([large[5:8]])
    assert in_stream.blocks == ()
    assert len(in_stream.stream) < 14_000


def test_blocks_tell_what_they_look_like():
    class Solver:
        pass

    solver = Solver()
    solver.u = np.zeros((20, 30))
    solver.f = np.asfortranarray(np.zeros((20, 30)))
    structured = np.zeros(100, [("a", "f8"), ("b", "i4")])
    frozen = graph.freeze(
        [solver, structured], names=["f() -> local 'self'", "x"].__getitem__, threshold=100
    )
    u, f, s = frozen.blocks
    assert (u.dtype, u.shape, u.path) == ("<f8", (20, 30), "f() -> local 'self'.u")
    assert (f.dtype, f.shape, f.path) == ("<f8", (30, 20), "f() -> local 'self'.f")
    assert (s.dtype, s.shape, s.path) == ("|u1", (1200,), "x")
    assert all(
        np.prod(b.shape) * np.dtype(b.dtype).itemsize == b.memory.nbytes for b in frozen.blocks
    )


def test_one_block_for_one_owner():
    owner = np.zeros(1000)
    frozen = graph.freeze([owner, owner[1:], owner.reshape(10, 100)], threshold=100)
    assert [block.memory.nbytes for block in frozen.blocks] == [8000]


@pytest.mark.parametrize("threshold", [SMALL, LARGE])
def test_dtypes_keep_their_bits(threshold):
    values = [
        np.arange(50).astype("M8[s]"),
        np.arange(50, dtype=">i4"),
        np.array(["ab", "c"] * 20),
        np.array([b"ab", b"c"] * 20),
        np.array([(1, 2.5)] * 20, dtype=[("a", "i4"), ("b", "f8")]),
        np.array([np.nan, -0.0, np.inf] * 10),
        np.arange(50, dtype=np.longdouble),
        np.arange(50) > 3,
        np.arange(50, dtype=np.float16),
        np.arange(50) * 1j,
        np.zeros((0, 5)),
        np.array(3.5),
        np.zeros((200,), dtype="V0"),
        np.float64(2.5),
        np.ones((3, 0, 4), order="F"),
    ]
    for before, after in zip(values, round_trip(*values, threshold=threshold), strict=True):
        assert after.dtype == before.dtype
        assert after.shape == before.shape
        assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize("threshold", [SMALL, LARGE])
def test_object_arrays_and_their_views(threshold):
    inner = np.arange(30.0)
    owner = np.empty((4, 5), object)
    owner[...] = None
    owner[1, 2] = inner
    owner[2, 2] = owner
    back, column, same = round_trip(owner, owner[:, 2], inner, threshold=threshold)
    assert back[1, 2] is same
    assert back[2, 2] is back
    column[0] = "set"
    assert back[0, 2] == "set"


def test_exporters_share_with_the_arrays_over_them():
    data, numbers = bytearray(b"\0" * 80), array.array("d", range(10))
    over_data, over_numbers = np.frombuffer(data, "f8"), np.frombuffer(numbers)
    over_bytes = np.frombuffer(b"12345678" * 3, "i8")
    back = round_trip(over_data[2:], data, numbers, over_numbers[::2], over_bytes, threshold=10)
    back[0][0] = 1.0
    assert back[1][16:24] == np.float64(1.0).tobytes()
    back[2][2] = 77.0
    assert back[3][1] == 77.0
    assert not back[4].flags.writeable
    assert np.array_equal(back[4], over_bytes)


def test_memory_of_unknown_owners_is_shared_again():
    anonymous = mmap.mmap(-1, 8000)
    a = np.frombuffer(anonymous)[10:20]
    b = np.frombuffer(anonymous, "i4")[30:50]
    a[:] = 3.0
    back_a, back_b = round_trip(a, b, threshold=0)
    assert np.array_equal(back_a, a)
    assert np.array_equal(back_b, b)
    assert np.shares_memory(back_a, back_b) == np.shares_memory(a, b)


class Field(np.ndarray):
    def __array_finalize__(self, obj):
        self.unit = getattr(obj, "unit", None)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("threshold", [SMALL, LARGE])
def test_subclasses(threshold):
    field = np.arange(100.0).view(Field)
    field.unit = "m"
    matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    record = np.rec.array([(1, 2.0)] * 20, dtype=[("a", "i4"), ("b", "f8")])
    masked = np.ma.masked_array(np.arange(100.0), mask=np.arange(100) % 3 == 0, fill_value=-1)
    plain = np.ma.masked_array(np.arange(4.0))
    values = [field, np.asarray(field), matrix, record, masked, masked.data, masked.mask, plain]
    back = round_trip(*values, threshold=threshold)
    assert [type(x) for x in back] == [type(x) for x in values]
    assert back[0].unit == "m"
    assert np.shares_memory(back[0], back[1])
    assert back[3].b[0] == 2.0
    assert np.array_equal(back[4].filled(), masked.filled())
    assert np.shares_memory(back[4].data, back[5])
    assert np.shares_memory(back[4].mask, back[6])
    assert back[7].mask is np.ma.nomask


def test_memmaps(tmp_path):
    path = tmp_path / "data.bin"
    np.arange(1000.0).tofile(path)
    read = np.memmap(path, "f8", "r")
    private = np.memmap(path, "f8", "c")
    private[0] = -5.0
    read_back, part, private_back = round_trip(read, read[10:20], private, threshold=100)
    assert isinstance(read_back, np.memmap)
    assert read_back.mode == "r"
    assert np.shares_memory(read_back, part)
    assert np.array_equal(part, np.arange(10.0, 20.0))
    assert private_back[0] == -5.0
    assert np.fromfile(path)[0] == 0.0

    shared = np.memmap(path, "f8", "r+", offset=80, shape=(100,))
    shared[:] = 1.0
    frozen = graph.freeze([shared, shared[50:]], threshold=100)
    shared[:] = 2.0  # after the capture: to be undone
    shared.flush()
    actions = []
    back, tail = graph.thaw(frozen, actions=actions)
    assert np.fromfile(path)[10] == 2.0  # nothing is written before the actions
    for act in actions:
        act()
    assert np.array_equal(back, np.ones(100))
    assert np.array_equal(tail, np.ones(50))
    back[:] = 3.0
    back.flush()
    assert np.all(np.fromfile(path)[10:110] == 3.0)

    frozen = graph.freeze([read])
    np.arange(7.0).tofile(path)
    with pytest.raises(ResumeError, match="changed since the capture"):
        graph.thaw(frozen)


def test_restored_blocks_are_aligned_and_writable():
    values = [np.arange(1001, dtype=np.uint8)[1:], np.arange(5000.0)]
    for array_ in round_trip(*values, threshold=100):
        assert array_.flags.writeable
    assert round_trip(values[1], threshold=100)[0].__array_interface__["data"][0] % 64 == 0


def test_given_writable_memory_is_used_as_it_is():
    frozen = graph.freeze([np.arange(1000.0)], threshold=100)
    room = np.empty(8064, np.uint8)
    skip = -room.__array_interface__["data"][0] % 64
    memory = room[skip : skip + 8000]
    memory[:] = np.frombuffer(frozen.blocks[0].memory, np.uint8)
    (back,) = graph.thaw((frozen.stream, [memory]))
    assert np.shares_memory(back, memory)
    (copied,) = graph.thaw((frozen.stream, [bytes(memory)]))
    assert copied.flags.writeable
    assert np.array_equal(copied, back)


def test_a_thawed_graph_is_frozen_again_alike():
    base = np.arange(5000.0).reshape(50, 100)
    values = [base, base[3:5], np.arange(10.0)]
    for _ in range(3):
        frozen = graph.freeze(values, threshold=100, names="v{}".format)
        values = graph.thaw((frozen.stream, [bytearray(b.memory) for b in frozen.blocks]))
        assert [(b.dtype, b.shape, b.path) for b in frozen.blocks] == [("<f8", (50, 100), "v0")]
        assert np.shares_memory(values[0], values[1])
    assert np.array_equal(values[0], base)


def test_copy_is_frozen_and_borrow_is_not():
    live = np.zeros(1000)
    copied = graph.freeze([live], threshold=100)
    borrowed = graph.freeze([live], threshold=100, arrays="borrow")
    live[:] = 1.0
    assert graph.thaw(copied)[0].sum() == 0.0
    assert graph.thaw(borrowed)[0].sum() == 1000.0
    assert np.shares_memory(np.frombuffer(borrowed.blocks[0].memory), live)
    assert all(block.memory.readonly for block in (*copied.blocks, *borrowed.blocks))


def test_a_frozen_graph_is_thawed_many_times():
    frozen = graph.freeze([np.zeros(1000)], threshold=100)
    first, second = graph.thaw(frozen)[0], graph.thaw(frozen)[0]
    first[:] = 1.0
    assert second.sum() == 0.0


def test_flat_iterators_and_generators_of_random_numbers():
    values = np.arange(12.0).reshape(3, 4)
    flat = values.flat
    next(flat)
    back, it, rng, legacy = round_trip(
        values, flat, np.random.default_rng(5), np.random.mtrand._rand
    )
    assert next(it) == 1.0
    back[0, 2] = 9.0
    assert next(it) == 9.0
    assert rng.random() == np.random.default_rng(5).random()
    assert legacy is np.random.mtrand._rand


def test_broadcasts():
    rows, columns = np.arange(3.0), np.arange(2.0)[:, None]
    pairs = np.broadcast(rows, columns)
    next(pairs)
    back, held = round_trip(pairs, rows)
    held[1] = 7.0
    assert next(back) == (7.0, 0.0)
    assert (back.shape, back.index) == ((2, 3), 2)


def test_views_of_objects_under_another_dtype_are_refused():
    owner = np.zeros(4, [("o", object), ("x", "f8")])
    with pytest.raises(CaptureError, match="another dtype"):
        graph.freeze([owner["x"]])


def test_what_a_restored_array_has_lost():
    array = np.arange(1000.0)
    back, small = round_trip(array, np.arange(3.0))
    assert not back.flags.owndata
    assert back.base is not None
    with pytest.raises(ValueError, match="does not own"):
        back.resize(2000)
    grown = np.resize(back, 2000)
    assert grown.shape == (2000,)
    assert small.flags.owndata
    small.resize(5)
    assert small.tolist() == [0.0, 1.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize("threshold", [1, 10**6])
def test_strides_along_axes_of_one_element(threshold):
    value = np.arange(24.0).reshape(2, 3, 4)
    held = [value, value[..., None], value[:, :1], value[:1], value[1:, :1].T, value.reshape(1, -1)]
    back = round_trip(*held, threshold=threshold)
    assert [each.strides for each in back] == [each.strides for each in held]
    for each, original in zip(back, held, strict=True):
        assert np.shares_memory(each, back[0])
        assert each.tolist() == original.tolist()
