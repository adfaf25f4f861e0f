"""Epochs with handles of MPI of every release go on: `tests/data/handles-<n>/<CPython>`.

``python -m sauerkraut.testing 2 python tests/mpi/test_golden_handles.py DIRECTORY`` writes one of
this interpreter into a new directory of that name, with the release that is installed. They are
never written again. One that MPICH wrote is read under Open MPI as well.
"""

import getpass
import os
import shutil
import sys
import traceback
import types
from pathlib import Path

import pytest
from mpi4py import MPI

import sauerkraut as skt

pytestmark = pytest.mark.mpi(ranks=2)

DATA = Path(__file__).resolve().parents[1] / "data"
GOLDEN = sorted(DATA.glob(f"handles-*/{sys.implementation.cache_tag}"))


def program(folder):
    """The module of the program, whose file has the same name on every machine."""
    name = "golden_handles"
    module = sys.modules[name] = types.ModuleType(name)
    source = (folder / f"{name}.py").read_text()
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return module


@pytest.fixture(params=GOLDEN, ids=lambda path: path.parent.name)
def golden(request):
    yield request.param
    sys.modules.pop("golden_handles", None)


def test_they_go_on(golden, make, comm, shared_dir, monkeypatch):
    monkeypatch.chdir(shared_dir)  # a restart goes to where the golden one was written
    module = program(golden.parent)
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
    module = program(DATA / "handles-1")
    options = {"interval": None, "quiet": True, "globals": "none"}
    ckpt = skt.Checkpointer(directory.absolute(), MPI.COMM_WORLD, **options)
    os.chdir("/")
    try:
        ckpt.run(module.work, MPI.COMM_WORLD)
    except module.StoredError:
        os._exit(0)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
