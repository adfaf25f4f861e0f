"""`sauerkraut.testing` finds the ranks it started, kills as told, and leaves nothing behind."""

import random
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.testing import Job, events, find_launcher
from tests.processes import run_python

pytestmark = pytest.mark.job

SLEEP = "from mpi4py import MPI; import time; MPI.COMM_WORLD.Barrier(); time.sleep(300)"


@pytest.fixture(scope="module")
def launcher():
    return find_launcher()


@pytest.fixture
def job(launcher, tmp_path):
    with Job(
        launcher, 3, [sys.executable, "-c", SLEEP], cwd=tmp_path, output=tmp_path / "out"
    ) as job:
        deadline = time.monotonic() + 60
        while len(job.rank_pids()) < 3:
            assert time.monotonic() < deadline, job.said()
            time.sleep(0.05)
        yield job


def test_all_ranks_are_killed(job):
    pids = job.rank_pids()

    assert sorted(job.kill("all", random.Random(1))) == sorted(pids)

    job.wait(60)
    assert job.rank_pids() == []


def test_one_rank_is_killed_and_the_launcher_ends(job):
    assert len(job.kill("rank", random.Random(1))) == 1

    assert job.wait(60) != 0


def test_nothing_is_left_when_mpiexec_was_killed(job):
    (killed,) = job.kill("mpiexec", random.Random(1))

    assert killed not in job.rank_pids()
    assert job.wait(60) == -9
    job.end()
    assert job.rank_pids() == []


def test_an_mpiexec_that_starts_singletons_is_passed_over(launcher, tmp_path, monkeypatch):
    impostor = tmp_path / "mpiexec"
    impostor.write_text('#!/bin/sh\nshift 2\n"$@"; "$@"\n')
    impostor.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("PMI_SIZE", raising=False)

    found = find_launcher()

    assert found.mpiexec != str(impostor)
    assert found.name == launcher.name


def test_no_launcher_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(FileNotFoundError, match=r"pip install 'sauerkraut-hpc\[mpich\]'"):
        find_launcher(str(tmp_path / "python"))


def test_a_program_started_from_the_command_line(tmp_path):
    program = "import sys; from mpi4py import MPI; sys.stdout.write(f'{MPI.COMM_WORLD.size}\\n')"

    done = run_python("-m", "sauerkraut.testing", "2", sys.executable, "-c", program)

    assert done.stdout.split() == ["2", "2"]


def test_events_leave_a_torn_line_out(tmp_path):
    Path(tmp_path / "events.jsonl").write_text('{"event": "begin"}\n{"event": "com')

    assert events(tmp_path) == [{"event": "begin"}]
    assert events(tmp_path / "nothing") == []
