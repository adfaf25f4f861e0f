"""Names and contents in a checkpoint directory that we did not put there."""

import errno
import json
import os

import pytest

from sauerkraut import storage
from sauerkraut.errors import CorruptCheckpoint, DirectoryOwned, StorageError
from sauerkraut.storage import About, catalog, hashes, layout, manifest, owner, table

ID = "0" * 32


@pytest.mark.parametrize(
    "name",
    [
        "epoch-00000099",
        f"epoch-00000099.partial-{ID}",
        f"epoch-00000099.fenced-{ID}",
        f"epoch-00000099.damaged-{ID}",
    ],
)
@pytest.mark.parametrize("kind", ["file", "link to nothing", "link to itself"])
def test_what_is_no_directory_is_left_alone(directory, job, name, kind):
    running = job(directory).start()
    running.checkpoint()
    path = directory / name
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("/nowhere" if kind == "link to nothing" else name)
    running.checkpoint()
    assert running.newest.number == 100  # its number is taken all the same
    running.leave()
    again = job(directory).start()
    assert again.newest.number == 100
    again.checkpoint()
    assert path.is_symlink() or path.read_text() == "mine"
    assert [entry.name.number for entry in catalog.entries(directory)] == [101]


def test_sweeping_never_follows_a_link(directory, job):
    running = job(directory).start()
    kept = running.checkpoint().path
    archive = kept.rename(directory.parent / "archive")
    kept.symlink_to(archive)
    running.leave()
    again = job(directory).start()
    assert again.newest.number == 1  # read through the link
    again.checkpoint()
    assert not kept.is_symlink()
    assert catalog.verify(archive) == []


@pytest.mark.parametrize("name", ["epoch-" + "9" * 30, "epoch-000000042", "epoch-" + "\u0662" * 8])
def test_numbers_that_we_never_write_are_not_ours(directory, job, name):
    running = job(directory).start()
    (directory / name).mkdir()
    assert running.checkpoint().number == 1


def test_the_largest_number_is_an_error_that_names_it(directory, job):
    running = job(directory).start()
    (directory / f"epoch-{layout.LARGEST}").mkdir()
    with pytest.raises(StorageError, match=f"remove what has epoch number {layout.LARGEST}"):
        running.attempt()


@pytest.mark.parametrize("name", ["manifest.h5", "shard-00000.h5"])
def test_a_pipe_holds_nobody_up(epoch, name):
    (epoch / name).unlink()
    os.mkfifo(epoch / name)
    (finding,) = catalog.verify(epoch)
    assert "is not a file" in finding.problem


@pytest.mark.parametrize("name", ["manifest.h5", "shard-00001.h5"])
def test_a_directory_by_the_name_of_a_file_is_damage(directory, job, name):
    running = job(directory, keep=2).start()
    whole, path = running.checkpoint(), running.checkpoint().path
    (path / name).unlink()
    (path / name).mkdir()
    (finding,) = catalog.verify(path)
    assert (finding.file, "is not a file" in finding.problem) == (name, True)
    running.leave()
    again = job(directory).start()
    assert again.newest.number == whole.number
    again.finish()


@pytest.mark.parametrize("name", ["manifest.h5", "shard-00001.h5"])
def test_an_attempt_with_a_directory_in_it_is_rolled_back(directory, job, expected_piece, name):
    running = job(directory).start()
    running.checkpoint()
    attempt = running.attempt()
    for rank in range(running.world_size):
        storage.write(attempt, expected_piece(rank, 2), running.trust)
    (attempt.path / name).unlink(missing_ok=True)
    (attempt.path / name).mkdir()
    again = job(directory, take_over=running.ownership.incarnation.id).start()
    assert again.newest.number == 1
    again.checkpoint()  # and sweeps what it may


@pytest.mark.parametrize("name", [layout.OWNER, layout.COMPLETE, layout.EVENTS])
@pytest.mark.parametrize("kind", ["directory", "far too large"])
def test_what_is_read_at_once_is_a_small_file(directory, job, name, kind):
    job(directory).start().leave()
    (directory / name).unlink(missing_ok=True)
    if kind == "directory":
        (directory / name).mkdir()
    else:
        (directory / name).touch()
        os.truncate(directory / name, 1 << 40)
    reads = {
        layout.OWNER: owner.read,
        layout.COMPLETE: catalog.completion,
        layout.EVENTS: storage.events.read,
    }
    with pytest.raises(StorageError, match=r"Is a directory|too many to be ours"):
        reads[name](directory)


def sparse(path, head):
    """Make a file of 1 TiB, or of the size it says, with that head and nothing behind it."""
    path.unlink()
    path.write_bytes(head)
    os.truncate(path, max(1 << 40, int.from_bytes(head[32:40], "little")))


@pytest.mark.parametrize("name", ["manifest.h5", "shard-00001.h5"])
@pytest.mark.parametrize("block", [1 << 12, 1 << 28, 1 << 39])
def test_a_sparse_file_that_says_any_size_of_its_table_is_damage(epoch, name, block):
    head = table._HEAD.pack(
        table.MAGIC, 1, 1, block, 1 << 40, hashes.BLOCK, block >> 1, 0, bytes(16)
    )
    sparse(epoch / name, head)
    (finding,) = catalog.verify(epoch)
    assert finding.file == name


def test_a_stream_larger_than_memory_is_an_error_of_the_system(epoch):
    path = epoch / layout.shard(1)
    size = 1 << 40
    while size <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        size *= 2
    block = size >> 17
    digests = bytes(hashes.count(size - block) * hashes.SIZE)
    header = {"kind": "shard", "epoch": 1, "attempt": ID, "parent": None, "world_size": 2}
    listed = table.Table(
        header | {"ranks": [1], "about": {}},
        (table.Extent(block, size - block, digests, "ranks/00001/control"),),
    )
    sparse(path, listed.encode(block, size, None))
    with storage.Shard.open(path) as shard, pytest.raises(StorageError, match="no memory") as error:
        shard.piece()
    assert error.value.errno == errno.ENOMEM


@pytest.mark.parametrize("processes", [[], [[1]], {"a": 1}])
def test_an_owner_that_cannot_be_is_not_free(directory, job, processes):
    running = job(directory).start()
    path = directory / layout.OWNER
    path.write_text(json.dumps(json.loads(path.read_text()) | {"processes": processes}))
    with pytest.raises(DirectoryOwned, match="cannot be read as an owner"):
        running.ownership.check()


def test_nesting_without_end_is_nonsense(directory, job):
    job(directory).start()
    for name in (layout.OWNER, layout.COMPLETE):
        (directory / name).write_text("[" * 200_000)
    with pytest.raises(DirectoryOwned):
        owner.read(directory)
    with pytest.raises(CorruptCheckpoint):
        catalog.completion(directory)


@pytest.mark.parametrize(
    "values",
    [
        {"step": "text"},
        {"step": [1]},
        {"metrics": {"a": "text"}},
        {"metrics": [1]},
        {"command": [1]},
        {"command": None},
        {"working_directory": 7},
        {"more": [1]},
        {"restarts": None},
    ],
)
def test_values_of_the_wrong_kind_are_no_epoch(epoch, values, monkeypatch):
    found = catalog.read_manifest(epoch)
    monkeypatch.setattr(About, "to_json", lambda about: values)
    (epoch / layout.MANIFEST).unlink()
    manifest.write(epoch / layout.MANIFEST, found, share=None, key=None)
    with pytest.raises(CorruptCheckpoint, match="does not describe an epoch"):
        catalog.read_manifest(epoch)


@pytest.mark.parametrize("file", ["", "..", "a\0b", "\033[31m\nepoch 1: good", "shard-00001.h5"])
def test_a_manifest_cannot_name_another_file(epoch, file, monkeypatch):
    found = catalog.read_manifest(epoch)
    seal = storage.Seal(0, file, found.seals[0].nbytes, found.seals[0].digest)
    forged = storage.Manifest(
        found.epoch, found.parent, 1, found.about, (seal,), found.incarnation, "", ""
    )
    (epoch / layout.MANIFEST).unlink()
    monkeypatch.setattr(layout, "rank_group", lambda rank: "ranks/link")
    monkeypatch.setattr(manifest.sealed, "skeleton", Linkless(manifest.sealed.skeleton))
    manifest.write(epoch / layout.MANIFEST, forged, share=None, key=None)
    with pytest.raises(CorruptCheckpoint, match="not that of its rank"):
        catalog.read_manifest(epoch)


class Linkless:
    """The module skeleton, making files without links: HDF5 would refuse some of them."""

    def __init__(self, module):
        self._module = module

    def build(self, datasets, *, links, **options):
        return self._module.build(datasets, links=(), **options)
