"""What lasts long and is no failure: a C call that holds the GIL, ranks that are all stopped."""

import os
import random
import re
import signal
import sys
import time

import pytest

from sauerkraut.testing import Job, events

pytestmark = [pytest.mark.job, pytest.mark.thorough]

RANKS = 3
OWNER = 0  # the rank that keeps OWNER fresh
LIMIT = 200
SOON = {"SAUERKRAUT_SIGNAL_LATENCY": "0.1", "PYTHONHASHSEED": "0"}
STOPS = 2
STOPPED = 11.0  # seconds each
GIVE_UP = 10.0


@pytest.fixture
def job(launcher, stepping, tmp_path):
    """Start a scenario of stepping.py in a directory of its own."""

    def start(scenario, directory, environment=None, **options):
        (tmp_path / directory).mkdir()
        words = [scenario, "ckpt", *(f"{name}={value}" for name, value in options.items())]
        return Job(
            launcher,
            RANKS,
            [sys.executable, str(stepping), *words],
            cwd=tmp_path / directory,
            output=tmp_path / directory / "output",
            environment={**SOON, **(environment or {})},
        )

    return start


def result(job):
    """What each rank printed at the end of a job that ended well."""
    assert job.wait(LIMIT) == 0, job.said()
    found = dict(re.findall(r"^rank (\d): (\(.*)$", job.said(), re.MULTILINE))
    assert len(found) == RANKS, job.said()
    return found


@pytest.mark.timeout(3 * LIMIT)
def test_a_minute_in_a_call_that_holds_the_gil(job, tmp_path):
    options = {"interval": "0.3s", "rank": OWNER, "at": 10, "steps": 60}
    with job("holding_the_gil", "plain", seconds=0, **options) as undisturbed:
        expected = result(undisturbed)

    with job(
        "holding_the_gil", "held", {"SAUERKRAUT_PATIENCE": "5"}, seconds=60, **options
    ) as held:
        assert result(held) == expected
        told = [line for line in held.said().splitlines() if line.startswith("sauerkraut: ")]

    assert any(f"missing ranks: {OWNER}; waiting: " in line for line in told), told
    assert not any("ending the job" in line for line in told), told
    log = events(tmp_path / "held" / "ckpt")
    assert len({each["incarnation"] for each in log}) == 1
    assert [each["event"] for each in log if each["event"] in ("failed", "complete")] == [
        "complete"
    ]


@pytest.mark.timeout(3 * LIMIT)
def test_all_ranks_are_stopped_and_go_on(job, tmp_path):
    options = {"interval": "0.2s", "steps": 150}
    with job("step_on", "plain", **options) as undisturbed:
        expected = result(undisturbed)

    chance = random.Random(7)
    impatient = {"SAUERKRAUT_PATIENCE": "2", "SAUERKRAUT_GIVE_UP": str(GIVE_UP)}
    with job("step_on", "stopped", impatient, **options) as stopped:
        for commits in range(1, STOPS + 1):
            wait_for_commits(stopped, tmp_path / "stopped" / "ckpt", commits)
            time.sleep(chance.uniform(0, 0.3))
            pids = stopped.rank_pids()
            assert len(pids) == RANKS, stopped.said()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(STOPPED)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert result(stopped) == expected
        assert "ending the job" not in stopped.said()


def wait_for_commits(job, directory, count):
    deadline = time.monotonic() + LIMIT
    while sum(each["event"] == "commit" for each in events(directory)) < count:
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, job.said()
        time.sleep(0.02)
