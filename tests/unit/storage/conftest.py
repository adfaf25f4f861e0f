"""A run of a job against a checkpoint directory, in one process, for all tests of the store."""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sauerkraut import storage
from sauerkraut.errors import CorruptCheckpoint, StorageError, Superseded
from sauerkraut.storage import catalog, layout


def piece(rank, step):
    """What rank stores at a step; some pages long."""
    stream = f"rank {rank} at step {step}".encode()
    values = bytes((rank + step + i) % 251 for i in range(9000))
    return storage.Piece(
        rank,
        (storage.Stream("control", stream), storage.Stream("providers/empty", b"")),
        (storage.Array("arrays/0", values, "|u1", (90, 100), "main:u"),),
    )


def same(found, expected):
    """Whether two pieces hold the same."""

    def plain(piece):
        return (
            piece.rank,
            {s.name: bytes(s.data) for s in piece.streams},
            {a.name: (bytes(a.data), a.dtype, a.shape, a.path) for a in piece.arrays},
        )

    return plain(found) == plain(expected)


@dataclass
class Job:
    """One incarnation that works on a directory as a Checkpointer would, all ranks in turn."""

    directory: Path
    world_size: int = 2
    keep: int = 1
    trust: storage.Trust = field(default_factory=storage.Trust)
    take_over: str | None = None
    foreign: bool = False
    """The epochs hold something else than `piece`."""
    acknowledged: object = None
    """Called with (what, value) after each step that makes a promise."""
    back: storage.epoch.Back | None = None
    """What the next epochs say to go back to."""
    ownership: storage.Ownership | None = None
    newest: storage.Epoch | None = None
    step: int = 0

    def start(self):
        """Take the directory and resume from its newest good epoch, as a restart does."""
        incarnation = storage.Incarnation.of_this_job()
        self.ownership = storage.Ownership.take(
            self.directory, incarnation, take_over=self.take_over, wait=0
        )
        self.promise("owner", incarnation.id)
        storage.roll_forward(self.ownership, self.trust)
        self.promise("decided", True)
        self.resume()
        return self

    def start_over(self):
        """What fresh=True does."""
        self.promise("committed", None)
        self.sweep(storage.start_over(self.ownership))
        self.promise("started over", True)
        self.newest, self.step = None, 0

    def resume(self):
        """Choose the newest epoch whose pieces all verify; set damaged ones aside."""
        for entry in catalog.committed(self.directory):
            try:
                manifest = catalog.read_manifest(entry.path, self.trust)
                for seal in manifest.seals:
                    path = entry.path / seal.file
                    with storage.Shard.open(path, self.trust, seal=seal) as shard:
                        found = shard.piece()
                    if not self.foreign:
                        assert same(found, piece(seal.rank, manifest.about.step))
            except CorruptCheckpoint:
                storage.set_aside_damaged(self.ownership, entry.path)
                continue
            self.newest, self.step = manifest.epoch, manifest.about.step
            if manifest.about.final:
                storage.finish(self.ownership, self.newest)
            return

    def attempt(self, final=False):
        """Stage every rank's piece of the next step."""
        more = {} if self.back is None else {"back": self.back.to_json()}
        about = storage.About(step=self.step + 1, final=final, more=more)
        parent = None if self.newest is None else self.newest.attempt
        return storage.begin(self.ownership, world_size=self.world_size, parent=parent, about=about)

    def checkpoint(self, final=False):
        """One epoch, with a second try as a running job would make it."""
        for last in (False, True):
            attempt = None
            try:
                attempt = self.attempt(final)
                seals = [
                    storage.write(attempt, piece(rank, self.step + 1), self.trust)
                    for rank in range(self.world_size)
                ]
                self.newest = storage.publish(
                    self.ownership, attempt, seals, seconds=0.5, trust=self.trust
                )
                break
            except Superseded:
                raise
            except StorageError:
                if last:
                    raise
                if attempt is not None:
                    try:
                        self.sweep(storage.discard(self.ownership, attempt))
                        self.promise("gone", attempt.path.name)
                    except Superseded:
                        raise
                    except StorageError:
                        pass
        self.step += 1
        self.promise("committed", self.newest.number)
        storage.events.append(self.ownership, "commit", epoch=self.newest.number)
        try:
            self.sweep(storage.prune(self.ownership, self.keep))
        except Superseded:
            raise
        except StorageError:
            pass
        return self.newest

    def sweep(self, trash):
        for rank in range(self.world_size):
            storage.sweep(trash, rank, self.world_size)

    def finish(self):
        """The end of a run."""
        epoch = self.checkpoint(final=True)
        storage.finish(self.ownership, epoch)
        self.promise("complete", epoch.number)
        self.leave()

    def leave(self):
        self.ownership.touch(1.5)
        self.ownership.release()
        self.promise("released", True)

    def promise(self, what, value):
        if self.acknowledged is not None:
            self.acknowledged(what, value)

    def whole_life(self):
        """Everything a run does to its directory: take, commit, prune, finish, leave."""
        self.start()
        while self.step < 2:
            self.checkpoint()
        self.finish()


@pytest.fixture
def directory():
    """An absent checkpoint directory; in memory where there is such a file system."""
    memory = Path("/dev/shm")
    made = tempfile.mkdtemp(
        prefix="sauerkraut-", dir=memory if os.access(memory, os.W_OK) else None
    )
    yield Path(made) / "ckpt"
    shutil.rmtree(made)


@pytest.fixture
def job():
    """The class Job: test modules cannot import this one."""
    return Job


@pytest.fixture
def expected_piece():
    """The function piece."""
    return piece


@pytest.fixture
def is_same():
    """The function same."""
    return same


@pytest.fixture
def epoch(directory):
    """The path of one committed epoch of two ranks."""
    running = Job(directory).start()
    made = running.checkpoint()
    running.leave()
    return made.path


@pytest.fixture
def unexpected():
    """The function that returns names in a directory that a finished run must not leave."""

    def names(directory):
        known = {layout.OWNER, layout.COMPLETE, layout.EVENTS}
        return [
            name
            for name in sorted(path.name for path in directory.iterdir())
            if name not in known
            and not ((n := layout.EpochName.parse(name)) and n.state == "committed")
        ]

    return names
