"""Stacks that a release stored go on in every later one: `tests/data/stacks-<n>/<CPython>`.

``python tests/unit/test_golden_stacks.py DIRECTORY`` stores those of this interpreter with the
release that is installed. What lies there is never written again.
"""

import gzip
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.processes import run_python

DATA = Path(__file__).resolve().parents[1] / "data"
GOLDEN = sorted(DATA.glob(f"stacks-*/{sys.implementation.cache_tag}"))
READ = "numbers.txt"
WRITTEN = 1_000_000_000  # when that was, in seconds
NOBODY = """
import os, sys
os.getcwd = lambda: "/proc/self/cwd"
os.uname = lambda: os.uname_result(("Linux", "host", "", "", "x86_64"))
os.environ["LOGNAME"] = "nobody"
sys.orig_argv = ["/usr/bin/python3", "program.py"]
"""
"""Run before the program that is stored, so that nothing of this machine is."""


def place(folder, here):
    """Put the program and the file that it reads into a directory."""
    here.mkdir()
    for name in ("program.py", READ):
        shutil.copy(folder / name, here)
    os.utime(here / READ, (WRITTEN, WRITTEN))


def run(here, mode, **options):
    return run_python("/proc/self/cwd/program.py", mode, cwd=here, **options).stdout


@pytest.fixture(params=GOLDEN, ids=lambda path: path.parent.name)
def golden(request):
    return request.param


@pytest.fixture
def here(golden, tmp_path):
    """A directory with the program, and the log as far as it was written."""
    here = tmp_path / "here"
    place(golden.parent, here)
    return here


@pytest.fixture
def undisturbed(golden, tmp_path):
    """What the program prints and writes where nothing was stored."""

    def undisturbed(mode):
        here = tmp_path / "undisturbed"
        place(golden.parent, here)
        return run(here, mode), (here / "log.txt").read_text()

    return undisturbed


def test_there_are_golden_stacks_of_every_cpython():
    assert sorted(path.name for path in DATA.glob("stacks-1/cpython-*")) == [
        "cpython-311",
        "cpython-312",
        "cpython-313",
        "cpython-314",
        "cpython-315",
    ]


def test_an_epoch_goes_on(golden, here, undisturbed):
    shutil.copytree(golden / "ckpt", here / "ckpt")
    for each in (here / "ckpt", *(here / "ckpt").rglob("*")):
        each.chmod(0o700 if each.is_dir() else 0o600)
    shutil.copy(golden / "log.txt", here)
    assert (run(here, "run"), (here / "log.txt").read_text()) == undisturbed("run")
    assert '"event": "restart"' in (here / "ckpt" / "events.jsonl").read_text()


def test_a_snapshot_goes_on(golden, here, undisturbed):
    (here / "snapshot").write_bytes(gzip.decompress((golden / "snapshot.gz").read_bytes()))
    shutil.copy(golden / "captured-log.txt", here / "log.txt")
    assert (run(here, "resume"), (here / "log.txt").read_text()) == undisturbed("plain")


def write(directory):
    """Store an epoch and a snapshot, as nobody on no host."""
    directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as made:
        here = Path(made) / "here"
        place(DATA / "stacks-1", here)
        (Path(made) / "sitecustomize.py").write_text(NOBODY)
        path = os.pathsep.join([made, os.environ.get("PYTHONPATH", "")])
        environment = {"PYTHONPATH": path, "SAUERKRAUT_BLOCK_THRESHOLD": "4096"}
        run(here, "stop", environment=environment, timeout=600)
        epoch = max((here / "ckpt").glob("epoch-*"))
        shutil.copytree(epoch, directory / "ckpt" / epoch.name)
        shutil.copy(here / "log.txt", directory)
        run(here, "capture", environment=environment, timeout=600)
        shutil.copy(here / "log.txt", directory / "captured-log.txt")
        stored = gzip.compress((here / "snapshot").read_bytes(), mtime=0)
        (directory / "snapshot.gz").write_bytes(stored)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
