"""Tasks of every release go on: `tests/data/tasks-<n>/<CPython>`, never written again.

``python -m sauerkraut.testing 2 python -m tests.mpi.test_golden_tasks DIRECTORY`` writes one of
this interpreter into a new directory of that name, with the release that is installed.
"""

import getpass
import os
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path

import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.mpi.tasks import stored
from sauerkraut.storage import Shard, catalog
from tests.mpi.golden import DATA, fixture, program

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))

golden = fixture("tasks")
MAILBOX = 1000
SOON = 2.0  # seconds


def run(comm, module, path=None):
    module.may_go_on = True
    with mpi.TaskPool(comm, path, mailbox=MAILBOX) as pool:
        assert bool(pool.restarted) == (path is not None)
        if path is None:
            module.spawn(pool)
        found = comm.allgather(pool.run())
    return {name: result for each in found for name, result in each.items()}


def test_they_go_on(golden, comm, shared_dir):
    undisturbed = run(comm, program(golden.parent, "golden_tasks"))
    path = shared_dir / "ckpt"
    if comm.rank == 0:
        shutil.copytree(golden, path)
        for each in (path, *path.rglob("*")):
            each.chmod(0o700 if each.is_dir() else 0o600)
    comm.barrier()
    assert run(comm, program(golden.parent, "golden_tasks"), path) == undisturbed


def test_they_stand_everywhere_a_task_can(golden):
    (entry,) = catalog.committed(golden)
    manifest, states = catalog.read_manifest(entry.path), {}
    for seal in manifest.seals:
        with Shard.open(entry.path / seal.file, seal=seal) as shard:
            found = stored.read(shard)
        states |= {each.name: (each.state, each.letters) for each in found.tasks}
    virtual = {f"rank {rank}": ("can run", 0) for rank in range(3)}
    assert states == virtual | {
        "loops": ("can run", 0),
        "listens": ("waits for a message of any task with tag 9", 2),
        "reads": ("can run", 1),
        "floods": ("waits for room in the mailbox of task 4", 0),
        "tells": ("can run", 0),
        "awaits": ("waits for the result of task 2", 0),
    }


def write(directory):
    """Store the tasks, as nobody on no host, and end with status 85."""
    os.uname = lambda: os.uname_result(("Linux", "host", "", "", "x86_64"))
    getpass.getuser = lambda: "nobody"
    traceback.format_exception = traceback.format_exception_only  # no paths
    sys.orig_argv = ["python", "golden_tasks.py"]
    module = program(DATA / "tasks-1", "golden_tasks")
    if MPI.COMM_WORLD.rank == 0:
        threading.Timer(SOON, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with mpi.TaskPool(MPI.COMM_WORLD, directory, mailbox=MAILBOX) as pool:
        os.chdir("/")
        module.spawn(pool)
        pool.run()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
