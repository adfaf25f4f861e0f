"""Arrays of which ranks stored blocks: put together, sliced, checked; shown by stock h5py too."""

import math
import pickle
import re
import shutil
from itertools import pairwise, product

import h5py
import numpy as np
import pytest

from sauerkraut import storage
from sauerkraut.errors import (
    CorruptCheckpoint,
    NoCheckpoint,
    NoSuchArray,
    StorageError,
)
from sauerkraut.storage import catalog, disk, dtypes, layout
from tests.processes import run_python
from tests.unit.storage.stored_arrays import GRID, ROWS, U, blocks_of, store

KEYS = [
    ...,
    (),
    0,
    -1,
    (3, 2, 1),
    slice(5, 12),
    slice(None, None, 4),
    slice(None, None, -1),
    slice(20, 3, -5),
    slice(9, 9),
    slice(100, 200),
    (slice(None), 4),
    (..., 2),
    (slice(8, 23), slice(1, 6, 2), slice(None, None, -2)),
    (np.int64(4), ..., slice(1, 2)),
]


@pytest.mark.parametrize("wheres", [ROWS, GRID], ids=["rows", "grid"])
def test_any_slice_is_that_of_the_whole(directory, job, wheres):
    store(job, directory, blocks_of(U, wheres))
    u = storage.open(directory)["fields/u"]
    assert (u.shape, u.dtype, u.ndim, u.size, len(u)) == (U.shape, U.dtype, 3, U.size, 23)
    assert u.nbytes == U.nbytes
    for key in KEYS:
        found = u[key]
        np.testing.assert_array_equal(found, U[key], strict=True)
        assert isinstance(found, np.ndarray) == isinstance(U[key], np.ndarray)
    np.testing.assert_array_equal(np.asarray(u), U)
    assert u[...].flags.writeable


def test_random_slices_of_random_grids(directory, job):
    chance = np.random.default_rng(4)

    def cuts(length):
        inner = sorted(chance.integers(0, length + 1, 2).tolist())
        edges = [0, *inner, length]
        return [slice(low, high) for low, high in pairwise(edges)]

    for i in range(5):
        values = chance.integers(0, 99, (int(chance.integers(1, 12)), int(chance.integers(1, 12))))
        wheres = list(product(*map(cuts, values.shape)))
        store(job, directory, blocks_of(values, wheres))
        u = storage.open(directory)["fields/u"]
        for _ in range(40):
            key = tuple(
                slice(*(int(n) for n in chance.integers(-14, 14, 2)), int(step))
                for step in chance.choice([-3, -2, -1, 1, 2, 3], 2)
            )
            np.testing.assert_array_equal(u[key], values[key], str((i, wheres, key)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 30])
def test_parts_are_the_whole_once(directory, job, size):
    store(job, directory, blocks_of(U, ROWS))
    u = storage.open(directory)["fields/u"]
    parts = [u[u.part(rank, size)] for rank in range(size)]
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    np.testing.assert_array_equal(np.concatenate(parts), U)
    columns = [u[:, u.part(rank, size, axis=-2)] for rank in range(size)]
    np.testing.assert_array_equal(np.concatenate(columns, axis=1), U)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1 + 2j, 3j], [4, 5]]),
        np.array([True, False, True]),
        np.arange(5, dtype=">i4"),
        np.array(["a", "bcd", ""]),
        np.array(["2026-11-21", "NaT", "1970-01-01"], "M8[s]"),
        np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")]),
        np.zeros((0, 3)),
        np.zeros((4, 0)),
    ],
    ids=["complex", "bool", "big-endian", "text", "time", "structured", "no rows", "no columns"],
)
def test_every_type_comes_back(directory, job, values):
    half = len(values) // 2
    epoch = store(job, directory, blocks_of(values, [slice(0, half), slice(half, len(values))]))
    found = storage.open(directory)["fields/u"]
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    np.testing.assert_array_equal(found[...], values)
    assert catalog.verify(epoch.path) == []


@pytest.mark.parametrize("wheres", [ROWS, GRID], ids=["rows", "grid"])
def test_stock_h5py_shows_the_whole_from_anywhere(directory, job, wheres, monkeypatch):
    epoch = store(job, directory, blocks_of(U, wheres))
    with h5py.File(epoch.path / layout.MANIFEST) as tree:
        dataset = tree["arrays/fields/u"]
        assert dataset.is_virtual
        np.testing.assert_array_equal(dataset[()], U)
        rank = 2
        block = tree[f"ranks/{rank:05d}/providers/fields/blocks/u"]
        assert block.attrs["array"] == "fields/u"
        assert tuple(block.attrs["array_shape"]) == U.shape
        start = block.attrs["start"]
        np.testing.assert_array_equal(dataset[start[0], start[1], start[2]], block[0, 0, 0])
    moved = directory.parent / "moved"
    shutil.copytree(epoch.path, moved)
    shutil.rmtree(directory)
    for where, name in ((moved, "manifest.h5"), (moved.parent, "moved/manifest.h5")):
        monkeypatch.chdir(where)
        with h5py.File(name) as tree:
            np.testing.assert_array_equal(tree["arrays/fields/u"][4:12], U[4:12])


def test_what_is_read_is_what_a_slice_needs(directory, job):
    """Damage elsewhere is not met: in other shards, and in other rows of the same."""
    rows = 3000
    values = np.arange(rows * 1024.0).reshape(rows, 1024)  # two blocks of 12 MiB
    epoch = store(job, directory, blocks_of(values, [slice(0, 1500), slice(1500, rows)]))
    u = storage.open(directory)["fields/u"]
    with h5py.File(epoch.path / layout.shard(0)) as tree:
        block = tree["ranks/00000/providers/fields/blocks/u"]
        last = block.id.get_offset() + block.nbytes - 1  # in the last row
    with (epoch.path / layout.shard(0)).open("r+b") as shard:
        shard.seek(last)
        shard.write(b"!")
    np.testing.assert_array_equal(u[100:200], values[100:200])
    np.testing.assert_array_equal(u[1500:, 17], values[1500:, 17])
    with pytest.raises(CorruptCheckpoint, match=r"shard-00000.h5: .*blocks/u: wrong hash"):
        u[1400:1600]
    problems = catalog.verify(epoch.path)
    assert [each.stream for each in problems] == ["ranks/00000/providers/fields/blocks/u"]


def test_an_array_larger_than_is_read_at_once(directory, job, monkeypatch):
    monkeypatch.setattr("sauerkraut.storage.data._AT_ONCE", 3000)
    store(job, directory, blocks_of(U, GRID))
    u = storage.open(directory)["fields/u"]
    for key in KEYS:
        np.testing.assert_array_equal(u[key], U[key])


def test_a_person_sees_what_there_is(directory, job):
    epoch = store(
        job,
        directory,
        blocks_of(U, ROWS),
        blocks_of(np.arange(4), map(slice, range(4), range(1, 5)), "mesh/cell"),
        metrics={"t": 0.25},
    )
    data = storage.open(directory)
    when = epoch.when.strftime("%Y-%m-%d %H:%M:%S")
    assert str(data).splitlines() == [
        f"epoch 1 of {directory}, step 1, t=0.25, committed {when} UTC, written by 4 ranks",
        "  fields/u   float64  (23, 7, 5)  in 4 blocks",
        "  mesh/cell  int64    (4,)        in 4 blocks",
        "data for a fresh start on any number of ranks; no frame is resumed from it",
    ]
    assert str(data["mesh/cell"]) == "mesh/cell: int64, (4,), in 4 blocks"
    assert (data.epoch, data.step, data.metrics, data.when) == (1, 1, {"t": 0.25}, epoch.when)
    assert (data.world_size, data.final, data.path, data.passed_over) == (4, False, epoch.path, ())
    assert list(data) == ["fields/u", "mesh/cell"]
    assert len(data) == 2
    assert data["fields/u"].blocks[2][0] == slice(9, 22)


def test_it_can_be_sent_and_kept(directory, job, monkeypatch):
    store(job, directory, blocks_of(U, ROWS))
    monkeypatch.chdir(directory.parent)
    data = pickle.loads(pickle.dumps(storage.open(directory.name)))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(data["fields/u"][7:11], U[7:11])


def test_an_epoch_without_arrays_says_so(epoch):
    data = storage.open(epoch.parent)
    assert "no array: none was provided with a layout" in str(data)
    with pytest.raises(NoSuchArray, match=r"no array 'u'; it has none: provide"):
        data["u"]


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        ((0, 0, 0, 0), IndexError, "4 indices for an array of 3 axes"),
        (23, IndexError, "index 23 is out of bounds for axis 0 with size 23"),
        ((..., ...), IndexError, "single ellipsis"),
        ([1, 2], TypeError, "list as index"),
        (True, TypeError, "bool as index"),
        (None, TypeError, "NoneType as index"),
        (1.0, TypeError, "float as index"),
    ],
)
def test_other_indices_are_refused(directory, job, key, error, text):
    store(job, directory, blocks_of(U, ROWS))
    with pytest.raises(error, match=text):
        storage.open(directory)["fields/u"][key]


def test_names_and_parts_that_are_not_there(directory, job):
    store(job, directory, blocks_of(U, ROWS))
    data = storage.open(directory)
    with pytest.raises(NoSuchArray, match=r"has no array 'u'; it has fields/u$") as caught:
        data["u"]
    assert isinstance(caught.value, (KeyError, StorageError))
    assert "u" not in data
    for words in ((4, 4), (-1, 4), (0, 4, 3)):
        with pytest.raises(ValueError, match=r"ranks are 0 to 3|which has 3 axes"):
            data["fields/u"].part(*words)
    for words in (("1", 4), (1.0, 4), (1, True), (1, 4, None)):
        with pytest.raises(TypeError, match=r"^(rank|size|axis)= is an integer, as 0, not "):
            data["fields/u"].part(*words)
    with pytest.raises(ValueError, match=r"^size=0: give the number of ranks, at least 1$"):
        data["fields/u"].part(0, 0)
    with pytest.raises(ValueError, match="cannot be had without a copy"):
        data["fields/u"].__array__(copy=False)


def test_the_directory_of_one_epoch_says_where_all_are(directory, job):
    epoch = store(job, directory, blocks_of(U, ROWS)).path
    text = re.escape(f"{epoch} is one epoch: give the directory of all, {directory}, and epoch 1")
    with pytest.raises(NoCheckpoint, match=f"^{text}$"):
        storage.open(epoch)
    with pytest.raises(NoCheckpoint, match="no committed epoch 2"):
        storage.open(directory, epoch=2)
    with pytest.raises(TypeError, match=r"^epoch= is an integer, as 0, not '1'$"):
        storage.open(directory, epoch="1")


def test_a_run_that_goes_on_may_remove_what_was_chosen(directory, job, monkeypatch):
    """It has committed a newer one then."""
    old, new = (store(job, directory, blocks_of(U + i, ROWS)) for i in range(2))
    later = new.path.rename(directory / "later")

    def commit_and_prune(call):
        if call.path == old.path / layout.MANIFEST and later.exists():
            later.rename(new.path)
            old.path.rename(layout.trash(old.path))

    monkeypatch.setattr(disk, "hook", commit_and_prune)
    data = storage.open(directory)
    assert (data.epoch, data.passed_over) == (2, ())
    shutil.rmtree(new.path)
    with pytest.raises(StorageError, match="epoch-00000002") as caught:
        data["fields/u"][...]
    assert not isinstance(caught.value, CorruptCheckpoint)


def test_no_epoch(directory, job):
    with pytest.raises(NoCheckpoint, match="no checkpoint directory"):
        storage.open(directory)
    job(directory).start().leave()
    with pytest.raises(NoCheckpoint, match=r"ckpt: no committed epoch$"):
        storage.open(directory)
    store(job, directory, blocks_of(U, ROWS))
    with pytest.raises(NoCheckpoint, match=r"ckpt: no committed epoch 7$"):
        storage.open(directory, epoch=7)


UNION = np.dtype({"names": ["a", "b"], "formats": ["f4", "f8"], "offsets": [0, 0]})
WIDE = np.dtype([(f"field{i}", "f8") for i in range(3000)])


@pytest.mark.parametrize(
    "values",
    [np.ones(5, UNION), np.ones(2, WIDE), np.ones((2,) + (1,) * 32)],
    ids=["union", "wide", "33 axes"],
)
def test_what_hdf5_has_no_name_for_is_stored_as_bytes(directory, job, values):
    epoch = store(job, directory, blocks_of(values, [slice(0, 1), slice(1, len(values))]))
    assert storage.open(directory)["fields/u"][...].tobytes() == values.tobytes()
    with h5py.File(epoch.path / layout.MANIFEST) as tree:
        block = tree["ranks/00001/providers/fields/blocks/u"]
        assert block[()].tobytes() == values[1:].tobytes()
        assert dtypes.parse(block.attrs["dtype"]) == values.dtype
        assert "arrays/fields/u" not in tree


def test_reading_needs_no_owner_and_runs_without_mpi(directory, job):
    """Also while a run owns the directory; and a colleague may read, who could not restart."""
    epoch = store(job, directory, blocks_of(U, ROWS))
    running = job(directory, foreign=True).start()
    for path in (epoch.path, *epoch.path.iterdir()):
        path.chmod(path.stat().st_mode | 0o022)  # a restart would not trust it
    script = (
        "import sys, sauerkraut as skt; data = skt.storage.open(sys.argv[1]);"
        "print(data['fields/u'][...].sum().hex(), {'mpi4py', 'h5py'} & set(sys.modules))"
    )
    done = run_python("-c", script, directory)
    assert done.stdout == f"{U.sum().hex()} set()\n"
    running.leave()


def test_a_rolled_forward_epoch_has_its_arrays(directory, job):
    ranks = list(blocks_of(U, ROWS))
    running = job(directory, world_size=4).start()
    attempt = running.attempt()
    for rank, array in enumerate(ranks):
        storage.write(attempt, storage.Piece(rank, (), (array,)), running.trust)
    running.leave()
    job(directory, world_size=4, foreign=True).start().leave()
    data = storage.open(directory)
    np.testing.assert_array_equal(data["fields/u"][...], U)
    with h5py.File(data.path / layout.MANIFEST) as tree:
        np.testing.assert_array_equal(tree["arrays/fields/u"][()], U)


def test_many_blocks(directory):
    """As many as a large job has; of a grid, so that many lie beside each other."""
    side = 20
    boxes = {
        i: ((3 * x, 3 * y, 3 * z), (3, 3, 3))
        for i, (x, y, z) in enumerate(product(range(side), repeat=3))
    }
    shape = (3 * side,) * 3
    assert math.prod(shape) == 27 * len(boxes)
    assert storage.tiling.misfit(shape, boxes) is None
    boxes[4321] = ((0, 3, 0), (3, 3, 3))
    assert "overlap" in storage.tiling.misfit(shape, boxes)
