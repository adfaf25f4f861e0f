"""`sauerkraut launch`: whatever is killed, the job ends with the bytes of a quiet run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.jobs.supervised import Supervised, kill
from tests.processes import run_python

RESUME_SH = Path(__file__).resolve().parents[2] / "jobs" / "resume.sh"
pytestmark = [pytest.mark.job, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def undisturbed(launcher, tmp_path_factory):
    with Supervised(launcher, tmp_path_factory.mktemp("quiet"), interval="1h") as job:
        assert job.wait() == 0, job.said()
        return job.result()


@pytest.fixture
def launch(launcher, tmp_path):
    jobs = []

    def launch(*options, **more):
        jobs.append(Supervised(launcher, tmp_path, *options, **more))
        return jobs[-1]

    yield launch
    for job in jobs:
        job.__exit__()


@pytest.mark.parametrize(
    "victim",
    [pytest.param("rank", marks=pytest.mark.thorough), "all", "mpiexec"],
)
def test_a_job_that_is_killed_is_started_again(launch, undisturbed, victim):
    job = launch()
    job.wait_for_commits(1)
    ranks = job.ranks()
    for pid in {"rank": ranks[1:], "all": ranks, "mpiexec": job.launchers()}[victim]:
        kill(pid, signal.SIGKILL)

    assert job.wait() == 0, job.said()
    assert job.result() == undisturbed
    assert job.restarts() == 1
    assert job.belonging() == []


def test_a_killed_supervisor_leaves_a_checkpoint_and_the_next_one_goes_on(launch, undisturbed):
    first = launch(interval="1h")
    first.wait_for_start()
    kill(first.process.pid, signal.SIGKILL)
    second = launch()

    assert second.wait() == 0, second.said()
    assert second.result() == undisturbed
    assert second.restarts() == 1  # from the epoch that the kill asked for
    assert first.belonging() == []


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)]
)
def test_asked_to_stop_it_checkpoints_and_the_same_command_goes_on(launch, undisturbed, number):
    job = launch(interval="1h")
    job.wait_for_start()
    kill(job.process.pid, number)
    assert job.wait() == 85, job.said()
    assert f"{number.name}: asking the ranks to checkpoint and stop" in job.said()
    assert json.loads((job.checkpoints / "OWNER").read_text())["released"]

    again = launch()
    assert again.wait() == 0, again.said()
    assert again.result() == undisturbed


def test_usr2_is_passed_on(launch):
    job = launch(interval="1h")
    job.wait_for_start()
    kill(job.process.pid, signal.SIGUSR2)
    assert job.wait() == 0, job.said()
    assert (len(job.commits()), job.restarts()) == (2, 0)  # that one and the final epoch


@pytest.mark.thorough
def test_a_signal_to_a_rank_alone_is_no_order_to_leave(launch, undisturbed):
    job = launch(interval="1h")
    job.wait_for_start()
    kill(job.ranks()[0], signal.SIGUSR1)

    assert job.wait() == 0, job.said()
    assert "its ranks were told to stop" in job.said()
    assert (job.restarts(), job.result()) == (1, undisturbed)


@pytest.mark.thorough
def test_a_second_term_ends_ranks_that_do_not_poll(launch):
    job = launch(steps=2_000_000)
    job.wait_for_commits(1)
    for pid in job.ranks():
        kill(pid, signal.SIGSTOP)
    kill(job.process.pid, signal.SIGTERM)
    job.wait_until(lambda: "asking the ranks" in job.said())
    time.sleep(1.2)  # one that comes sooner is the same one, come by another way
    kill(job.process.pid, signal.SIGTERM)
    assert job.wait() == 86, job.said()
    assert job.belonging() == []


@pytest.mark.thorough
def test_a_job_that_hangs_is_ended_where_that_was_asked_for(launch, undisturbed):
    job = launch("--end-silent=3")
    job.wait_for_commits(1)
    kill(job.ranks()[1], signal.SIGSTOP)

    assert job.wait() == 0, job.said()
    assert "no sign of life from rank 0" in job.said()
    assert job.result() == undisturbed


def test_another_start_waits_for_nobody_who_lives(launch, launcher, tmp_path):
    job = launch(steps=2_000_000)
    job.wait_for_commits(1)
    words = [*launcher.command(2), *job.program]
    done = run_python(
        *("-m", "sauerkraut", "launch", "--", *words),
        cwd=tmp_path,
        env={**os.environ, **launcher.environment},
        check=False,
    )
    assert done.returncode == 87
    assert f"supervised by pid {job.process.pid}" in done.stderr
    assert job.process.poll() is None


@pytest.mark.thorough
def test_a_start_that_takes_over_ends_the_other_supervisor(launch, undisturbed):
    old = launch()
    old.wait_for_commits(1)
    new = launch("--take-over")

    assert new.wait() == 0, new.said()
    assert old.wait() == 87, old.said()
    assert "Superseded" in new.said()
    assert new.result() == undisturbed


@pytest.mark.thorough
def test_resume_sh_finishes_what_is_in_a_directory(launch, launcher, undisturbed, tmp_path):
    job = launch(interval="1h")
    job.wait_for_start()
    kill(job.process.pid, signal.SIGTERM)
    assert job.wait() == 85, job.said()

    done = subprocess.run(
        [RESUME_SH, "ckpt", *launcher.command(2)],
        cwd=tmp_path,
        env={
            **os.environ,
            **launcher.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert job.result() == undisturbed
