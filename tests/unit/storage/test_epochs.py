"""What is stored comes back, also by stock h5py; roll forward, pruning, completion."""

import errno
import json

import h5py
import numpy as np
import pytest

from sauerkraut import storage
from sauerkraut.errors import CorruptCheckpoint, StorageError, Superseded
from sauerkraut.storage import catalog, layout
from sauerkraut.storage.epoch import Back
from sauerkraut.testing import faults
from tests.processes import run_python


def test_importing_the_store_imports_neither_h5py_nor_numpy():
    code = "import sys, sauerkraut.storage; print({'h5py', 'numpy'} & set(sys.modules))"
    ran = run_python("-c", code)
    assert ran.stdout == "set()\n"


def stored(directory, job, *arrays, streams=()):
    """Commit an epoch of one rank that holds these; returns its path and the piece read back."""
    running = job(directory, world_size=1).start()
    attempt = running.attempt()
    seals = [storage.write(attempt, storage.Piece(0, tuple(streams), arrays), running.trust)]
    epoch = storage.publish(running.ownership, attempt, seals, seconds=0, trust=running.trust)
    with storage.Shard.open(epoch.path / seals[0].file, running.trust, seal=seals[0]) as shard:
        return epoch.path, shard.piece()


VALUES = {
    "float64": np.linspace(0, 1, 3000).reshape(10, 20, 15),
    "complex": np.array([1 + 2j, 3j]),
    "bool": np.array([[True], [False]]),
    "half": np.array([1.5], "f2"),
    "big-endian": np.arange(5, dtype=">i4"),
    "0-d": np.array(7.0),
    "empty": np.zeros((0, 3)),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "time": np.array(["2026-11-21"], "M8[s]"),
    "structured": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
    "opaque": np.zeros(2, "V7"),
    "long double": np.array([1], "g"),
}


@pytest.mark.parametrize("name", VALUES)
def test_arrays_come_back_and_stock_h5py_shows_them(directory, job, name):
    values = VALUES[name]
    text = str(values.dtype) if values.dtype.names else values.dtype.str
    raw = values.view("u1") if values.dtype.kind == "M" else values
    path, piece = stored(
        directory, job, storage.Array("arrays/0", raw, text, values.shape, "main:values")
    )
    (array,) = piece.arrays
    assert (array.dtype, array.shape, array.path) == (text, values.shape, "main:values")
    found = np.frombuffer(array.data, values.dtype).reshape(values.shape)
    np.testing.assert_array_equal(found, values)
    assert found.flags.writeable
    assert found.ctypes.data % 64 == 0 or found.size == 0
    with h5py.File(path / layout.MANIFEST) as tree:  # through the external link
        dataset = tree["ranks/00000/arrays/0"]
        assert dataset.attrs["path"] == "main:values"
        if dataset.dtype == values.dtype:
            np.testing.assert_array_equal(dataset[()], values)
            assert dataset.shape == values.shape
        else:
            assert name in ("text", "time", "opaque", "bytes")
            assert dataset[()].tobytes() == values.tobytes()


def test_streams_come_back_under_their_names(directory, job):
    streams = {
        "control": b"\0\1\2",
        "objects": bytes(100_000),
        "providers/mesh/ä": b"x",
        "empty": b"",
    }
    path, piece = stored(
        directory, job, streams=[storage.Stream(name, data) for name, data in streams.items()]
    )
    assert {stream.name: bytes(stream.data) for stream in piece.streams} == streams
    with h5py.File(path / layout.shard(0)) as file:
        for name, data in streams.items():
            assert file[f"ranks/00000/{name}"][()].tobytes() == data
        assert file["ranks/00000/objects"].id.get_offset() % 4096 == 0


def test_a_table_larger_than_a_page(directory, job):
    arrays = [
        storage.Array(f"arrays/{n}", bytes([n % 256]) * 8, "<f8", (1,), f"solve:u{n}")
        for n in range(300)
    ]
    path, piece = stored(directory, job, *arrays)
    assert [a.name for a in piece.arrays] == [a.name for a in arrays]
    assert all(bytes(a.data) == bytes(b.data) for a, b in zip(piece.arrays, arrays, strict=True))
    assert catalog.verify(path) == []
    with h5py.File(path / layout.shard(0)) as file:
        assert file.userblock_size > 4096
        assert len(file["ranks/00000/arrays"]) == 300


@pytest.mark.parametrize(
    "names",
    [["a", "a"], ["a", "a/b"], [""], ["/a"], ["a//b"], ["../a"], ["."], ["a\0b"]],
    ids=repr,
)
def test_names_that_cannot_be_are_refused_before_anything_is_written(directory, job, names):
    running = job(directory, world_size=1).start()
    attempt = running.attempt()
    piece = storage.Piece(0, tuple(storage.Stream(name, b"x") for name in names))
    with pytest.raises(ValueError, match=r"name|names"):
        storage.write(attempt, piece, running.trust)
    assert list(attempt.path.iterdir()) == []


def test_an_array_of_another_size_than_its_shape_is_refused(directory, job):
    running = job(directory, world_size=1).start()
    array = storage.Array("arrays/0", bytes(17), "<f8", (2,), "u")
    with pytest.raises(ValueError, match=r"17 bytes are no <f8 of shape \(2,\)"):
        storage.write(running.attempt(), storage.Piece(0, (), (array,)), running.trust)


def test_an_array_in_another_order_is_refused(directory, job):
    running = job(directory, world_size=1).start()
    array = storage.Array("arrays/0", np.zeros((2, 3)).T, "<f8", (3, 2), "u")
    with pytest.raises(ValueError, match="arrays/0 is not C-contiguous"):
        storage.write(running.attempt(), storage.Piece(0, (), (array,)), running.trust)


def test_the_manifest_says_who_wrote_what_when(directory, job):
    running = job(directory).start()
    about = storage.About(
        step=np.int64(12),
        of=100.0,
        metrics={"residual": np.float32(0.5)},
        requests=("r1",),
        restarts=2,
        command=("python", "heat.py"),
        working_directory="/somewhere",
        more={"hash seed": 7},
    )
    attempt = storage.begin(running.ownership, world_size=1, parent=None, about=about)
    seals = [storage.write(attempt, storage.Piece(0, ()), running.trust)]
    made = storage.publish(running.ownership, attempt, seals, seconds=1.5, trust=running.trust)
    found = catalog.read_manifest(made.path, running.trust)
    assert found.epoch == made
    assert (made.number, made.attempt, made.step, made.seconds) == (1, attempt.id, 12, 1.5)
    assert made.metrics == {"residual": 0.5}
    assert made.bytes == (made.path / "shard-00000.h5").stat().st_size
    assert found.seals == tuple(seals)
    assert found.about.command == ("python", "heat.py")
    assert found.about.more == {"hash seed": 7}
    assert found.incarnation == running.ownership.incarnation.id
    with storage.Shard.open(made.path / "shard-00000.h5") as shard:
        assert shard.about == found.about
        assert shard.names() == []


def test_publish_wants_a_seal_of_every_rank(directory, job):
    running = job(directory).start()
    attempt = running.attempt()
    seal = storage.write(attempt, storage.Piece(1, ()), running.trust)
    with pytest.raises(ValueError, match="one seal of each of 2 ranks"):
        storage.publish(running.ownership, attempt, [seal], seconds=0, trust=running.trust)


# --- roll forward


def left_behind(job, directory, *, ranks=(0, 1), parent=None, manifest=False):
    """A run that died while it staged its second epoch; returns the attempt."""
    dead = job(directory, keep=9).start()
    dead.checkpoint()
    if parent is not None:
        dead.newest = parent(dead)
    attempt = dead.attempt()
    for rank in ranks:
        storage.write(attempt, storage.Piece(rank, (storage.Stream("control", b"x"),)), dead.trust)
    if manifest:
        (attempt.path / layout.MANIFEST).write_bytes(b"half a manifest")
    return dead, attempt


def restarted(job, dead):
    return job(dead.directory, take_over=dead.ownership.incarnation.id, foreign=True).start()


@pytest.mark.parametrize("manifest", [False, True])
def test_a_fully_sealed_attempt_is_published(directory, job, manifest):
    dead, attempt = left_behind(job, directory, manifest=manifest)
    again = restarted(job, dead)
    assert (again.newest.number, again.newest.attempt) == (2, attempt.id)
    assert again.newest.step == 2
    assert catalog.verify(again.newest.path) == []
    assert sorted(p.name for p in again.newest.path.iterdir()) == [
        "manifest.h5",
        "shard-00000.h5",
        "shard-00001.h5",
    ]


def test_an_attempt_that_continues_an_epoch_with_a_damaged_manifest_is_published(directory, job):
    dead, attempt = left_behind(job, directory)
    (dead.newest.path / layout.MANIFEST).write_bytes(b"damaged")
    assert restarted(job, dead).newest.attempt == attempt.id


def test_a_rank_that_was_fenced_while_it_staged_is_superseded(directory, job):
    dead, attempt = left_behind(job, directory, ranks=(0,))
    restarted(job, dead)
    with pytest.raises(Superseded, match="was taken over"):
        storage.write(attempt, storage.Piece(1, ()), dead.trust)
    with pytest.raises(Superseded, match="was taken over"):
        dead.attempt()


def test_with_one_seal_missing_it_is_rolled_back(directory, job):
    dead, _ = left_behind(job, directory, ranks=(0,))
    again = restarted(job, dead)
    assert again.newest.number == 1
    assert [e.name.state for e in catalog.entries(directory)] == ["trash", "committed"]


def test_with_a_damaged_shard_it_is_rolled_back(directory, job):
    dead, attempt = left_behind(job, directory)
    path = attempt.path / layout.shard(1)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert restarted(job, dead).newest.number == 1


def test_of_another_timeline_it_is_rolled_back(directory, job):
    def older(dead):
        first = dead.newest
        dead.checkpoint()
        return first  # as after a fall-back: the newest epoch is not its parent

    dead, attempt = left_behind(job, directory, parent=older)
    again = restarted(job, dead)
    assert again.newest.number == 2
    assert again.newest.attempt != attempt.id


def test_shards_of_two_attempts_are_never_combined(directory, job):
    dead, attempt = left_behind(job, directory, ranks=(0,))
    other = dead.attempt()
    storage.write(other, storage.Piece(1, (storage.Stream("control", b"x"),)), dead.trust)
    (other.path / layout.shard(1)).rename(attempt.path / layout.shard(1))
    assert restarted(job, dead).newest.number == 1


def test_the_first_epoch_can_be_rolled_forward_too(directory, job):
    dead = job(directory, world_size=1).start()
    storage.write(dead.attempt(), storage.Piece(0, ()), dead.trust)
    assert restarted(job, dead).newest.number == 1


# --- prune, completion, events


def numbers(directory):
    return [entry.name.number for entry in catalog.committed(directory)]


def test_keep(directory, job):
    running = job(directory, keep=3).start()
    for _ in range(5):
        running.checkpoint()
    assert numbers(directory) == [5, 4, 3]
    with pytest.raises(ValueError, match="keep=0"):
        storage.prune(running.ownership, 0)


def test_the_chosen_ones_and_the_newest_stay(directory, job):
    running = job(directory, keep=9).start()
    for _ in range(5):
        running.checkpoint()
    (directory / "epoch-00000001" / layout.MANIFEST).write_bytes(b"")
    (directory / "epoch-00000004" / layout.MANIFEST).write_bytes(b"")
    running.sweep(storage.prune(running.ownership, {2}))
    assert numbers(directory) == [5, 4, 2]


def test_those_to_go_back_to_stay_with_those_that_may(directory, job):
    running = job(directory, keep=2).start()
    running.checkpoint()
    running.checkpoint()
    running.back = Back(2, "its part")
    for _ in range(3):
        running.checkpoint()
    assert numbers(directory) == [5, 4, 2]
    assert catalog.read_manifest(directory / "epoch-00000005").about.back == running.back
    running.back = Back(5, "a part of that part")
    for _ in range(3):
        running.checkpoint()
    assert numbers(directory) == [8, 7, 5, 2]
    running.back = None
    running.checkpoint()
    assert numbers(directory) == [9, 8, 5, 2]
    running.checkpoint()
    assert numbers(directory) == [10, 9]


def test_damaged_epochs_do_not_count(directory, job):
    running = job(directory, keep=9).start()
    for _ in range(4):
        running.checkpoint()
    (directory / "epoch-00000003" / layout.MANIFEST).write_bytes(b"")
    running.sweep(storage.prune(running.ownership, 2))
    assert numbers(directory) == [4, 3, 2]


def test_a_final_epoch_is_never_pruned_and_completes_the_run(directory, job):
    running = job(directory).start()
    running.finish()
    done = catalog.completion(directory)
    assert (done.epoch, done.attempt) == (1, running.newest.attempt)
    again = job(directory).start()
    for _ in range(3):
        again.checkpoint()
    assert numbers(directory) == [4, 1]


def test_a_start_completes_a_run_that_died_before_it_could(directory, job):
    running = job(directory).start()
    running.checkpoint(final=True)
    running.leave()
    assert catalog.completion(directory) is None
    assert job(directory).start().newest.number == catalog.completion(directory).epoch == 1


def test_a_completion_that_does_not_parse_is_no_fresh_start(directory, job):
    job(directory).start().finish()
    (directory / layout.COMPLETE).write_bytes(b"{}")
    with pytest.raises(CorruptCheckpoint, match="COMPLETE does not name an epoch"):
        catalog.completion(directory)


def test_starting_over_sets_everything_aside(directory, job):
    running = job(directory, keep=3).start()
    running.checkpoint()
    running.finish()
    again = job(directory).start()
    again.start_over()
    assert sorted(path.name for path in directory.iterdir()) == [layout.OWNER, layout.EVENTS]
    assert again.checkpoint().number == 1


def test_events(directory, job):
    running = job(directory).start()
    storage.events.append(running.ownership, "start")
    path = directory / layout.EVENTS
    path.write_bytes(path.read_bytes() + b'{"event": "torn')
    storage.events.append(running.ownership, "commit", epoch=3, metrics={"e": 0.5})
    first, second = storage.events.read(directory)
    assert (first["event"], second["event"], second["epoch"]) == ("start", "commit", 3)
    assert first["incarnation"] == running.ownership.incarnation.id
    assert [json.loads(line)["event"] for line in path.read_bytes().splitlines()[::2]]
    assert storage.events.read(directory / "none") == []


def test_a_log_that_cannot_be_written_harms_nothing(directory, job, caplog):
    running = job(directory).start()
    with faults.injected(faults.Failing(1, 28)):
        storage.events.append(running.ownership, "start")
    assert "no line for start" in caplog.text


def test_other_ranks_wait_for_the_directory_of_an_attempt(directory, job, expected_piece):
    running = job(directory).start()
    attempt, late = running.attempt(), []

    def hide(call):
        if call.operation == "create" and len(late) < 3:
            late.append(call.path)
            raise FileNotFoundError(errno.ENOENT, "not yet")

    with faults.injected(hide):
        seal = storage.write(attempt, expected_piece(1, 1), running.trust, wait=60)
    assert late == [attempt.path / seal.file] * 3
    rival = job(directory, take_over=running.ownership.incarnation.id).start()
    with pytest.raises(Superseded):  # at once
        storage.write(attempt, expected_piece(0, 1), running.trust, wait=3600)
    rival.leave()


def test_other_ranks_wait_for_names_that_come_late(directory, job, epoch, monkeypatch):
    tries = []

    def missing_at_first(call):
        tries.append(call.operation)
        if len(tries) < 3:
            raise FileNotFoundError(2, "not yet")

    with faults.injected(missing_at_first):
        storage.Shard.open(epoch / layout.shard(0), wait=10).close()
    with pytest.raises(StorageError):
        storage.Shard.open(epoch / layout.shard(7), wait=0.1)


@pytest.mark.parametrize(
    "name",
    [
        "epoch-00000042",
        "epoch-123456789",
        *(f"epoch-00000001.{state}-{'a' * 32}" for state in ("partial", "fenced", "damaged")),
    ],
)
def test_names_round_trip(name):
    assert str(layout.EpochName.parse(name)) == name


@pytest.mark.parametrize("name", ["epoch-1", "epoch-00000001.partial-1", "epoch-00000001.x", "x"])
def test_foreign_names_are_not_ours(name):
    assert layout.EpochName.parse(name) is None
