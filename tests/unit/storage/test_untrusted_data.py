"""Arrays of epochs that are damaged, forged or of others: refused before memory is taken."""

import logging
import re

import numpy as np
import pytest

from sauerkraut import storage
from sauerkraut.errors import (
    CorruptCheckpoint,
    UntrustedCheckpoint,
)
from sauerkraut.storage import catalog, layout
from tests.unit.storage.stored_arrays import ROWS, U, blocks_of, store


def test_the_newest_whole_epoch_is_opened(directory, job, caplog):
    epochs = [store(job, directory, blocks_of(U + i, ROWS)) for i in range(3)]
    assert storage.open(directory).epoch == 3
    assert storage.open(directory, epoch=1)["fields/u"][0, 0, 0] == U[0, 0, 0]
    (epochs[2].path / layout.shard(3)).unlink()
    with (epochs[1].path / layout.shard(0)).open("r+b") as shard:
        shard.seek(200)
        shard.write(b"?")
    with caplog.at_level(logging.WARNING):
        data = storage.open(directory)
    assert data.epoch == 1
    problems = (
        f"{epochs[2].path / layout.shard(3)} is missing",
        f"{epochs[1].path / layout.shard(0)} has a table whose hash is wrong",
    )
    assert caplog.messages == [f"{problem}; trying the epoch before it" for problem in problems]
    assert data.passed_over == problems
    assert str(data).count("passed over: ") == 2
    with pytest.raises(CorruptCheckpoint, match=r"shard-00003.h5 is missing$"):
        storage.open(directory, epoch=3)
    (epochs[0].path / layout.MANIFEST).unlink()
    with pytest.raises(CorruptCheckpoint, match="no epoch is whole"):
        storage.open(directory)


@pytest.mark.parametrize(
    ("wheres", "text"),
    [
        ([slice(0, 9), slice(9, 20)], "the blocks hold 700 of the 805 elements"),
        ([slice(0, 9), slice(8, 23)], "rank 0, .* and rank 1, .* overlap"),
    ],
)
def test_blocks_that_make_no_array_are_damage(directory, job, wheres, text):
    store(job, directory, blocks_of(U, wheres))
    with pytest.raises(CorruptCheckpoint, match=rf"epoch-00000001: fields/u: .*{text}"):
        storage.open(directory)
    (finding,) = verified(directory)
    assert (finding.file, finding.stream) == ("manifest.h5", "fields/u")
    assert re.search(text, finding.problem)


def verified(directory):
    """What `sauerkraut verify` finds."""
    return catalog.verify(directory / "epoch-00000001")


def lying(dtype, shape, name="f/u"):
    """A block of 96 bytes that says it is something else; HDF5 knows no text and does not look."""
    place = storage.Place(name, (0,) * len(shape), shape)
    yield storage.Array("providers/f/blocks/u", bytes(96), dtype, shape, name, place)


@pytest.mark.parametrize(
    ("dtype", "shape", "text"),
    [
        ("<U1", (10**15,), r"has 96 bytes, and <U1 of shape \(10+,\) 4000000000000000$"),
        ("<U1", (23,), "has 96 bytes, and <U1"),
        ("<U9999999", (1,), "has 96 bytes, and <U9999999"),
        ("<U1", (1,) * 65, "no shape of NumPy's: "),
        ("<U24", (), "has no axes"),
        ("|O", (12,), "elements of no known type: "),
        ("import os", (96,), "elements of no known type: "),
    ],
)
def test_a_block_has_as_many_bytes_as_it_says(directory, job, dtype, shape, text):
    """So a small file of anybody's cannot ask for much memory."""
    store(job, directory, lying(dtype, shape))
    with pytest.raises(CorruptCheckpoint, match=text):
        storage.open(directory, epoch=1)
    assert any(re.search(text, each.problem) for each in verified(directory))


@pytest.mark.parametrize("shape", [(3,), (5, 3), (-4, -3), (10**30,)])
def test_an_array_of_one_rank_has_as_many_bytes_as_it_says(directory, job, shape, monkeypatch):
    """HDF5 refuses to write such a one: its table is forged."""
    plain = storage.table._described

    def forged(extent):
        described = plain(extent)
        return described | {"shape": shape} if "shape" in described else described

    monkeypatch.setattr(storage.table, "_described", forged)
    u = np.arange(12.0)
    store(job, directory, iter([storage.Array("arrays/0", u, "<f8", u.shape, "f:u")]))
    monkeypatch.undo()
    (finding,) = verified(directory)
    assert (finding.file, finding.stream) == ("shard-00000.h5", "ranks/00000/arrays/0")
    assert finding.problem.startswith("has 96 bytes, and <f8 of shape ")


def test_names_of_strangers_are_printed_without_obeying(directory, job):
    more = {"numbers": {"f/\x1b[31m": 1}}
    store(job, directory, lying("<U24", (1,), "f/\x1b[2J\n"), more=more, metrics={"\a": 1})
    data = storage.open(directory)
    (array,) = data.values()
    assert all(line.isprintable() for line in (*str(data).splitlines(), str(array)))
    assert r"f/\x1b[2J\n  <U24  (1,)  in 1 block" in str(data)


@pytest.mark.parametrize("numbers", [3, ["a"], {"a": "b"}, {"a": None}])
def test_numbers_are_numbers(directory, job, numbers):
    store(job, directory, blocks_of(U, ROWS), more={"numbers": numbers})
    with pytest.raises(CorruptCheckpoint, match="does not describe an epoch"):
        storage.open(directory, epoch=1)


def test_with_a_key(directory, job, monkeypatch, tmp_path):
    key, other = tmp_path / "key", tmp_path / "other"
    for path in (key, other):
        path.write_text(path.name)
        path.chmod(0o600)
    monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(key))
    trust = storage.Trust.of(storage.data.Settings.from_environment())
    store(job, directory, blocks_of(U, ROWS), trust=trust)
    u = storage.open(directory)["fields/u"]
    np.testing.assert_array_equal(u[...], U)
    monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(other))
    with pytest.raises(UntrustedCheckpoint, match="another key"):
        u[...]
    monkeypatch.delenv("SAUERKRAUT_KEY_FILE")
    with pytest.raises(UntrustedCheckpoint, match="set SAUERKRAUT_KEY_FILE"):
        storage.open(directory)
