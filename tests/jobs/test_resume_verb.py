"""`sauerkraut resume` finishes a job that was stopped or killed, with nothing but its directory."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.testing import Job, events
from tests.processes import run_python

pytestmark = pytest.mark.job

HEAT2D = Path(__file__).resolve().parents[2] / "examples" / "heat2d.py"
SOON = {"PYTHONHASHSEED": "0", "SAUERKRAUT_SIGNAL_LATENCY": "0.1"}


@pytest.fixture
def start(launcher, tmp_path):
    """Start heat2d on 4 ranks in the test's directory."""

    def start(steps=1500, interval="0.2s"):
        options = ["--size=128", f"--steps={steps}", "--dir=ckpt", f"--interval={interval}"]
        command = [sys.executable, str(HEAT2D), *options]
        return Job(launcher, 4, command, cwd=tmp_path, output=tmp_path / "output", environment=SOON)

    return start


@pytest.fixture
def resume(launcher, tmp_path):
    """Run the verb from another directory than the job's."""

    def resume(*options, **environment):
        options = options or ("--launcher", " ".join(launcher.command(4)))
        return run_python(
            *("-m", "sauerkraut", "resume", *options, tmp_path / "ckpt"),
            cwd="/",
            env={**os.environ, **launcher.environment, **SOON, **environment},
            timeout=120,
            check=False,
        )

    return resume


def wait_for_commit(job, checkpoints):
    deadline = time.monotonic() + 60
    while not any(event["event"] == "commit" for event in events(checkpoints)):
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, job.said()
        time.sleep(0.02)


@pytest.mark.timeout(200)
def test_a_killed_job_is_finished(start, resume, tmp_path):
    with start() as job:
        wait_for_commit(job, tmp_path / "ckpt")
        job.kill("all", random.Random(1))
        job.wait(60)

    done = resume()

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ckpt" / "COMPLETE").exists()
    assert (tmp_path / "heat2d.npy").exists()
    assert "restart" in [event["event"] for event in events(tmp_path / "ckpt")]


@pytest.mark.timeout(200)
def test_a_stopped_job_exits_85_and_is_finished(start, resume, tmp_path):
    with start(interval="1h") as job:
        deadline = time.monotonic() + 60
        while not (tmp_path / "heat2d.log").exists() or not job.rank_pids():
            assert time.monotonic() < deadline, job.said()
            time.sleep(0.02)
        os.kill(job.rank_pids()[2], signal.SIGUSR1)
        assert job.wait(60) == 85, job.said()
    assert not (tmp_path / "heat2d.npy").exists()

    assert resume().returncode == 0

    assert len((tmp_path / "heat2d.log").read_text().splitlines()) == 214


@pytest.mark.timeout(200)
def test_without_a_launcher_the_mpiexec_beside_the_recorded_python_is_used(start, resume, tmp_path):
    """Its environment is not active, and the mpiexec on PATH is that of another MPI."""
    other = tmp_path / "bin" / "mpiexec"
    other.parent.mkdir()
    other.write_text('#!/bin/sh\n[ "$1" = --version ] && exit\nshift 2\n"$@"\n"$@"\n')
    other.chmod(0o755)
    with start() as job:
        wait_for_commit(job, tmp_path / "ckpt")
        job.kill("all", random.Random(2))
        job.wait(60)

    done = resume(
        "--take-over",
        PATH=f"{other.parent}:/usr/bin:/bin",
        PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe",
        OMPI_MCA_rmaps_base_oversubscribe="1",
    )

    assert done.returncode == 0, done.stderr
    assert f"{Path(sys.executable).parent}/mpiexec -n 4 " in done.stderr
    assert (tmp_path / "heat2d.npy").exists()
