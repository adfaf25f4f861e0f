"""Checkpointers over the communicator of a test."""

import pytest

import sauerkraut as skt
from tests.mpi.interrupted import CrashError


@pytest.fixture
def make(comm, shared_dir):
    """Make a Checkpointer of the test's directory, quiet and without an interval."""
    made = []

    def make():
        made.append(skt.Checkpointer(shared_dir / "ckpt", comm, interval=None, quiet=True))
        return made[-1]

    yield make
    for each in made:
        each._job.meeting.end()


@pytest.fixture
def resumed(make):
    """The value of a function that is interrupted at its first checkpoint, and resumed."""

    def resumed(function, *args):
        with pytest.raises(CrashError):
            make().run(function, *args)
        return make().run(function, *args)

    return resumed
