"""Wrong bytes are found, wherever they are, and never brought back."""

import mmap
import os
import random
import shutil

import pytest

from sauerkraut import storage
from sauerkraut.errors import CorruptCheckpoint, NoCheckpoint, StorageError
from sauerkraut.storage import catalog, hashes, layout, owner
from sauerkraut.testing import faults


def files_of(epoch):
    return sorted(epoch.glob("*.h5"))


@pytest.fixture
def small(directory, job):
    """An epoch of one rank and little content."""
    running = job(directory, world_size=1).start()
    attempt = running.attempt()
    piece = storage.Piece(
        0,
        (storage.Stream("control", b"control"), storage.Stream("objects", b"objects")),
        (storage.Array("arrays/0", bytes(24), "<f8", (3,), "main:u"),),
    )
    seals = [storage.write(attempt, piece, running.trust)]
    made = storage.publish(running.ownership, attempt, seals, seconds=0, trust=running.trust)
    running.leave()
    return made.path


@pytest.mark.slow
def test_every_byte_of_a_small_epoch_flipped_is_found(small):
    assert catalog.verify(small) == []
    flipped = 0
    for path in files_of(small):
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
            for place in range(len(content)):
                content[place] ^= 1 << (place % 8)
                findings = catalog.verify(small)
                assert [finding.file for finding in findings] == [path.name], place
                content[place] ^= 1 << (place % 8)
                flipped += 1
    assert catalog.verify(small) == []
    assert flipped > 10_000


@pytest.mark.slow
def test_random_flips_in_a_large_epoch_are_found_by_verify_and_by_a_restart(directory, job):
    choose = random.Random(3)
    running = job(directory, world_size=1).start()
    attempt = running.attempt()
    values = choose.randbytes(9 << 20)  # three blocks
    piece = storage.Piece(
        0,
        (storage.Stream("control", values[:70_000]),),
        (storage.Array("arrays/0", values, "<f8", (len(values) // 8,), "main:u"),),
    )
    seals = [storage.write(attempt, piece, running.trust)]
    epoch = storage.publish(running.ownership, attempt, seals, seconds=0, trust=running.trust).path
    path = epoch / layout.shard(0)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        for number in range(2000):
            place, bit = choose.randrange(len(content)), 1 << choose.randrange(8)
            content[place] ^= bit
            assert [finding.file for finding in catalog.verify(epoch)] == [path.name], place
            if number % 10 == 0:
                with pytest.raises(CorruptCheckpoint), storage.Shard.open(path) as shard:
                    shard.piece()
            content[place] ^= bit
    assert catalog.verify(epoch) == []


def test_the_finding_names_file_stream_and_place(epoch):
    path = epoch / layout.shard(1)
    content = bytearray(path.read_bytes())
    place = content.index(b"rank 1 at step 1")
    content[place] ^= 1
    path.write_bytes(content)
    (finding,) = catalog.verify(epoch)
    assert (finding.file, finding.stream) == (path.name, "ranks/00001/control")
    assert "wrong hash" in finding.problem
    with storage.Shard.open(path) as shard:
        with pytest.raises(CorruptCheckpoint, match="ranks/00001/control"):
            shard.stream("control")
        assert bytes(shard.stream("providers/empty")) == b""


@pytest.mark.parametrize("name", ["manifest.h5", "shard-00001.h5"])
@pytest.mark.parametrize("left", [0, 1, 100, 4096, -1])
def test_truncated_files_are_found(epoch, name, left):
    path = epoch / name
    size = path.stat().st_size
    os.truncate(path, left if left >= 0 else size - 1)
    (finding,) = catalog.verify(epoch)
    assert finding.file == name
    assert "\n" not in finding.problem


@pytest.mark.parametrize("name", ["manifest.h5", "shard-00001.h5"])
def test_longer_missing_and_foreign_files_are_found(epoch, name):
    path = epoch / name
    original = path.read_bytes()
    for content in (original + b"\0", b"not hdf5" * 1000, bytes(len(original))):
        path.write_bytes(content)
        assert [finding.file for finding in catalog.verify(epoch)] == [name]
    path.unlink()
    (finding,) = catalog.verify(epoch)
    assert finding.file == name
    assert "missing" in finding.problem


def test_files_of_another_epoch_or_rank_are_found(directory, job):
    running = job(directory, keep=5).start()
    first, second = running.checkpoint().path, running.checkpoint().path
    for other, here in [
        (first / layout.shard(0), second / layout.shard(0)),
        (second / layout.shard(1), second / layout.shard(0)),
        (first / layout.MANIFEST, second / layout.MANIFEST),
    ]:
        kept = here.read_bytes()
        shutil.copy(other, here)
        assert [finding.file for finding in catalog.verify(second)][:1] == [here.name]
        here.write_bytes(kept)
    assert catalog.verify(second) == []


def test_a_start_falls_back_and_never_chooses_a_damaged_epoch_again(directory, job):
    running = job(directory, keep=5).start()
    for _ in range(3):
        running.checkpoint()
    running.leave()
    for number in (2, 3):
        path = directory / str(layout.EpochName(number, "committed")) / layout.shard(0)
        content = bytearray(path.read_bytes())
        content[-5000] ^= 1
        path.write_bytes(content)
    again = job(directory).start()
    assert again.newest.number == 1
    assert [(e.name.number, e.name.state) for e in catalog.entries(directory)] == [
        (3, "damaged"),
        (2, "damaged"),
        (1, "committed"),
    ]
    assert again.checkpoint().number == 4  # a number with any trace left is not used again
    assert [e.name.state for e in catalog.entries(directory)] == ["committed"]  # swept


@pytest.mark.parametrize("name", [layout.MANIFEST, layout.shard(1)])
def test_a_start_falls_back_over_a_missing_file(directory, job, name):
    running = job(directory, keep=5).start()
    running.checkpoint()
    (running.checkpoint().path / name).unlink()
    running.leave()
    assert job(directory).start().newest.number == 1


def test_what_was_there_is_remembered_when_nothing_is_usable(directory, job, epoch):
    assert catalog.ever_committed(directory)
    again = job(directory).start()
    storage.set_aside_damaged(again.ownership, epoch)
    assert catalog.committed(directory) == []
    assert catalog.ever_committed(directory)
    again.sweep(storage.start_over(again.ownership))
    assert not catalog.ever_committed(directory)
    assert not catalog.ever_committed(directory / "nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("number", faults.ERRNOS, ids=["EIO", "ENOSPC", "EACCES"])
def test_a_start_that_cannot_read_ends_and_sets_nothing_aside(directory, job, number):
    """Every call of a start over a fenced, whole attempt fails in turn: nothing is given up."""

    def dead(here):
        old = job(here, world_size=1).start()
        old.checkpoint()
        attempt = old.attempt()
        piece = storage.Piece(0, (storage.Stream("control", b"rank 0 at step 2"),))
        storage.write(attempt, piece, old.trust)
        return old.ownership.incarnation.id

    recording, raised = faults.Recording(), []
    take_over = dead(directory / "counted")
    with faults.injected(recording):
        job(directory / "counted", take_over=take_over, foreign=True).start()
    for ordinal in range(1, len(recording.calls) + 1):
        here = directory / str(ordinal)
        take_over = dead(here)
        with faults.injected(faults.Failing(ordinal, number)):
            try:
                job(here, take_over=take_over, foreign=True).start()
            except StorageError as error:
                raised.append((type(error), error.errno))
        states = {entry.name.state for entry in catalog.entries(here)}
        assert states <= {"committed", "partial", "fenced"}, recording.calls[ordinal - 1]
        mine = owner.read(here).incarnation.id
        again = job(here, take_over=mine, foreign=True).start()
        assert again.newest.number == 2, recording.calls[ordinal - 1]
    assert set(raised) == {(StorageError, number)}


def test_no_directory_is_no_checkpoint(directory):
    with pytest.raises(NoCheckpoint) as error:
        catalog.entries(directory)
    assert isinstance(error.value, FileNotFoundError)


def test_unknown_names_are_left_alone(directory, job):
    running = job(directory).start()
    strange = ["notes.txt", "epoch-7", "epoch-00000009.partial-x", "shard-00000.h5", "OWNER.old"]
    for name in strange:
        (directory / name).write_text("mine")
    for _ in range(3):
        running.checkpoint()
    inside = running.newest.path / "mine.txt"
    inside.write_text("mine")
    running.checkpoint()
    running.finish()
    job(directory).start()
    assert {path.name for path in directory.iterdir()} >= set(strange)
    kept = list(directory.rglob("mine.txt"))
    assert len(kept) == 1  # its epoch is trash, all else in it is gone
    assert list(kept[0].parent.iterdir()) == kept


def resealed(content, text):
    """A file with another text in its table, and a hash that fits it."""
    size = int.from_bytes(content[24:32], "little")
    old = int.from_bytes(content[48:56], "little")
    count = int.from_bytes(content[56:64], "little") * 16
    body = bytearray(content[:96]) + text + content[96 + old : 96 + old + count]
    body[48:56] = len(text).to_bytes(8, "little")
    body = bytes(body[: size - 32].ljust(size - 32, b"\0"))
    return body + hashes.of_table(body, None) + content[size:]


def test_a_later_format_is_no_damage(directory, job, epoch):
    for path in files_of(epoch):
        content = bytearray(path.read_bytes())
        content[16] = 2
        length = int.from_bytes(content[48:56], "little")
        path.write_bytes(resealed(content, content[96 : 96 + length]))
    with pytest.raises(StorageError, match="has format 2, this sauerkraut reads up to 1") as error:
        job(directory).start()
    assert type(error.value) is StorageError
    assert str(epoch) in str(error.value)
    assert [entry.path for entry in catalog.committed(directory)] == [epoch]


@pytest.mark.slow
def test_tables_with_nonsense_and_a_good_hash_are_refused_or_harmless(small):
    """An accident cannot make them; a program that reads untrusted bytes must stand them."""
    choose = random.Random(11)
    path = small / layout.shard(0)
    content = path.read_bytes()
    text = content[96 : 96 + int.from_bytes(content[48:56], "little")]
    values = [
        b"-1",
        b"0",
        b"1e9",
        b"9" * 30,
        b"null",
        b"[]",
        b"{}",
        b'""',
        b'"a"',
        b"true",
        b"NaN",
        b"1e999",
    ]
    refused = 0
    for _ in range(3000):
        changed = bytearray(text)
        for _ in range(choose.randint(1, 3)):
            start = choose.randrange(len(changed))
            end = min(len(changed), start + choose.randrange(12))
            changed[start:end] = choose.choice([*values, bytes([choose.randrange(256)])])
        path.write_bytes(resealed(content, bytes(changed)))
        try:
            with storage.Shard.open(path) as shard:
                shard.piece()
                shard.arrays()
        except CorruptCheckpoint:
            refused += 1
    assert refused > 2000
