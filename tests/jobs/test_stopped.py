"""SIGSTOP and SIGCONT: a rank that does nothing for long is not gone, and nothing ends."""

import os
import re
import signal
import sys
import time

import pytest

from sauerkraut.testing import Job, events

pytestmark = pytest.mark.job

RANKS = 3
STEPS = 100
GIVE_UP = 4.0


@pytest.fixture
def job(launcher, stepping, tmp_path):
    """A job that has committed an epoch."""
    environment = {"SAUERKRAUT_SIGNAL_LATENCY": "0.1", "SAUERKRAUT_PATIENCE": "0.5"}
    words = ["step_on", "ckpt", f"steps={STEPS}", "interval=0.3s"]

    def start(**more):
        return Job(
            launcher,
            RANKS,
            [sys.executable, str(stepping), *words],
            cwd=tmp_path,
            output=tmp_path / "output.txt",
            environment={**environment, **more},
        )

    return start


def ranks_of(job, directory):
    """The process numbers of all ranks, once the job has committed an epoch."""
    wait_until(job, lambda: any(each["event"] == "commit" for each in events(directory)))
    wait_until(job, lambda: len(job.rank_pids()) == RANKS)
    return job.rank_pids()


def wait_until(job, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, job.said()
        time.sleep(0.02)


def finished(job):
    """What each rank printed at the end of a job that nothing disturbed."""
    assert job.wait(100) == 0, job.said()
    values = dict(re.findall(r"^rank (\d): (.*)$", job.said(), re.MULTILINE))
    total = STEPS * (STEPS + 1) / 2
    return values == {str(rank): f"({total * (rank + 1)}, None)" for rank in range(RANKS)}


def test_one_stopped_rank_is_named_and_waited_for(job, tmp_path):
    with job(SAUERKRAUT_NODE_TIMEOUT="4") as running:
        stopped = ranks_of(running, tmp_path / "ckpt")[1]
        os.kill(stopped, signal.SIGSTOP)
        wait_until(running, lambda: running.said().count("missing ranks: ") >= 2)
        wait_until(running, lambda: "is stopped by a signal since" in running.said())
        os.kill(stopped, signal.SIGCONT)
        assert finished(running), running.said()


def test_time_in_which_all_ranks_are_stopped_counts_as_none(job, tmp_path):
    with job(SAUERKRAUT_GIVE_UP=str(GIVE_UP), SAUERKRAUT_NODE_TIMEOUT="3") as running:
        pids = ranks_of(running, tmp_path / "ckpt")
        os.kill(pids[1], signal.SIGSTOP)
        wait_until(running, lambda: "missing ranks: " in running.said())  # the others wait
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(GIVE_UP + 0.5)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert finished(running), running.said()


@pytest.mark.thorough
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_in_c_code_for_long_ends_nothing(step, rank):
    soon = {"SAUERKRAUT_NODE_TIMEOUT": "2", "SAUERKRAUT_PATIENCE": "1"}
    done = step("holding_the_gil", 2, rank=rank, seconds=8, environment=soon)
    assert done.status == 0, done.said
    assert len(re.findall(r"^rank \d: \(", done.said, re.MULTILINE)) == 2, done.said
    assert "watchdog" not in done.said
