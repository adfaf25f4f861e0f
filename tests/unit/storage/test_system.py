"""Real limits of the system: a full file system, file sizes, permissions, other users."""

import errno
import multiprocessing
import os
import pwd
import resource
import subprocess
import tempfile
from pathlib import Path

import pytest

from sauerkraut import storage
from sauerkraut.errors import CorruptCheckpoint, StorageError, UntrustedCheckpoint
from sauerkraut.settings import Settings
from sauerkraut.storage import catalog, layout, shard
from sauerkraut.storage.disk import File

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
HEADER = {"kind": "shard", "epoch": 1, "attempt": "0", "world_size": 1}
root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="missing: root, to mount and to be another user"
)


@pytest.fixture
def in_memory():
    """Mount a tmpfs of a size, unmounted after the test."""
    mounted = []

    def mount(size):
        place = tempfile.mkdtemp(prefix="sauerkraut-")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            Path(place).rmdir()
            told = done.stderr.decode().strip()
            pytest.skip(
                f"missing: the right to mount a tmpfs ({told}): run as root, or `unshare -rm`"
            )
        mounted.append(place)
        return Path(place)

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)
        Path(place).rmdir()


@pytest.fixture
def full(in_memory):
    """A real file system of 1 MiB, and an absent checkpoint directory in it."""
    return in_memory("1m") / "ckpt"


def big_piece(nbytes):
    return storage.Piece(0, (), (storage.Array("arrays/0", bytes(nbytes), "|u1", (nbytes,), "u"),))


@root_only
def test_a_full_file_system_is_an_error_and_the_newest_epoch_stays(full, job):
    running = job(full, world_size=1).start()
    kept = running.checkpoint()
    attempt = running.attempt()
    with pytest.raises(StorageError, match=r"shard-00000.h5") as error:
        storage.write(attempt, big_piece(2 << 20), running.trust)
    assert error.value.errno == errno.ENOSPC
    running.sweep(storage.discard(running.ownership, attempt))
    assert catalog.verify(kept.path) == []
    assert running.checkpoint().number == 2
    running.leave()


@root_only
def test_a_file_system_without_a_limit_has_room(in_memory, job):
    running = job(in_memory("0") / "ckpt", world_size=1).start()
    running.checkpoint()
    epoch = running.checkpoint()
    assert (epoch.number, catalog.verify(epoch.path)) == (2, [])
    running.leave()


@root_only
def test_in_memory_nothing_is_reserved_and_a_post_mortem_still_leaves_room(in_memory):
    place = in_memory("1m")
    with File.create(place / "file", 0o600) as file:
        assert file.allocate(2 << 20) is False
        assert file.status().st_size == 2 << 20
    half = 600 << 10
    with pytest.raises(StorageError, match="for the next epoch are more than") as error:
        shard.write_file(
            place / "shard", big_piece(half), HEADER, storage.Trust(), 0o600, leave_free=half
        )
    assert error.value.errno == errno.ENOSPC


@root_only
def test_no_room_for_a_manifest(full, job):
    running = job(full, world_size=1, keep=2).start()
    running.checkpoint()
    filler = full / "filler"
    try:
        with filler.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
    except OSError:
        pass
    with pytest.raises(StorageError) as error:
        running.checkpoint()
    assert error.value.errno == errno.ENOSPC
    filler.unlink()
    running.checkpoint()
    assert all(catalog.verify(entry.path) == [] for entry in catalog.committed(full))
    running.leave()


def test_space_is_checked_before_staging(directory, job):
    running = job(directory).start()
    with pytest.raises(StorageError, match=r"needs about \d+ bytes, \d+ are free") as error:
        storage.begin(
            running.ownership, world_size=1, parent=None, about=storage.About(), nbytes=1 << 60
        )
    assert error.value.errno == errno.ENOSPC
    assert catalog.entries(directory) == []


def limited(directory, job, out):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    running = job(directory, world_size=1).start()
    running.checkpoint()
    attempt = running.attempt()
    try:
        storage.write(attempt, big_piece(200_000), running.trust)
    except StorageError as error:
        out.send(error.errno)
    running.sweep(storage.discard(running.ownership, attempt))
    out.send(running.checkpoint().number)


def test_a_limit_of_file_size_is_an_error(directory, job):
    answer = in_child(limited, directory, job)
    assert (answer.recv(), answer.recv()) == (errno.EFBIG, 2)


def look(directory, what, trusted, out):
    """Take a directory or read its newest epoch; send what comes of it."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    ours = storage.Trust(owner=trusted)
    try:
        if what == "take":
            storage.Ownership.take(directory, storage.Incarnation.of_this_job(), wait=0)
        else:
            entry = catalog.committed(directory)[0]
            catalog.read_manifest(entry.path, ours)
            with storage.Shard.open(entry.path / layout.shard(0), ours) as shard:
                shard.piece()
        out.send("done")
    except StorageError as error:
        out.send(f"{type(error).__name__} {error.errno} {error}")


def in_child(function, *arguments):
    """Run a function in a forked process; returns the pipe's end that it sends to."""
    mine, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=function, args=(*arguments, theirs))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    return mine


def as_nobody(directory, what, trusted=None):
    """What an ordinary user meets, who does not own the directory where that can be."""
    return in_child(look, directory, what, trusted).recv()


@pytest.fixture
def open_directory(directory):
    """An empty directory that another user can look into."""
    directory.mkdir(parents=True)
    directory.parent.chmod(0o755)
    directory.chmod(0o755)
    return directory


def test_a_directory_that_may_not_be_written_is_refused(open_directory):
    open_directory.chmod(0o555)
    said = as_nobody(open_directory, "take")
    assert said.startswith(f"StorageError {errno.EACCES} ")
    assert str(open_directory) in said
    open_directory.chmod(0o755)


def test_an_unreadable_epoch_is_no_damage(open_directory, job):
    job(open_directory).start().checkpoint()
    epoch = open_directory / str(layout.EpochName(1, "committed"))
    if os.geteuid() != 0:
        epoch.chmod(0)
    said = as_nobody(open_directory, "read", pwd.getpwuid(os.geteuid()).pw_name)
    assert said.startswith(f"StorageError {errno.EACCES} ")
    epoch.chmod(0o700)


@root_only
def test_another_users_epoch_is_refused_unless_trusted(open_directory, job):
    epoch = job(open_directory).start().checkpoint().path
    for path in (epoch, *epoch.iterdir()):
        path.chmod(0o755)
    said = as_nobody(open_directory, "read")
    assert said.startswith("UntrustedCheckpoint")
    assert "SAUERKRAUT_TRUST_OWNER=root" in said
    assert as_nobody(open_directory, "read", "root") == "done"
    assert as_nobody(open_directory, "read", "0") == "done"
    assert "no user 'nosuchuser'" in as_nobody(open_directory, "read", "nosuchuser")


@pytest.mark.parametrize("which", ["", "manifest.h5", "shard-00000.h5"])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_an_epoch_that_others_may_write_is_refused(epoch, which, bits):
    path = epoch / which
    path.chmod(path.stat().st_mode | bits)
    ours = storage.Trust()
    with pytest.raises(UntrustedCheckpoint, match="chmod go-w") as error:
        [catalog.read_manifest(epoch, ours), storage.Shard.open(epoch / layout.shard(0), ours)]
    assert isinstance(error.value, PermissionError)
    catalog.read_manifest(epoch)  # who only looks may look
    assert catalog.verify(epoch) == []


def test_modes(directory, job):
    old = os.umask(0o077)
    try:
        for share, folder, file in [(None, 0o700, 0o600), ("group", 0o750, 0o640)]:
            here = directory / str(share)
            ownership = storage.Ownership.take(
                here, storage.Incarnation.of_this_job(), share=share, wait=0
            )
            running = job(here)
            running.ownership = ownership
            running.checkpoint(final=True)
            storage.finish(ownership, running.newest)
            for path in (here, *here.rglob("*")):
                expected = folder if path.is_dir() else file
                assert path.stat().st_mode & 0o777 == expected, path
    finally:
        os.umask(old)
    with pytest.raises(ValueError, match="share='all'"):
        layout.Modes.of("all")


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    return path


def test_a_keyed_epoch_needs_its_key(directory, job, key_file, is_same, expected_piece):
    keyed = storage.Trust.of(Settings(key_file=str(key_file)))
    epoch = job(directory, trust=keyed).start().checkpoint().path
    assert catalog.verify(epoch, keyed) == []
    with storage.Shard.open(epoch / "shard-00001.h5", keyed) as shard:
        assert is_same(shard.piece(), expected_piece(1, 1))
    key_file.write_bytes(b"another")
    other = storage.Trust.of(Settings(key_file=str(key_file)))
    for wrong, says in [(storage.Trust(), "SAUERKRAUT_KEY_FILE"), (other, "another key")]:
        with pytest.raises(UntrustedCheckpoint, match=says):
            catalog.read_manifest(epoch, wrong)
        with pytest.raises(UntrustedCheckpoint, match=says):
            storage.Shard.open(epoch / "shard-00001.h5", wrong)
    with pytest.raises(UntrustedCheckpoint, match="SAUERKRAUT_KEY_FILE"):
        catalog.verify(epoch)
    assert catalog.read_manifest(epoch).world_size == 2  # ls looks without a key


def test_an_epoch_without_a_key_is_refused_where_there_is_one(epoch, key_file):
    keyed = storage.Trust.of(Settings(key_file=str(key_file)))
    with pytest.raises(UntrustedCheckpoint, match="not authenticated"):
        catalog.read_manifest(epoch, keyed)


def test_damage_in_the_head_of_a_keyed_file_is_damage(directory, job, key_file):
    keyed = storage.Trust.of(Settings(key_file=str(key_file)))
    epoch = job(directory, trust=keyed).start().checkpoint().path
    path = epoch / "shard-00000.h5"
    content = path.read_bytes()
    for place in range(96):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(CorruptCheckpoint), storage.Shard.open(path, keyed):
                pass


def test_a_keyed_table_cannot_be_forged(directory, job, key_file):
    from sauerkraut.storage import hashes

    keyed = storage.Trust.of(Settings(key_file=str(key_file)))
    epoch = job(directory, trust=keyed).start().checkpoint().path
    path = epoch / "shard-00000.h5"
    content = bytearray(path.read_bytes())
    content[content.index(b'"world_size":2') + 13] = ord("3")
    content[4096 - 32 : 4096] = hashes.of_table(bytes(content[: 4096 - 32]), None)
    path.write_bytes(content)
    assert catalog.verify(epoch, keyed) != []
    content[20] = 1  # and now it says that it has no key
    content[64:80] = bytes(16)
    content[4096 - 32 : 4096] = hashes.of_table(bytes(content[: 4096 - 32]), None)
    path.write_bytes(content)
    with pytest.raises(UntrustedCheckpoint, match="not authenticated"):
        storage.Shard.open(path, keyed)


def test_the_key_must_be_secret_and_there(key_file):
    key_file.chmod(0o640)
    with pytest.raises(UntrustedCheckpoint, match="chmod 600"):
        storage.Trust.of(Settings(key_file=str(key_file)))
    key_file.chmod(0o600)
    key_file.write_bytes(b"")
    with pytest.raises(UntrustedCheckpoint, match="empty"):
        storage.Trust.of(Settings(key_file=str(key_file)))
    with pytest.raises(StorageError) as error:
        storage.Trust.of(Settings(key_file=str(key_file.with_name("none"))))
    assert error.value.errno == errno.ENOENT
    assert storage.Trust.of(Settings()) == storage.Trust()
