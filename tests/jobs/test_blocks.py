"""A job that was killed is continued on fewer ranks, from its arrays, and nobody can tell."""

import random
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sauerkraut import storage
from sauerkraut.testing import Job, events
from tests.processes import run_python

pytestmark = [pytest.mark.job, pytest.mark.thorough]

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "plate.py"
STEPS = 4000
ENVIRONMENT = {"SAUERKRAUT_SIGNAL_LATENCY": "0.05"}


@pytest.fixture
def start(launcher, tmp_path):
    def start(ranks, *words):
        return Job(
            launcher,
            ranks,
            [sys.executable, str(PROGRAM), *map(str, words)],
            cwd=tmp_path,
            output=tmp_path / "output.txt",
            environment=ENVIRONMENT,
        )

    return start


def killed_after(job, directory, commits):
    """Kill all ranks of a job when its directory has so many epochs."""
    deadline = time.monotonic() + 60
    while sum(each["event"] == "commit" for each in events(directory)) < commits:
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, job.said()
        time.sleep(0.01)
    assert job.kill("all", random.Random(1))
    job.end()


def test_a_new_job_on_other_ranks_starts_from_the_data_of_one_that_was_killed(start, tmp_path):
    with start(1, "quiet", STEPS) as job:
        job.wait(120)
    quiet = np.load(tmp_path / "quiet.npy")
    with start(4, "four", STEPS) as job:
        killed_after(job, tmp_path / "four", 2)
    data = storage.open(tmp_path / "four")
    assert 0 < data.step < STEPS
    shown = run_python("-m", "sauerkraut", "inspect", tmp_path / "four").stdout
    assert "\n  plate/u  <f8  (61, 40)  19.1 KiB  blocks of ranks: 4\n" in shown
    for ranks in (2, 3):
        with start(ranks, f"on{ranks}", STEPS, "four") as job:
            job.wait(120)
            said = job.said()
        assert "data for a fresh start on any number of ranks; no frame is resumed" in said
        assert np.load(tmp_path / f"on{ranks}.npy").tobytes() == quiet.tobytes(), said
    with start(2, "four", STEPS) as job:  # a restart of the frames needs as many ranks
        assert job.wait(60)
        assert (
            "or afresh in another directory from the arrays that sauerkraut.storage" in job.said()
        )
