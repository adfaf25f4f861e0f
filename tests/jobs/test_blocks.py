"""A job that was killed is continued on fewer ranks, from its arrays, and nobody can tell."""

import random
import sys
import time
from pathlib import Path

import pytest

from sauerkraut import storage
from sauerkraut.testing import Job, events
from tests.processes import run_python

pytestmark = [pytest.mark.job, pytest.mark.thorough]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plate.py"
SIZE, STEPS = 61, 4000
ENVIRONMENT = {"SAUERKRAUT_SIGNAL_LATENCY": "0.05"}


@pytest.fixture
def start(launcher, tmp_path):
    """Start the example on some ranks, with checkpoints and result of a name."""

    def start(ranks, name, *words):
        options = f"--size={SIZE}", f"--steps={STEPS}", "--interval=0.05s"
        names = f"--dir={name}", f"--out={name}.npy"
        return Job(
            launcher,
            ranks,
            [sys.executable, str(EXAMPLE), *options, *names, *words],
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
    with start(1, "quiet") as job:
        assert job.wait(120) == 0, job.said()
    quiet = (tmp_path / "quiet.npy").read_bytes()
    with start(4, "four") as job:
        killed_after(job, tmp_path / "four", 2)
    assert 0 < storage.open(tmp_path / "four").step < STEPS
    shown = run_python("-m", "sauerkraut", "inspect", tmp_path / "four").stdout
    assert "\n  plate/u  <f8  (61, 61)  29.1 KiB  blocks of ranks: 4\n" in shown
    for ranks in (2, 3):
        with start(ranks, f"on{ranks}", "--start-from=four") as job:
            assert job.wait(120) == 0, job.said()
            said = job.said()
        assert "data for a fresh start on any number of ranks; no frame is resumed" in said
        assert (tmp_path / f"on{ranks}.npy").read_bytes() == quiet, said
    with start(2, "four") as job:  # a restart of the frames needs as many ranks
        assert job.wait(60)
        assert (
            "or afresh in another directory from the arrays that sauerkraut.storage" in job.said()
        )
