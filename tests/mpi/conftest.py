"""Checkpointers and pools over the communicator of a test."""

import shutil

import pytest
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut import mpi
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


@pytest.fixture
def on(comm):
    """Run a function with a pool over the first ranks; what it returns on each of them."""

    def on(ranks, path, body, **options):
        part = comm.Split(0 if comm.rank < ranks else MPI.UNDEFINED)
        found = None
        if part != MPI.COMM_NULL:
            with mpi.TaskPool(part, path, keep=100, **options) as pool:
                found = part.allgather(body(pool))
            part.Free()
        return comm.bcast(found)

    return on


@pytest.fixture
def alone(comm, shared_dir):
    """A directory of its own with one epoch of another."""

    def alone(epoch, name):
        if comm.rank == 0:
            shutil.copytree(epoch, shared_dir / name / epoch.name)
            (shared_dir / name).chmod(0o700)
        comm.barrier()
        return shared_dir / name

    return alone


@pytest.fixture
def pool(comm):
    """A pool of all ranks, closed after the test."""
    from sauerkraut import mpi

    with mpi.TaskPool(comm) as opened:
        yield opened
