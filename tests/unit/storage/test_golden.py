"""Every format that was ever released is read: `tests/data/format-<n>`, never written again.

``python tests/unit/storage/test_golden.py DIRECTORY`` writes one of the present format.
"""

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from sauerkraut import storage
from sauerkraut.settings import Settings
from sauerkraut.storage import catalog

DATA = Path(__file__).resolve().parents[2] / "data"
FORMATS = sorted(DATA.glob("format-*/*/"))


U = np.arange(15.0).reshape(5, 3)


def blocks(name, rank):
    """What of the pieces are blocks of one array; the first golden directories have none."""
    if name != "arrays":
        return ()
    rows = (slice(0, 2), slice(2, 5))[rank]
    place = storage.Place("fields/u", (rows.start, 0), U.shape)
    u = U[rows]
    return (storage.Array("providers/fields/blocks/u", u, "<f8", u.shape, "fields/u", place),)


def pieces(name):
    """What each rank of the golden epochs stores."""
    for rank in range(2):
        yield storage.Piece(
            rank,
            (
                storage.Stream("control", f"control of rank {rank}".encode()),
                storage.Stream("objects", bytes(range(256))),
                storage.Stream("empty", b""),
            ),
            (
                storage.Array("arrays/0", np.arange(12.0) + rank, "<f8", (3, 4), "main:u"),
                storage.Array("arrays/1", "text".encode("utf-32-le"), "<U4", (1,), "main:text"),
                *blocks(name, rank),
            ),
        )


def trust_of(directory):
    """The trust that a golden directory needs: a key file lies beside its epochs."""
    if directory.name != "keyed":
        return storage.Trust(anybody=True)
    key = directory.parent / "key"
    key.chmod(0o600)
    return storage.Trust.of(Settings(key_file=str(key)), anybody=True)


def test_there_is_a_golden_directory_of_every_format():
    assert [path.relative_to(DATA).as_posix() for path in FORMATS] == [
        "format-1/arrays",
        "format-1/keyed",
        "format-1/plain",
    ]


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_it_is_read(golden, directory, is_same):
    shutil.copytree(golden.parent, directory.parent, dirs_exist_ok=True)
    here = directory.parent / golden.name
    trust = trust_of(here)
    incarnation = storage.Incarnation.of_this_job()
    ownership = storage.Ownership.take(here, incarnation, wait=0)  # it was released
    assert storage.roll_forward(ownership, trust) is None
    (entry,) = catalog.committed(here)
    manifest = catalog.read_manifest(entry.path, trust)
    assert (manifest.epoch.number, manifest.world_size, manifest.parent) == (1, 2, None)
    assert manifest.about.step == 7
    assert manifest.about.metrics == {"residual": 0.5}
    assert manifest.about.final
    assert catalog.completion(here).attempt == manifest.epoch.attempt
    for seal, expected in zip(manifest.seals, pieces(golden.name), strict=True):
        with storage.Shard.open(entry.path / seal.file, trust, seal=seal) as shard:
            assert is_same(shard.piece(), expected)
    assert catalog.verify(entry.path, trust) == []
    with h5py.File(entry.path / "manifest.h5") as tree:
        np.testing.assert_array_equal(
            tree["ranks/00001/arrays/0"][()], np.arange(12.0).reshape(3, 4) + 1
        )
        if golden.name == "arrays":
            np.testing.assert_array_equal(tree["arrays/fields/u"][()], U)
    if golden.name == "arrays":
        np.testing.assert_array_equal(storage.open(here)["fields/u"][1:4], U[1:4])
    assert [line["event"] for line in storage.events.read(here)] == ["commit"]


def write(directory):
    """Write the golden directories of the present format."""
    directory.mkdir(parents=True)
    key = directory / "key"
    key.write_bytes(b"the key of the golden files")
    key.chmod(0o600)
    for name in ("plain", "keyed", "arrays"):
        trust = trust_of(directory / name)
        nobody = storage.Incarnation(
            "0" * 32, (storage.Process("host", "boot", "pids", 1, 1),), job_id="17"
        )
        ownership = storage.Ownership.take(directory / name, nobody)
        about = storage.About(
            step=7, of=10, metrics={"residual": 0.5}, final=True, command=("python", "heat.py")
        )
        attempt = storage.begin(ownership, world_size=2, parent=None, about=about)
        seals = [storage.write(attempt, piece, trust) for piece in pieces(name)]
        epoch = storage.publish(ownership, attempt, seals, seconds=0.25, trust=trust)
        storage.events.append(ownership, "commit", epoch=1)
        storage.finish(ownership, epoch)
        ownership.release()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
