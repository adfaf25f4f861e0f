"""Epochs with handles of MPI of every release go on: `tests/data/handles-<n>/<CPython>`.

``python -m sauerkraut.testing 2 python -m tests.mpi.test_golden_handles DIRECTORY`` writes one of
this interpreter into a new directory of that name, with the release that is installed. They are
never written again. One that MPICH wrote is read under Open MPI as well.
"""

import getpass
import os
import shutil
import sys
import traceback
from pathlib import Path

import pytest
from mpi4py import MPI

import sauerkraut as skt
from tests.mpi.golden import DATA, fixture, program

pytestmark = pytest.mark.mpi(ranks=2)

golden = fixture("handles")


def test_they_go_on(golden, make, comm, shared_dir, monkeypatch):
    monkeypatch.chdir(shared_dir)  # a restart goes to where the golden one was written
    module = program(golden.parent, "golden_handles")
    with monkeypatch.context() as undisturbed:
        undisturbed.setattr(module, "again", lambda: None)
        expected = module.work(comm)
    if comm.rank == 0:
        shutil.copytree(golden, shared_dir / "ckpt")
        for each in (shared_dir / "ckpt", *(shared_dir / "ckpt").rglob("*")):
            each.chmod(0o700 if each.is_dir() else 0o600)
    comm.barrier()
    assert make().run(module.work, comm) == expected


def write(directory):
    """Store an epoch, as nobody on no host."""
    os.uname = lambda: os.uname_result(("Linux", "host", "", "", "x86_64"))
    getpass.getuser = lambda: "nobody"
    traceback.format_exception = traceback.format_exception_only  # no paths
    sys.orig_argv = ["/usr/bin/python3", "golden_handles.py"]
    module = program(DATA / "handles-1", "golden_handles")
    options = {"interval": None, "quiet": True, "globals": "none"}
    ckpt = skt.Checkpointer(directory.absolute(), MPI.COMM_WORLD, **options)
    os.chdir("/")
    try:
        ckpt.run(module.work, MPI.COMM_WORLD)
    except module.StoredError:
        os._exit(0)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
